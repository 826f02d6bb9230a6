-- The inventory: one table a kind; the columns are those of server/inventory/inv_field.def, and a test
-- compares the two.  Ids are text ("vm-42"), times are milliseconds since 1970 (0: none).

CREATE DOMAIN obj_id AS text CHECK (value ~ '^[a-z]+-[1-9][0-9]*$');

-- The highest number given so far of each kind, and the revision that the next start goes on from.
CREATE TABLE counters (
	id text PRIMARY KEY,
	last bigint NOT NULL CHECK (last >= 0)
);

CREATE TABLE datacenters (
	id obj_id PRIMARY KEY,
	name text NOT NULL,
	parent obj_id,
	created_ms bigint NOT NULL
);

CREATE TABLE folders (
	id obj_id PRIMARY KEY,
	name text NOT NULL,
	parent obj_id,
	created_ms bigint NOT NULL
);

CREATE TABLE clusters (
	id obj_id PRIMARY KEY,
	name text NOT NULL,
	parent obj_id,
	created_ms bigint NOT NULL,
	drs_enabled boolean NOT NULL DEFAULT false,
	drs_automation_level text,
	ha_enabled boolean NOT NULL DEFAULT false,
	ha_failover_level bigint NOT NULL DEFAULT 0,
	memory_overcommit_permille bigint NOT NULL DEFAULT 0,
	vcpus_per_core bigint NOT NULL DEFAULT 0
);

CREATE TABLE hosts (
	id obj_id PRIMARY KEY,
	name text NOT NULL,
	parent obj_id,
	created_ms bigint NOT NULL,
	uuid text,
	connection_state text NOT NULL,
	state_reason text,
	address text,
	cert_fingerprint text,
	cpu_cores bigint NOT NULL DEFAULT 0,
	cpu_mhz bigint NOT NULL DEFAULT 0,
	cpu_total_mhz bigint NOT NULL DEFAULT 0,
	memory_total_mb bigint NOT NULL DEFAULT 0,
	cpu_model text,
	machine text,
	kernel text,
	agent_version text,
	boot_time bigint NOT NULL DEFAULT 0,
	engines json,
	cgroup text
);

CREATE TABLE pools (
	id obj_id PRIMARY KEY,
	name text NOT NULL,
	parent obj_id,
	created_ms bigint NOT NULL,
	is_root boolean NOT NULL DEFAULT false,
	cpu_shares_level text,
	cpu_shares bigint NOT NULL DEFAULT 0,
	cpu_reservation_mhz bigint NOT NULL DEFAULT 0,
	cpu_limit_mhz bigint NOT NULL DEFAULT 0,
	mem_shares_level text,
	mem_shares bigint NOT NULL DEFAULT 0,
	mem_reservation_mb bigint NOT NULL DEFAULT 0,
	mem_limit_mb bigint NOT NULL DEFAULT 0
);

CREATE TABLE vms (
	id obj_id PRIMARY KEY,
	name text NOT NULL,
	parent obj_id,
	created_ms bigint NOT NULL,
	uuid text,
	lifecycle text NOT NULL,
	power_state text NOT NULL,
	power_reason text,
	host obj_id,
	pool obj_id,
	template obj_id,
	engine text,
	num_cpu bigint NOT NULL DEFAULT 0,
	memory_mb bigint NOT NULL DEFAULT 0,
	disks json,
	nics json,
	ip_address text,
	datastores text[] NOT NULL DEFAULT '{}',
	networks text[] NOT NULL DEFAULT '{}',
	run_gen bigint NOT NULL DEFAULT 0,
	notes text,
	started_at bigint NOT NULL DEFAULT 0
);

CREATE TABLE templates (
	id obj_id PRIMARY KEY,
	name text NOT NULL,
	parent obj_id,
	created_ms bigint NOT NULL,
	lifecycle text NOT NULL,
	datastore obj_id,
	path text,
	format text,
	virtual_bytes bigint NOT NULL DEFAULT 0,
	file_bytes bigint NOT NULL DEFAULT 0,
	sha256 text,
	num_cpu bigint NOT NULL DEFAULT 0,
	memory_mb bigint NOT NULL DEFAULT 0,
	notes text
);

CREATE TABLE datastores (
	id obj_id PRIMARY KEY,
	name text NOT NULL,
	parent obj_id,
	created_ms bigint NOT NULL,
	uuid text,
	type text,
	path text,
	shared boolean NOT NULL DEFAULT false,
	hosts text[] NOT NULL DEFAULT '{}',
	capacity_bytes bigint NOT NULL DEFAULT 0,
	free_bytes bigint NOT NULL DEFAULT 0
);

CREATE TABLE networks (
	id obj_id PRIMARY KEY,
	name text NOT NULL,
	parent obj_id,
	created_ms bigint NOT NULL,
	bridge text,
	vlan bigint NOT NULL DEFAULT 0,
	cidr text,
	gateway text,
	range_first text,
	range_last text,
	dns text
);

CREATE TABLE tasks (
	id obj_id PRIMARY KEY,
	name text NOT NULL,
	parent obj_id,
	created_ms bigint NOT NULL,
	op text,
	entity obj_id,
	entity_name text,
	state text NOT NULL,
	step text,
	step_index bigint NOT NULL DEFAULT 0,
	undoing boolean NOT NULL DEFAULT false,
	progress bigint NOT NULL DEFAULT 0,
	args json,
	result json,
	error_code text,
	error_message text,
	user_name text,
	op_id text,
	started_at bigint NOT NULL DEFAULT 0,
	finished_at bigint NOT NULL DEFAULT 0
);

CREATE TABLE users (
	id obj_id PRIMARY KEY,
	name text NOT NULL,
	parent obj_id,
	created_ms bigint NOT NULL,
	role text NOT NULL,
	password_hash text,
	enabled boolean NOT NULL DEFAULT false,
	last_login bigint NOT NULL DEFAULT 0
);

-- One name of a kind under one parent; tasks are called after what they do.
CREATE UNIQUE INDEX datacenters_name ON datacenters (coalesce(parent, ''), name);
CREATE UNIQUE INDEX folders_name ON folders (coalesce(parent, ''), name);
CREATE UNIQUE INDEX clusters_name ON clusters (coalesce(parent, ''), name);
CREATE UNIQUE INDEX hosts_name ON hosts (coalesce(parent, ''), name);
CREATE UNIQUE INDEX pools_name ON pools (coalesce(parent, ''), name);
CREATE UNIQUE INDEX vms_name ON vms (coalesce(parent, ''), name);
CREATE UNIQUE INDEX templates_name ON templates (coalesce(parent, ''), name);
CREATE UNIQUE INDEX datastores_name ON datastores (coalesce(parent, ''), name);
CREATE UNIQUE INDEX networks_name ON networks (coalesce(parent, ''), name);
CREATE UNIQUE INDEX users_name ON users (coalesce(parent, ''), name);
