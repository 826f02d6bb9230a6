/*
 * cg_tree: a folder that looks like what the kernel mounts for control groups.
 */
#pragma once
#include "host-agent/resource/cg.h"

#define KERNEL_ROOT "/sys/fs/cgroup"

struct tree {
	char root[64];
};

/* For a test whose state it is. */
int cg_tree_set_up(void **state);
int cg_tree_tear_down(void **state);
#define TREE(test) \
	cmocka_unit_test_setup_teardown(test, cg_tree_set_up, cg_tree_tear_down)

void sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The kernel makes a group's files with its folder; here somebody has to. */
void make_file(const struct tree *t, const char *path, const char *text);
/* It begins with text: what was longer before shows behind it. */
void expect_file(const struct tree *t, const char *path, const char *text);
struct cg *open_cg(const struct tree *t, const char *base);
