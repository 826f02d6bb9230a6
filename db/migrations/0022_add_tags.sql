-- Categories of tags, the tags in them, and which objects have which.

CREATE TABLE categories (
	id obj_id PRIMARY KEY,
	name text NOT NULL,
	parent obj_id,
	created_ms bigint NOT NULL,
	cardinality text NOT NULL,
	description text
);
CREATE UNIQUE INDEX categories_name ON categories (coalesce(parent, ''), name);

CREATE TABLE tags (
	id obj_id PRIMARY KEY,
	name text NOT NULL,
	parent obj_id,
	created_ms bigint NOT NULL,
	description text
);
CREATE UNIQUE INDEX tags_name ON tags (coalesce(parent, ''), name);

ALTER TABLE datacenters ADD tags text[] NOT NULL DEFAULT '{}';
ALTER TABLE folders ADD tags text[] NOT NULL DEFAULT '{}';
ALTER TABLE clusters ADD tags text[] NOT NULL DEFAULT '{}';
ALTER TABLE hosts ADD tags text[] NOT NULL DEFAULT '{}';
ALTER TABLE pools ADD tags text[] NOT NULL DEFAULT '{}';
ALTER TABLE vms ADD tags text[] NOT NULL DEFAULT '{}';
ALTER TABLE templates ADD tags text[] NOT NULL DEFAULT '{}';
ALTER TABLE datastores ADD tags text[] NOT NULL DEFAULT '{}';
ALTER TABLE networks ADD tags text[] NOT NULL DEFAULT '{}';
