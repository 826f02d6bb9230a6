/*
 * body: a cmdlet's parameters as the fields of a change's body.
 *
 * What was not given leaves the body as it is.
 */
#pragma once
#include "shell/inventory.h"

/* A body with -Name as its name. */
json *body_named(const struct stage *st);
/* An object parameter's id under key; a NULL key: "cluster", "pool" … by its kind. */
enum run body_id(
    struct stage *st, json *body, const char *param, unsigned kinds, const char *key);
/* Likewise the ids of all that it names, as a list. */
enum run body_ids(
    struct stage *st, json *body, const char *param, unsigned kinds, const char *key);
void body_number(struct stage *st, json *body, const char *param, const char *key);
void body_text(struct stage *st, json *body, const char *param, const char *key);
/* A parameter's word as the server spells it, in small letters. */
void body_word(struct stage *st, json *body, const char *param, const char *key);
/* A word of several as the server spells it: FullyAutomated is fully_automated, and
 * AsSpecifiedByCluster cluster. */
void body_name(struct stage *st, json *body, const char *param, const char *key);
void body_texts(struct stage *st, json *body, const char *param, const char *key);
/* What only containers have, when they are made and later: -HostName, -SwapMB … */
void body_settings(struct stage *st, json *body);
/* Shares, reservations and limits of pools and guests: -CpuSharesLevel … */
enum run body_resources(struct stage *st, json *body);
/* HA of clusters and of guests: -HAFailoverLevel, -HADependsOn … (body_ha.c) */
enum run body_ha_cluster(struct stage *st, json *body);
/* After it: hosts that are kept free, of a cluster that has some. */
enum run body_ha_hosts(struct stage *st, json *body);
enum run body_ha_guest(struct stage *st, json *body);
/* $true or $false, or a switch. */
void body_bool(struct stage *st, json *body, const char *param, const char *key);
/* Amounts that may be fractions, in units of the field: -DiskGB 1.5 as disk_mb. */
enum run body_amount(
    struct stage *st, json *body, const char *param, double unit, const char *key);
/* -MemoryMB or -MemoryGB as memory_mb, -NumCpu as num_cpu. */
enum run body_memory(struct stage *st, json *body);
enum run body_cpus(struct stage *st, json *body);
