/* What moving one guest takes. */
#include <math.h>

#include "scheduler/balance_int.h"

/* Seconds that every move takes besides; the part of what is sent again that a copy
 * still gets ahead of. */
#define SWITCH_S    10.0
#define MOST_RESENT 0.9

static double
link_of(const struct bal *b)
{
	return b->link_mb_s > 0 ? b->link_mb_s : BAL_LINK_MB_S;
}

/* M, then what was written meanwhile, then what was written while that was sent, … */
double
bal_sent_mb(const struct bal *b, const struct bal_guest *g)
{
	return g->mem / (1 - fmin(g->dirty / link_of(b), MOST_RESENT));
}

double
bal_move_seconds(const struct bal *b, const struct bal_guest *g)
{
	return SWITCH_S + bal_sent_mb(b, g) / link_of(b);
}
