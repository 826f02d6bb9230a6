/*
 * uuid: random identities (version 4) of machines, hosts and datastores.
 */
#pragma once

#define UUID_TEXT 37

/* "8f14e45f-ceea-4e7a-9c0d-1b2f3a4c5d6e" into out; returns it. */
const char *uuid_make(char out[UUID_TEXT]);
