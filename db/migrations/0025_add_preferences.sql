-- What the pages remember for a user.

ALTER TABLE users ADD COLUMN preferences json;
