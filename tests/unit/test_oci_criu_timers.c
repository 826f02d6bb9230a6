#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/engine/oci/oci_criu_timers.h"

#define MAGIC_BYTES 8
#define EVERY_NSEC  20000000u

/* An image as CRIU writes it: magic numbers, then entries behind their sizes. */
struct image {
	uint8_t bytes[256];
	size_t n;
};

struct timer_entry {
	uint64_t ticks, sec, nsec, every_sec, every_nsec;
};

static void
put(struct image *i, const void *from, size_t n)
{
	assert_true(n <= sizeof(i->bytes) - i->n);
	memcpy(i->bytes + i->n, from, n);
	i->n += n;
}

static void
put_varint(struct image *i, uint64_t v)
{
	uint8_t byte;

	for (; v >= 0x80; v >>= 7) {
		byte = (uint8_t)(v | 0x80);
		put(i, &byte, 1);
	}
	byte = (uint8_t)v;
	put(i, &byte, 1);
}

static void
put_number(struct image *i, unsigned field, uint64_t v)
{
	put_varint(i, field << 3);
	put_varint(i, v);
}

static void
put_message(struct image *i, unsigned field, const struct image *message)
{
	put_varint(i, field << 3 | 2);
	put_varint(i, message->n);
	put(i, message->bytes, message->n);
}

static void
put_entry(struct image *i, const struct image *entry)
{
	uint32_t size = htole32((uint32_t)entry->n);

	put(i, &size, sizeof(size));
	put(i, entry->bytes, entry->n);
}

static struct image
new_image(void)
{
	struct image i = { .n = 0 };

	put(&i, "\x19\x43\x56\x54\x38\x31\x30\x56", MAGIC_BYTES);
	return i;
}

static void
add_file(struct image *i)
{
	struct image entry = { .n = 0 }, file = { .n = 0 };

	put_number(&file, 1, 7);
	put_number(&file, 8, 0);
	put_number(&entry, 1, 1);
	put_number(&entry, 2, 7);
	put_message(&entry, 3, &file);
	put_entry(i, &entry);
}

static void
add_timer(struct image *i, const struct timer_entry *t)
{
	struct image entry = { .n = 0 }, timer = { .n = 0 }, owner = { .n = 0 };

	put_number(&timer, 1, 300);
	put_number(&timer, 2, 02002);
	put_message(&timer, 3, &owner);
	put_number(&timer, 4, 1);
	put_number(&timer, 5, t->ticks);
	put_number(&timer, 6, 0);
	put_number(&timer, 7, t->sec);
	put_number(&timer, 8, t->nsec);
	put_number(&timer, 9, t->every_sec);
	put_number(&timer, 10, t->every_nsec);
	put_number(&entry, 1, 17);
	put_number(&entry, 2, 300);
	put_message(&entry, 12, &timer);
	put_entry(i, &entry);
}

static unsigned
mend(struct image *i)
{
	unsigned mended = 99;
	struct err e = ERR_INIT;

	assert_int_equal(oci_criu_timers_mend(i->bytes, i->n, &mended, &e), 0);
	return mended;
}

static void
timers_that_are_due_and_repeat_go_on(void **state)
{
	const struct timer_entry due = { .ticks = 3, .every_nsec = EVERY_NSEC };
	const struct timer_entry slow = { .ticks = 1, .every_sec = 60 };
	struct timer_entry set = due;
	struct image i = new_image(), wanted = new_image();

	add_file(&i);
	add_timer(&i, &due);
	add_file(&i);
	add_timer(&i, &slow);
	assert_int_equal(mend(&i), 2);

	add_file(&wanted);
	set.nsec = 1;
	add_timer(&wanted, &set);
	add_file(&wanted);
	set = slow;
	set.nsec = 1;
	add_timer(&wanted, &set);
	assert_int_equal(i.n, wanted.n);
	assert_memory_equal(i.bytes, wanted.bytes, i.n);
	assert_int_equal(mend(&i), 0);
}

static void
other_timers_stay_as_they_are(void **state)
{
	static const struct timer_entry timers[] = {
		{ .ticks = 0 },                            /* never set */
		{ .ticks = 0, .every_nsec = EVERY_NSEC },  /* unset */
		{ .ticks = 1 },                            /* once, and it is over */
		{ .ticks = 1, .nsec = 5, .every_sec = 1 }, /* goes on by itself */
		{ .ticks = 1, .sec = 900, .every_sec = 900 },
		{ .nsec = EVERY_NSEC, .every_nsec = EVERY_NSEC },
	};
	struct image before;

	for (size_t t = 0; t < ARRAY_SIZE(timers); t++) {
		struct image i = new_image();

		add_timer(&i, &timers[t]);
		before = i;
		assert_int_equal(mend(&i), 0);
		assert_memory_equal(i.bytes, before.bytes, i.n);
	}
}

static void
a_damaged_image_is_refused(void **state)
{
	const struct timer_entry due = { .ticks = 1, .every_nsec = EVERY_NSEC };
	struct image i = new_image(), whole, entry = { .n = 0 };
	unsigned mended;
	struct err e = ERR_INIT;

	assert_int_equal(mend(&i), 0);
	add_timer(&i, &due);
	for (size_t n = 0; n < i.n; n++) {
		whole = i;
		if (n == MAGIC_BYTES)
			continue; /* no entries */
		assert_int_equal(
		    oci_criu_timers_mend(whole.bytes, n, &mended, &e), ERR_CORRUPT);
	}
	whole = new_image();
	put(&entry, "\x62\x7f\x08", 3); /* a timer longer than its entry */
	put_entry(&whole, &entry);
	assert_int_equal(
	    oci_criu_timers_mend(whole.bytes, whole.n, &mended, &e), ERR_CORRUPT);
	whole = new_image();
	entry.n = 0;
	put(&entry, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12);
	put_entry(&whole, &entry);
	assert_int_equal(
	    oci_criu_timers_mend(whole.bytes, whole.n, &mended, &e), ERR_CORRUPT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_that_are_due_and_repeat_go_on),
		cmocka_unit_test(other_timers_stay_as_they_are),
		cmocka_unit_test(a_damaged_image_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
