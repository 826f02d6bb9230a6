/*
 * plan_balance: drover-plan balance, on the plain text of drs_file.
 *
 * Prints a line "M seconds guest source target" for each move, in an order in which
 * each can be made, and remarks behind #.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct plan_balance {
	double target;    /* score that is good enough */
	uint32_t moves;   /* guests that may move */
	uint32_t tries;   /* of the search after the greedy plan; 0: none */
	uint64_t seed;    /* of the search */
	double price;     /* score that a second of moving must gain */
	bool keeps_spare; /* room for the guests of any one host that is lost */
};

/* An exit code of plan_tool. */
int plan_balance_run(const struct plan_balance *o, const char *text, size_t n,
    const char *what, FILE *out, FILE *err);
