/*
 * complete: what could stand at a place of a line: cmdlets, parameters, values,
 * variables.
 */
#pragma once
#include "shell/shell.h"

struct completion {
	size_t start;     /* where the word that is completed begins */
	struct val words; /* texts, in order */
};

/* For the text before point.  Object names are asked for from the server at hand only.
 */
void complete(
    struct shell *sh, const char *text, size_t point, struct completion *ret_c);
/* {"start":n,"words":[…]} */
void complete_print(struct str *b, const struct completion *c);
