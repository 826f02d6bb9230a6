/*
 * template: from a golden image to machines that run, and back.
 *
 * The verbs of templates, their copies, the machines that are made of them and of other
 * machines, and customisation specifications.
 */
#pragma once

/* Make the verbs known; before ops_new, twice is harmless. */
void template_register(void);
