/*
 * balance_screen: which guests promise most, by the first-order gain.
 *
 * Of hosts of equal capacity only those are worth trying that no other one beats in
 * both CPU and memory: the front.  All guests are tried against the fronts without a
 * root, in arrays that the compiler makes vectors of.
 */
#pragma once
#include "scheduler/balance_int.h"

/* Where the machine has wider vectors the linker's choice at start takes them. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define WIDE_VECTORS __attribute__((target_clones("avx2", "default")))
#else
#define WIDE_VECTORS
#endif

/* From so many hosts on, long fronts are thinned, and one screening serves for several
 * moves: those that share no host. */
#define MANY_HOSTS 256u

/* Guests that may promise enough, one after the other. */
struct hopeful {
	uint32_t *guest;
	float *cpu, *mem;
	float *gain;  /* best found, to first order, at the target alone */
	uint32_t *to; /* and where */
	uint32_t count;
};

struct bal_screen {
	float *cpu, *mem;             /* of each guest */
	float *cpu_share, *mem_share; /* of its host's capacity */
	float *host_x, *host_y;       /* its host's loads */
	float *source;                /* what its leaving gains, to first order */
	float *bound;                 /* no gain is more than that */
	float *gain;                  /* of the hopeful: best found */
	uint32_t *to;                 /* and where */
	struct hopeful hopeful;
	float enough; /* what the last one of the last short list promised */
	uint32_t *front, *sorted;         /* hosts; room for all */
	uint32_t *front_from, *kind_from; /* of each kind; one more at the end */
	bool *ruled;                      /* guests that some rule names */
	bool *touched;                    /* hosts, since the last screening */
};

/* Weights are the slopes of the two deviations. */
struct slope {
	float wx, wy, mean_x, mean_y;
};

struct slope slope_now(const struct bal *b);
/*
 * The same, as if both deviations were those that a usual guest's move leaves behind.
 * Where one of them is nought any move adds to it, and its slope there would forbid
 * all.
 */
struct slope slope_behind(const struct bal *b);

/* b->screen, unless there is one. */
void screen_begin(struct bal *b);
/* Of the hosts that nobody has touched since the last screening. */
void screen_find_fronts(struct bal *b);
/* What guests could gain at most: before those that might gain enough are listed. */
void screen_bound(struct bal *b, const struct slope *w);
/* Those that may gain more than enough become the hopeful ones, and go to the fronts.
 */
void screen_all(struct bal *b, const struct slope *w, float enough);
/* Of the hopeful, those that gained more than enough: what they gain now. */
void screen_again(struct bal *b, const struct slope *w, float enough);
