-- Snapshots, customisation specifications, and what machines, hosts, templates and datastores gained with moves.

ALTER TABLE hosts ADD cpu_flags json;
ALTER TABLE hosts ADD channel_addresses json;
ALTER TABLE hosts ADD channel_port bigint NOT NULL DEFAULT 0;

ALTER TABLE vms ADD snapshot obj_id;
ALTER TABLE vms ADD needs_consolidation boolean NOT NULL DEFAULT false;
ALTER TABLE vms ADD seed json;

-- What a clone's disk stands on became a list.
UPDATE vms SET disks = (
	SELECT json_agg(CASE
		WHEN d ->> 'base_path' IS NULL THEN d
		ELSE d - 'base_path' - 'base_format' || jsonb_build_object('backing', jsonb_build_array(
			jsonb_build_object('path', d ->> 'base_path', 'format', d ->> 'base_format')))
		END ORDER BY n)
	FROM jsonb_array_elements(disks::jsonb) WITH ORDINALITY AS one (d, n))
WHERE disks IS NOT NULL AND json_array_length(disks) > 0;

ALTER TABLE templates ADD version text;
ALTER TABLE templates ADD copies json;

ALTER TABLE datastores ADD quota_bytes bigint NOT NULL DEFAULT 0;

CREATE TABLE snapshots (
	id obj_id PRIMARY KEY,
	name text NOT NULL,
	parent obj_id,
	created_ms bigint NOT NULL,
	description text,
	lifecycle text NOT NULL,
	parent_snapshot obj_id,
	taken_at bigint NOT NULL DEFAULT 0,
	power_state text NOT NULL,
	memory boolean NOT NULL DEFAULT false,
	quiesced boolean NOT NULL DEFAULT false,
	num_cpu bigint NOT NULL DEFAULT 0,
	memory_mb bigint NOT NULL DEFAULT 0,
	disks json,
	nics json,
	memory_bytes bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX snapshots_name ON snapshots (coalesce(parent, ''), name);

CREATE TABLE custspecs (
	id obj_id PRIMARY KEY,
	name text NOT NULL,
	parent obj_id,
	created_ms bigint NOT NULL,
	host_name text,
	domain text,
	address_mode text,
	dns text,
	ssh_keys text,
	user_name text,
	user_data text,
	notes text
);
CREATE UNIQUE INDEX custspecs_name ON custspecs (coalesce(parent, ''), name);
