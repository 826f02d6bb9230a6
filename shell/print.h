/*
 * print: objects as people read them: tables, lists, lines.
 */
#pragma once
#include "shell/eval.h"

enum align { ALIGN_AUTO, ALIGN_LEFT, ALIGN_RIGHT };

/* One column (or line of a list): what it is called and where its value comes from. */
struct column {
	char *header;
	struct val from; /* a property's name, or a block */
	char *format;    /* as -f takes it, or NULL */
	int width;       /* the least; 0: by header and values */
	enum align align;
	int decimals; /* -1: as they are */
	bool commas;
};

struct columns {
	struct column *v;
	size_t n;
};

struct layout {
	struct columns cols;
	bool no_header, wrap;
	bool started; /* header and widths are fixed */
	int width;    /* of the line */
	bool utf8;
};

/* The longest front of s that fits into cells, with an ellipsis if it is cut. */
char *text_fit(const char *s, int cells, bool utf8);
void columns_free(struct columns *c);
/* From property names (wildcards) and tables of Name, Expression …; sample tells which
 * there are. */
enum run columns_from(
    struct shell *sh, struct val how, struct val sample, struct columns *ret_cols);
/* The default columns of a sample; ret_list: as a list rather than a table. */
void columns_default(struct val sample, struct columns *ret_cols, bool *ret_list);
struct val column_value(struct shell *sh, const struct column *c, struct val object);

void print_table(
    struct shell *sh, struct str *b, struct layout *l, const struct val *v, size_t n);
void print_list(struct shell *sh, struct str *b, const struct layout *l, struct val v);

/* A sink that prints to f (or into text) in the given form. */
struct printer {
	struct sink sink;
	struct shell *sh;
	unsigned depth; /* of lists in lists */
	FILE *f;        /* NULL: into text */
	struct str text;
	enum output form;
	struct val waiting; /* records of one type; of JSON and CSV all */
	struct layout layout;
	const char *type; /* of the table under way */
	bool as_list;
	uint64_t since_ms; /* since when the oldest one waits */
};

void printer_init(struct printer *p, struct shell *sh, FILE *f, enum output form);
/* Print what waits. */
void printer_end(struct printer *p);

/* Display cells of UTF-8 text. */
int text_cells(const char *s);
