-- What clusters protect and how, which incarnation of a host holds its leases, and what guests ask for.

ALTER TABLE clusters ADD ha_admission text NOT NULL DEFAULT 'percentage';
ALTER TABLE clusters ADD ha_cpu_percent bigint NOT NULL DEFAULT 0;
ALTER TABLE clusters ADD ha_memory_percent bigint NOT NULL DEFAULT 0;
ALTER TABLE clusters ADD ha_slot_cpu_mhz bigint NOT NULL DEFAULT 0;
ALTER TABLE clusters ADD ha_slot_memory_mb bigint NOT NULL DEFAULT 0;
ALTER TABLE clusters ADD ha_failover_hosts text[] NOT NULL DEFAULT '{}';
ALTER TABLE clusters ADD ha_degradation_percent bigint NOT NULL DEFAULT 100;
ALTER TABLE clusters ADD ha_restart_priority text NOT NULL DEFAULT 'medium';
ALTER TABLE clusters ADD ha_gate text NOT NULL DEFAULT 'none';
ALTER TABLE clusters ADD ha_gate_limit_s bigint NOT NULL DEFAULT 600;
ALTER TABLE clusters ADD ha_isolation_response text NOT NULL DEFAULT 'leave_on';
ALTER TABLE clusters ADD ha_isolation_addresses text;
ALTER TABLE clusters ADD ha_isolation_s bigint NOT NULL DEFAULT 30;
ALTER TABLE clusters ADD ha_monitoring text NOT NULL DEFAULT 'off';
ALTER TABLE clusters ADD ha_terms text NOT NULL DEFAULT 'software';

-- ha_slot: of the host's block in the areas of its cluster; 0: none yet.  ha_inc: its incarnation.
-- ha_fenced_inc: the last one that may never get a lease again.
ALTER TABLE hosts ADD ha_slot bigint NOT NULL DEFAULT 0;
ALTER TABLE hosts ADD ha_inc bigint NOT NULL DEFAULT 0;
ALTER TABLE hosts ADD ha_fenced_inc bigint NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX hosts_ha_slot ON hosts (parent, ha_slot) WHERE ha_slot > 0;

-- Null: as the cluster.  ha_protected: its present run is under leases, and it is started elsewhere when its host is lost.
ALTER TABLE vms ADD ha_restart_priority text;
ALTER TABLE vms ADD ha_isolation_response text;
ALTER TABLE vms ADD ha_monitoring text;
ALTER TABLE vms ADD ha_depends json;
ALTER TABLE vms ADD ha_ready_port bigint NOT NULL DEFAULT 0;
ALTER TABLE vms ADD ha_protected boolean NOT NULL DEFAULT false;
