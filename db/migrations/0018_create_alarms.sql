-- What is to be shouted about, and what is being shouted about.

CREATE TABLE alarmdefs (
	id obj_id PRIMARY KEY,
	name text NOT NULL,
	parent obj_id,
	created_ms bigint NOT NULL,
	entity obj_id,
	target text NOT NULL,
	description text,
	enabled boolean NOT NULL DEFAULT true,
	match text NOT NULL DEFAULT 'any',
	conditions json,
	actions json,
	secrets json,
	silenced_until bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX alarmdefs_name ON alarmdefs (coalesce(parent, ''), name);

CREATE TABLE alarms (
	id obj_id PRIMARY KEY,
	name text NOT NULL,
	parent obj_id,
	created_ms bigint NOT NULL,
	definition obj_id,
	entity obj_id,
	entity_name text,
	status text NOT NULL,
	reason text,
	since bigint NOT NULL DEFAULT 0,
	acknowledged boolean NOT NULL DEFAULT false,
	acknowledged_by text,
	acknowledged_at bigint NOT NULL DEFAULT 0,
	silenced_until bigint NOT NULL DEFAULT 0,
	levels text,
	turns bigint NOT NULL DEFAULT 0,
	resets bigint NOT NULL DEFAULT 0,
	due json
);
