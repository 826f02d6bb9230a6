/*
 * move_bed: a lab whose hosts reach each other, and one machine to move about.
 */
#pragma once
#include "tests/lib/lab.h"

struct bed {
	struct lab *l;
	obj_id vm;
	unsigned from, to; /* agents: where it is, and another one */
};

struct bed bed_new(unsigned n_hosts, bool running);
/* The arguments of its move to the other host; free them. */
char *bed_to_host(const struct bed *b);
int bed_move(struct bed *b);
/* A datastore that only one host reaches. */
obj_id bed_local_store(struct bed *b, unsigned agent, const char *name);
int bed_move_disks(struct bed *b, obj_id store);
void bed_report(struct lab *l); /* all agents */
/*
 * After the end: one or none runs, the inventory says where, its disks are there,
 * nothing is left over. "moved", "stayed", "off, moved" or "off, stayed".
 */
const char *bed_check_end(const struct bed *b, const char *what);
