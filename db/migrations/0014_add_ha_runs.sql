-- The incarnation of its host that a protected guest's run began under, the last incarnation of a host that somebody has
-- confirmed to be without power, and what marks a cluster's lease areas as its own.

ALTER TABLE vms ADD ha_inc bigint NOT NULL DEFAULT 0;
ALTER TABLE hosts ADD ha_off_inc bigint NOT NULL DEFAULT 0;
ALTER TABLE clusters ADD ha_uuid text;
