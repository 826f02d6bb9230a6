/* What moves of containers do besides what all moves do. */
#pragma once
#include <stdbool.h>

bool oci_move_suite_can(void); /* says why not */
int oci_move_suite_run(void);  /* how many tests failed */
