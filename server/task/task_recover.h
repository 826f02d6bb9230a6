/*
 * task_recover: after a start, go on with the tasks that another server left
 * unfinished.
 */
#pragma once

struct tasks;

/* Once, when the inventory is loaded and every kind is known. Returns how many go on.
 */
unsigned task_recover(struct tasks *ts);
