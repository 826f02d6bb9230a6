-- A host's certificate is renewed over its link: the new one is good beside the older until the host has come with it.

ALTER TABLE hosts ADD cert_next text;
