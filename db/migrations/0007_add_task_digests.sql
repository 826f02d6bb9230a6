-- What was asked for under an op id, so that another server, too, knows another request by it.

ALTER TABLE tasks ADD asked text;
