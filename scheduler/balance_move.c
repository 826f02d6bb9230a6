/* What moving one guest takes. */
#include <math.h>

#include "scheduler/balance_int.h"

/* MB a second that one move may send, a 10 Gbit/s network's; seconds that every move
 * takes besides; the part of what is sent again that a copy still gets ahead of. */
#define LINK_MB_S   1100.0
#define SWITCH_S    10.0
#define MOST_RESENT 0.9

static double
resent(const struct bal_guest *g)
{
	return fmin(g->dirty / LINK_MB_S, MOST_RESENT);
}

/* M, then what was written meanwhile, then what was written while that was sent, … */
double
bal_sent_mb(const struct bal_guest *g)
{
	return g->mem / (1 - resent(g));
}

double
bal_move_seconds(const struct bal_guest *g)
{
	return SWITCH_S + bal_sent_mb(g) / LINK_MB_S;
}

bool
bal_is_too_busy(const struct bal_guest *g)
{
	return g->dirty >= LINK_MB_S * MOST_RESENT;
}
