/*
 * bench_shell: how fast the shell's language is, "name value unit" a line.
 *
 * Each figure is the best of a few runs in this process; parsing is part of it.
 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "shell/shell.h"

#define RUNS 5

static const struct {
	const char *name, *script;
} cases[] = {
	{ "shell_where_100k",
	    "1..100000 | Where-Object {$_ % 2} | Measure-Object | Out-Null" },
	{ "shell_foreach_100k", "1..100000 | ForEach-Object { $_ * 2 } | Out-Null" },
	{ "shell_loop_100k", "for ($i = 0; $i -lt 100000; $i++) { $x = $i * 2 }" },
	{ "shell_sort_100k", "1..100000 | Sort-Object -Descending | Out-Null" },
	{ "shell_calls_10k",
	    "function f($a) { $a + 1 }; 1..10000 | ForEach-Object { f $_ } | Out-Null" },
	{ "shell_select_10k",
	    "1..10000 | ForEach-Object { [pscustomobject]@{ Name = \"n$_\"; Value = $_ } }"
	    " | Select-Object Name | ConvertTo-Csv | Out-Null" },
};

int
main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t best = UINT64_MAX;
		for (int run = 0; run < RUNS; run++) {
			struct shell *sh = shell_new();
			uint64_t from = clock_mono_us(clock_system());
			enum run rc =
			    shell_run(sh, cases[i].script, strlen(cases[i].script));
			uint64_t us = clock_mono_us(clock_system()) - from;
			ASSERT(rc == RUN_OK && sh->ok);
			shell_free(sh);
			best = us < best ? us : best;
		}
		printf("%s %.1f ms\n", cases[i].name, (double)best / 1000);
	}
	return 0;
}
