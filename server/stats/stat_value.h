/*
 * stat_value: a sample in 16 bits.
 *
 * Six bits of exponent, ten of mantissa, no sign: whole numbers up to 2048 are exact,
 * others up to 7e13 to within 0.05 %; what is less than 1/65536 is 0.  What has no
 * value is STAT_GAP.  ADR 0036 tells why that is enough.
 */
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

#define STAT_GAP 0xffffu

/* Of a float: 8 bits of exponent with a bias of 127, 23 of mantissa. */
#define STAT_DROPPED_BITS 13u
#define STAT_BIAS_DOWN    (UINT32_C(110) << 23) /* 2^-17 has no exponent here */
#define STAT_TOP          0xfbffu

static inline uint16_t
stat_pack(float v)
{
	uint32_t bits;

	if (isnan(v))
		return STAT_GAP;
	memcpy(&bits, &v, sizeof(bits));
	bits += 1u << (STAT_DROPPED_BITS - 1); /* to the nearest */
	if (v <= 0 || bits < STAT_BIAS_DOWN + (1u << 23))
		return 0;
	bits = (bits - STAT_BIAS_DOWN) >> STAT_DROPPED_BITS;
	return bits > STAT_TOP ? STAT_TOP : (uint16_t)bits;
}

static inline float
stat_unpack(uint16_t packed)
{
	uint32_t bits;
	float v;

	if (packed == STAT_GAP)
		return NAN;
	if (!packed)
		return 0;
	bits = ((uint32_t)packed << STAT_DROPPED_BITS) + STAT_BIAS_DOWN;
	memcpy(&v, &bits, sizeof(v));
	return v;
}
