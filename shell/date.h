/*
 * date: points in time and spans as people read and write them.
 *
 * Points are milliseconds since 1970 in UTC; people see local time with its offset.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/str.h"

/* "2026-01-02T03:04:05+00:00", local time; milliseconds where they are not 0. */
const char *date_text(int64_t ms, char buf[64]);
/* "[-][d.]hh:mm:ss[.fff]" */
const char *span_text(int64_t ms, char buf[64]);
/* ISO 8601 date with optional time and zone (none: local). */
bool date_parse(const char *s, int64_t *ret_ms);
/* "[-][d.]hh:mm[:ss[.fff]]" or whole days. */
bool span_parse(const char *s, int64_t *ret_ms);
/* Local parts of a point in time. */
struct tm date_parts(int64_t ms);
/* By a pattern of yyyy MM dd HH hh mm ss fff tt ddd dddd MMM MMMM zzz, 'literal'. */
void date_format(struct str *b, int64_t ms, const char *pattern);
/* The same point with months added to its local date; the day is cut to the month. */
int64_t date_add_months(int64_t ms, int64_t months);
