/*
 * sim_fault: the script of what goes wrong with invented guests.
 *
 * "start:7=crash,stop:*=slow"; the first entry that fits counts.  Pure.
 */
#pragma once
#include <stddef.h>

#include "host-agent/engine/engine_int.h"

#define SIM_FAULTS_MAX 64

enum sim_fault_kind { SIM_NO_FAULT, SIM_SLOW, SIM_LOST, SIM_STUCK, SIM_CRASH };

struct sim_fault {
	enum engine_verb verb;
	bool any_guest;
	uint64_t guest;
	enum sim_fault_kind kind;
};

struct sim_script {
	struct sim_fault faults[SIM_FAULTS_MAX];
	size_t n;
};

int sim_script_parse(const char *text /* NULL: none */, struct sim_script *ret_s,
    struct err *e) WARN_UNUSED;
enum sim_fault_kind sim_script_look(
    const struct sim_script *s, enum engine_verb verb, uint64_t guest);
