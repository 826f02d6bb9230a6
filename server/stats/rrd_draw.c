#include "server/stats/rrd_draw.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rrd.h>

#include "base/mem.h"

#define ARGS_MAX (64u + 8u * RRD_LINES_MAX)

static const char *const colours[RRD_LINES_MAX] = { "2f6fd0", "d0662f", "2f9e5f",
	"a03fb0", "c0a020", "209090", "c03050", "707070" };

/* ---- what is drawn ---- */

struct args {
	char **v;
	size_t n;
};

static void add(struct args *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
add(struct args *a, const char *fmt, ...)
{
	struct str text = STR_INIT;
	va_list ap;

	va_start(ap, fmt);
	str_addv(&text, fmt, ap);
	va_end(ap);
	str_addc(&text, '\0');
	a->v[a->n++] = str_take(&text);
}

/* Colons part what librrd reads. */
static char *
escaped(const char *s)
{
	struct str out = STR_INIT;

	for (; *s; s++) {
		if (*s == ':' || *s == '\\')
			str_addc(&out, '\\');
		str_addc(&out, *s);
	}
	str_addc(&out, '\0');
	return str_take(&out);
}

static void
add_line(struct args *a, const struct rrd_drawing *d, unsigned i)
{
	const struct rrd_line *l = &d->lines[i];
	AUTO_FREE char *path = escaped(l->path);
	AUTO_FREE char *legend = escaped(l->legend);

	add(a, "DEF:a%u=%s:m%u:AVERAGE", i, path, l->counter);
	add(a, "CDEF:v%u=a%u,%.10g,*", i, i, l->scale);
	if (d->peaks) {
		add(a, "DEF:b%u=%s:m%u:MAX", i, path, l->counter);
		add(a, "CDEF:p%u=b%u,%.10g,*", i, i, l->scale);
		add(a, "LINE1:p%u#%s50", i, colours[i]);
	}
	add(a, "LINE1.5:v%u#%s:%s", i, colours[i], legend);
	add(a, "GPRINT:v%u:AVERAGE: average %%.4lg%%s", i);
	add(a, "GPRINT:%s%u:MAX: highest %%.4lg%%s\\l", d->peaks ? "p" : "v", i);
}

static void
add_theme(struct args *a, bool dark)
{
	static const char *const dark_colours[] = { "BACK#1b1f27", "CANVAS#14171d",
		"SHADEA#1b1f27", "SHADEB#1b1f27", "FONT#d8dde6", "AXIS#8a93a3",
		"GRID#2a303b", "MGRID#3a4250", "FRAME#3a4250", "ARROW#8a93a3" };
	static const char *const light_colours[] = { "BACK#ffffff", "SHADEA#ffffff",
		"SHADEB#ffffff" };
	const char *const *all = dark ? dark_colours : light_colours;
	size_t n = dark ? sizeof(dark_colours) : sizeof(light_colours);

	for (size_t i = 0; i < n / sizeof(*all); i++) {
		add(a, "--color");
		add(a, "%s", all[i]);
	}
}

char **
rrd_draw_args(const struct rrd_drawing *d)
{
	struct args a = { xcalloc(ARGS_MAX, sizeof(*a.v)), 0 };

	add(&a, "-"); /* into memory */
	add(&a, "--imgformat=PNG");
	add(&a, "--start=%" PRIu64, d->start_s);
	add(&a, "--end=%" PRIu64, d->end_s);
	add(&a, "--width=%u", d->width);
	add(&a, "--height=%u", d->height);
	add(&a, "--title=%s", d->title);
	add(&a, "--vertical-label=%s", d->unit);
	add(&a, "--base=%u", d->binary ? 1024u : 1000u);
	add(&a, "--lower-limit=0");
	add(&a, "--slope-mode");
	add(&a, "--watermark=Drover");
	add_theme(&a, d->dark);
	if (*d->daemon)
		add(&a, "--daemon=%s", d->daemon);
	for (unsigned i = 0; i < d->n_lines && i < RRD_LINES_MAX; i++)
		add_line(&a, d, i);
	return a.v;
}

/* ---- the process that draws ---- */

static int
write_all(const unsigned char *p, size_t n)
{
	while (n) {
		ssize_t done = write(STDOUT_FILENO, p, n);

		if (done <= 0)
			return -1;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

void
rrd_draw_main(int argc, char **argv)
{
	/* argv[0] is the program and argv[1] RRD_DRAW; librrd wants a name first. */
	rrd_info_t *all = rrd_graph_v(argc - 1, argv + 1), *i = all;
	int code = EXIT_FAILURE;

	while (i && !str_same(i->key, "image"))
		i = i->next;
	if (!i || i->type != RD_I_BLO)
		fprintf(
		    stderr, "%s\n", rrd_test_error() ? rrd_get_error() : "no image");
	else if (!write_all(i->value.u_blo.ptr, i->value.u_blo.size))
		code = EXIT_SUCCESS;
	rrd_info_free(all);
	/* Fonts stay loaded to the end, which is here. */
	_exit(code);
}
