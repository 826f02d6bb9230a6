-- What happened.

CREATE TABLE events (
	id bigint PRIMARY KEY,
	at_ms bigint NOT NULL,
	type text NOT NULL,
	severity text NOT NULL,
	entity obj_id,
	entity_name text,
	task obj_id,
	user_name text,
	message text NOT NULL
);
CREATE INDEX events_entity ON events (entity, id DESC);
CREATE INDEX events_at ON events (at_ms);
