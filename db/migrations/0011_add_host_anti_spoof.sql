-- Whether a host keeps guests from sending under others' addresses, in its own words.

ALTER TABLE hosts ADD anti_spoof text;
