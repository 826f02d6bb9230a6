/*
 * device_suite: disks and network cards that come and go while a guest runs.
 */
#pragma once
#include "tests/engine/suite.h"

/* A test: what every engine does alike with a guest that has no system inside. */
void devices_are_plugged(void **state);
/*
 * Plug, grow and limit the guest's second disk, or unplug it; the error fails the test.
 */
void device_second_in(struct suite_guest *sg);
void device_second_grow(struct suite_guest *sg);
void device_second_out(struct suite_guest *sg);
/* A second network card on tap, which is closed; its number is 3. */
void device_nic_in(struct suite_guest *sg, int tap);
void device_nic_out(struct suite_guest *sg);
