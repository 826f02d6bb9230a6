-- What hosts report of their hardware, what was done about it, and what their cluster wants done.

ALTER TABLE hosts ADD health text NOT NULL DEFAULT 'unknown';
ALTER TABLE hosts ADD health_conditions json;
ALTER TABLE hosts ADD health_sources json;
ALTER TABLE hosts ADD health_remedy text NOT NULL DEFAULT 'none';
ALTER TABLE clusters ADD ha_proactive text NOT NULL DEFAULT 'off';
ALTER TABLE clusters ADD ha_proactive_moderate text NOT NULL DEFAULT 'quarantine';
ALTER TABLE clusters ADD ha_proactive_severe text NOT NULL DEFAULT 'quarantine';
