#pragma once
#include <stdbool.h>

struct suite;

/* Says why if it cannot be run here. */
bool oci_suite_can(void);
/* What only containers must do: what is inside, what is left, what is refused. */
int oci_suite_run(void);

/* No loop device, group or record of the runtime. */
void oci_expect_nothing_left(const struct suite *s);
/* oci_disk.c */
void oci_disk_grows_or_says_why_not(void **state);
/* oci_death.c */
void oci_agent_dies_at_any_moment(void **state);
/* oci_runtime.c: with a name of the runtime that is this test's to remove. */
void oci_ends_without_its_runtime(void **state);
int oci_own_runtime(void **state);
int oci_runtime_back(void **state);
