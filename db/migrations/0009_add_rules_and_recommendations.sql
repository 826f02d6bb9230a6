-- What clusters balance by, hosts in maintenance, rules, and the moves that were thought worth making.

ALTER TABLE clusters ADD drs_threshold bigint NOT NULL DEFAULT 3;
ALTER TABLE hosts ADD maintenance text NOT NULL DEFAULT 'none';
ALTER TABLE vms ADD drs_automation text;

CREATE TABLE rules (
	id obj_id PRIMARY KEY,
	name text NOT NULL,
	parent obj_id,
	created_ms bigint NOT NULL,
	type text NOT NULL,
	enabled boolean NOT NULL DEFAULT true,
	vms text[] NOT NULL DEFAULT '{}',
	hosts text[] NOT NULL DEFAULT '{}',
	conflict text
);
CREATE UNIQUE INDEX rules_name ON rules (coalesce(parent, ''), name);

CREATE TABLE recommendations (
	id obj_id PRIMARY KEY,
	name text NOT NULL,
	parent obj_id,
	created_ms bigint NOT NULL,
	vm obj_id,
	from_host obj_id,
	to_host obj_id,
	priority bigint NOT NULL DEFAULT 0,
	reason text,
	text text,
	state text NOT NULL,
	note text,
	factors json,
	inputs json,
	task obj_id
);
CREATE INDEX recommendations_parent ON recommendations (parent, created_ms);
