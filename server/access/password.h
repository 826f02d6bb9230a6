/*
 * password: scrypt hashes of passwords.  Slow on purpose: run these on a worker.
 *
 * Stored form: "scrypt$<log2 N>$<r>$<p>$<salt hex>$<hash hex>", so that the cost can
 * grow and old hashes still check.  N = 2^15, r = 8, p = 1: 32 MiB and some 100 ms.
 */
#pragma once
#include <stdbool.h>

#include "base/err.h"

#define PASSWORD_MIN 8
#define PASSWORD_MAX 256

/* Malloc'd text; ERR_INVALID when the password is shorter or longer than the limits. */
int password_hash(const char *pw, char **ret_hash, struct err *e) WARN_UNUSED;
/*
 * Does the password fit the hash? hash NULL or malformed: false, after the same work,
 * so that the time tells nothing about which users exist.
 */
bool password_fits(const char *pw, const char *hash);
