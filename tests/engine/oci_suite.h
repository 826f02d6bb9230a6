#pragma once
#include <stdbool.h>

/* Says why if it cannot be run here. */
bool oci_suite_can(void);
/* What only containers must do: what is inside, what is left, what is refused. */
int oci_suite_run(void);
