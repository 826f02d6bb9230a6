/*
 * inside: programs in a container, and what they say.
 */
#pragma once
#include <stdbool.h>

#include "host-agent/engine/engine_exec.h"
#include "tests/engine/suite.h"

#define INSIDE_MAX 8192

struct inside {
	bool ended;
	int status;
	char out[INSIDE_MAX]; /* both streams */
};

/* Start it with the words of like and the ends that it has; in lives until its end. */
struct child *inside_begin(
    struct suite_guest *sg, const struct engine_exec *like, struct inside *in);
bool inside_ended(void *in);
/* Runs to its end, without input. */
void inside_exec(
    struct suite_guest *sg, const struct engine_exec *like, struct inside *in);
/* The same of a shell's script. */
void inside_ask(struct suite_guest *sg, const char *script, struct inside *in);
/* It must say this; or succeed. */
void inside_expect(struct suite_guest *sg, const char *script, const char *says);
void inside_must(struct suite_guest *sg, const char *script);
