-- The host's agent is being exchanged: until that is over its guests may run for a minute without it, which whoever leads
-- next has to wait out before they may run elsewhere.

ALTER TABLE hosts ADD ha_frozen boolean NOT NULL DEFAULT false;
