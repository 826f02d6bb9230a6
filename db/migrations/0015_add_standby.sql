-- Hosts in standby, what a cluster does about them, and recommendations that are no move.

ALTER TABLE clusters ADD dpm_automation text NOT NULL DEFAULT 'off';
ALTER TABLE clusters ADD dpm_wake json;
ALTER TABLE clusters ADD dpm_standby json;
ALTER TABLE hosts ADD standby text NOT NULL DEFAULT 'none';
ALTER TABLE recommendations ADD action text NOT NULL DEFAULT 'move';
