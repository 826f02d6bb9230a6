-- Groups of guests and of hosts, which rules between the two may name.

CREATE TABLE groups (
	id obj_id PRIMARY KEY,
	name text NOT NULL,
	parent obj_id,
	created_ms bigint NOT NULL,
	type text NOT NULL,
	members text[] NOT NULL DEFAULT '{}'
);
CREATE UNIQUE INDEX groups_name ON groups (coalesce(parent, ''), name);

ALTER TABLE rules ADD vm_group obj_id;
ALTER TABLE rules ADD host_group obj_id;
