-- The most that a token may, whatever its user may.

ALTER TABLE tokens ADD COLUMN role text NOT NULL DEFAULT 'administrator';
