-- Servers that have led: statistics are kept of each.

CREATE TABLE servers (
	id obj_id PRIMARY KEY,
	name text NOT NULL,
	parent obj_id,
	created_ms bigint NOT NULL,
	version text,
	started_at bigint NOT NULL
);
CREATE UNIQUE INDEX servers_name ON servers (coalesce(parent, ''), name);
