/*
 * The run lease: two hosts, one guest, one manager row in the database, one datastore.
 *
 * Claim: no two copies of the guest ever execute at one instant, and a guest that moved
 * never goes on from memory that its disks have outrun.
 *
 * A fault is a step not taken: whoever is frozen, cut off or slow never gets to his next
 * step, so every step is optional and there is no fairness.  One thing alone is forced:
 * time cannot pass the kill bound of an expired copy, for there the kernel's timer
 * strikes (drover-guard).  Times are counters that run down, so runs have no end.
 *
 * Worst cases are built in.  A lease counts for its holder from the SENDING of the
 * renewal and for observers from its LANDING, which here are the same tick; the wait D
 * is what is left of it when clocks have eaten the whole margin for drift.
 *
 * Switches that take away one rule, each of which must be refuted:
 *   NO_STORAGE_WAIT  R3  an observer does not wait for the storage lease to end
 *   SHORT_WAIT       R3  … or waits two ticks too few
 *   NO_NET_WAIT      R4  the manager attests before its grants are over
 *   NO_KILL_MARGIN   R4  … or as soon as they are over
 *   NO_LEADER_WAIT   R4  a new leader forgets the grants of the one before
 *   NO_FENCE_FLAG    R5  a fenced incarnation is granted leases again
 *   NO_INC           R6  an attestation speaks of a host, not of its incarnation
 *   NO_GEN           R6  old orders are obeyed
 *   NO_LOOK          R6  a claim is not followed by a look
 *   NO_GUARD         A4  nothing kills an expired copy
 *   FROM_COMPLETION  R1  a lease counts from its acknowledgement (with PEND)
 *   NO_LEAVING       2.6 a guest that is on its way is restarted in place (with MOVE)
 *   RELEASE_FIRST    R8  a claim is dropped before its copy was reaped
 * Others: CLIP, no grant outlives the leadership it was given in; PEND, renewals are
X, the guest may move live; REACH=1 … 6, what must be possible.
 */
#ifndef L
#define L 2                      /* lease; with 1 several of the mistakes do not show */
#endif
#ifndef K
#define K 1                      /* kill bound */
#endif
#ifndef GMAX
#define GMAX 2                   /* generations */
#endif
#ifndef IMAX
#define IMAX 2                   /* incarnations of a host */
#endif

#ifdef SHORT_WAIT
#define D (L + K - 2)
#else
#define D (L + K)
#endif
#ifdef NO_STORAGE_WAIT
#define STORAGE_DEAD(h) true
#else
#define STORAGE_DEAD(h) (still[h] > D)
#endif
#ifdef NO_NET_WAIT
#define GRANTS_OVER(h) true
#else
#define GRANTS_OVER(h) (grant[h] == 0)
#endif
#ifdef NO_KILL_MARGIN
#define GRANT_LEN L
#else
#define GRANT_LEN (L + K)
#endif
#ifdef CLIP
#define NET_LEN (lead < L -> lead : L)
#define OLD_GRANTS_LEN K
#else
#define NET_LEN L
#define OLD_GRANTS_LEN (L + K)
#endif
#ifdef NO_LEADER_WAIT
#define OLD_GRANTS 0
#else
#define OLD_GRANTS OLD_GRANTS_LEN
#endif
#ifdef NO_FENCE_FLAG
#define MAY_GRANT(h) true
#else
#define MAY_GRANT(h) (!fenced[h])
#endif
#ifdef NO_INC
#define INC_MATCHES(h) true
#else
#define INC_MATCHES(h) (order_inc[h] == claim_inc[1 - h])
#endif
#ifdef NO_GEN
#define GEN_IS_NEW(h) (order_gen[h] != 0)
#else
#define GEN_IS_NEW(h) (order_gen[h] > highest[h])
#endif
#ifdef FROM_COMPLETION
#define LEFT(age) L
#else
#define LEFT(age) (L - age)
#endif
#if defined(NO_LEAVING) || !defined(MOVE)
#define MAY_RESTART(h) true
#else
#define MAY_RESTART(h) (!leaving[h])
#endif
#define EXPIRED(h) (storage[h] == 0 && net[h] == 0)
#define IDLE(h)    (!copy[h] && phase[h] == NONE && claim[h] == NONE)
/* A lease that ended is renewed only by who has nothing left to run under it (R9). */
#define MAY_RENEW(h) (!EXPIRED(h) || IDLE(h))
#define O (1 - h)
#ifdef FEW
#define MAY_END(h) EXPIRED(h)
#else
#define MAY_END(h) true
#endif

#define NONE  0
#define CLAIM 1
#define RUN   2
#define COMES 3                  /* migrate-in: it is on its way here */
#define QUIET 9                  /* no acknowledgement is under way */

/* On hosts.  phase, highest and leaving outlive an agent, not what a reboot ends. */
bool copy[2];                    /* a copy of the guest executes */
byte storage[2], net[2];         /* ticks left of the leases, as the host believes */
byte kill[2];                    /* ticks until the kernel kills the expired copy */
byte phase[2];                   /* what the agent is about */
byte highest[2];                 /* generation ever accepted */
byte inc[2];                     /* incarnation */
byte still[2];                   /* ticks in which the other's heartbeat did not move */
/* On the datastore: the claim register, a block a host. */
byte claim[2], claim_gen[2], claim_inc[2];
/* The manager; all but lead and grant is in its database. */
byte gen = 1, lead, grant[2], reaped[2];
bool fenced[2];
/* The order last sent to a host; it may be read late, or twice. */
byte order_gen[2], order_reaped[2], order_inc[2];
bool order_fence[2];
#ifdef MOVE
bool order_move[2];
bool arrived[2];                 /* all of its memory is here */
bool current[2];                 /* … and no copy has run elsewhere since */
bool leaving[2];                 /* noted before its memory is sent */
bool outrun;                     /* it went on from old memory */
#endif
#ifdef PEND
byte storage_ack[2] = QUIET, net_ack[2] = QUIET; /* age of what is to be acknowledged */
#endif
#ifdef REACH
bool crashed;
#endif

inline down(x) { x = (x > 0 -> x - 1 : 0) }

#ifdef NO_GUARD
#define TIME_MAY_PASS true
#else
#define TIME_MAY_PASS                                                                  \
	(!(copy[0] && EXPIRED(0) && kill[0] == 0) &&                                   \
	 !(copy[1] && EXPIRED(1) && kill[1] == 0))
#endif

inline tick_host(h)
{
	down(storage[h]); down(net[h]); down(grant[h]);
	if
	:: still[h] <= D -> still[h]++
	:: else
	fi;
#ifdef PEND
	storage_ack[h] = (storage_ack[h] < L -> storage_ack[h] + 1 : QUIET);
	net_ack[h] = (net_ack[h] < L -> net_ack[h] + 1 : QUIET);
#endif
}

inline tick_kill(h)
{
	if
	:: copy[h] && EXPIRED(h) -> down(kill[h])
	:: else -> kill[h] = K
	fi
}

inline begin_copy(h)
{
	copy[h] = 1; kill[h] = K;
#ifdef MOVE
	current[O] = 0;
#endif
}

inline end_copy(h) { copy[h] = 0; kill[h] = K }

inline drop_claim(h)
{
	claim[h] = NONE; claim_gen[h] = 0; claim_inc[h] = 0; phase[h] = NONE;
#ifdef MOVE
	leaving[h] = 0; arrived[h] = 0;
#endif
}

inline write_claim(h, what)
{
	highest[h] = order_gen[h]; claim_gen[h] = order_gen[h]; claim_inc[h] = inc[h];
	claim[h] = what; phase[h] = what;
}

/* R6: may the one who claims on h take over what the other's block says? */
#ifdef NO_LOOK
#define GIVES_WAY(h) true
#else
#define GIVES_WAY(h)                                                                   \
	(claim[O] == NONE ||                                                           \
	 (order_gen[h] == claim_gen[h] && order_reaped[h] != 0 &&                      \
	     claim_gen[O] <= order_reaped[h]) ||                                       \
	 (claim_gen[O] < claim_gen[h] && order_gen[h] == claim_gen[h] &&               \
	     order_fence[h] && INC_MATCHES(h) && STORAGE_DEAD(h)))
#endif

proctype host(byte h)
{
	do
	/* The guest ends: by its agent because its lease did, or by itself. */
	:: d_step { copy[h] && MAY_END(h) -> end_copy(h) }

	/* Leases. */
#ifndef PEND
	:: d_step { MAY_RENEW(h) -> still[O] = 0; storage[h] = L }
#else
	:: d_step { storage_ack[h] == QUIET && MAY_RENEW(h) ->
		still[O] = 0; storage_ack[h] = 0 }
	:: d_step { storage_ack[h] <= L ->
		storage[h] = (LEFT(storage_ack[h]) > storage[h] ->
			LEFT(storage_ack[h]) : storage[h]);
		storage_ack[h] = QUIET }
	:: d_step { net_ack[h] <= L ->
		net[h] = (LEFT(net_ack[h]) > net[h] -> LEFT(net_ack[h]) : net[h]);
		net_ack[h] = QUIET }
#endif
	:: d_step { !copy[h] && EXPIRED(h) && (claim[h] != NONE || fenced[h]) &&
		inc[h] < IMAX -> drop_claim(h); fenced[h] = 0; inc[h]++ }

	/* A start: persist the generation, claim, look, run. */
	:: d_step { storage[h] > 0 && IDLE(h) && GEN_IS_NEW(h) ->
#ifdef MOVE
		if
		:: order_move[h] -> write_claim(h, COMES)
		:: else -> write_claim(h, CLAIM)
		fi
#else
		write_claim(h, CLAIM)
#endif
		}
	:: d_step { phase[h] == CLAIM && claim[O] != NONE &&
		claim_gen[O] > claim_gen[h] -> drop_claim(h) }
	:: d_step { phase[h] == CLAIM && GIVES_WAY(h) -> phase[h] = RUN; claim[h] = RUN }
	/* Also again, in place, without any manager (R7). */
	:: d_step { phase[h] == RUN && !copy[h] && !EXPIRED(h) && MAY_RESTART(h) ->
		begin_copy(h) }

#ifndef FEW
	/* A stop (R8): reaped, then dropped, or told while the claim is on disk still. */
#ifdef RELEASE_FIRST
	:: d_step { phase[h] == RUN -> drop_claim(h) }
#else
	:: d_step { phase[h] == RUN -> end_copy(h); drop_claim(h) }
#endif
	:: d_step { phase[h] == RUN -> end_copy(h); phase[h] = NONE;
		reaped[h] = claim_gen[h] }
	:: d_step { phase[h] == NONE && claim[h] != NONE && !copy[h] -> drop_claim(h) }
#endif

#ifdef MOVE
	/* A live move: noted here, memory sent, the copy stops, arrived over there. */
	:: d_step { phase[h] == RUN && copy[h] && phase[O] == COMES &&
		claim_gen[O] > claim_gen[h] -> leaving[h] = 1 }
	:: d_step { copy[h] && leaving[h] && phase[O] == COMES && !EXPIRED(O) ->
		end_copy(h); arrived[O] = 1; current[O] = 1 }
	/* It did not get there, and never will: its place was given up. */
	:: d_step { leaving[h] && claim[O] == NONE -> leaving[h] = 0 }
	:: d_step { phase[h] == COMES && arrived[h] && !EXPIRED(h) && GIVES_WAY(h) ->
		phase[h] = RUN; claim[h] = RUN; copy[h] = 1; kill[h] = K;
		outrun = !current[h] }
	:: d_step { phase[h] == COMES && !arrived[h] && claim[O] == NONE ->
		drop_claim(h) }
	:: d_step { phase[h] == COMES -> drop_claim(h) }
#endif

#ifndef FEW
	/* A reboot. */
	:: d_step { end_copy(h); phase[h] = NONE; storage[h] = 0; net[h] = 0;
#ifdef PEND
		storage_ack[h] = QUIET; net_ack[h] = QUIET;
#endif
#ifdef MOVE
		arrived[h] = 0; leaving[h] = 0;
#endif
#ifdef REACH
		crashed = (h == 0);
#endif
		}
#endif
	od
}

inline send_start(h)
{
	gen++; order_gen[h] = gen; order_reaped[h] = reaped[O];
	order_fence[h] = GRANTS_OVER(O); order_inc[h] = inc[O];
#ifdef MOVE
	order_move[h] = 0;
#endif
	if
	:: order_fence[h] -> fenced[O] = 1 /* in the same transaction (R5) */
	:: else
	fi
}

proctype manager()
{
	do
	:: d_step { lead > 0 -> lead = L }
	/* Another server takes over, and knows of no grant. */
	:: d_step { lead == 0 -> lead = L; grant[0] = OLD_GRANTS; grant[1] = OLD_GRANTS }
#ifndef PEND
#define GRANT(h)                                                                       \
	lead > 0 && MAY_GRANT(h) && MAY_RENEW(h) -> grant[h] = GRANT_LEN; net[h] = NET_LEN
#else
#define GRANT(h)                                                                       \
	lead > 0 && MAY_GRANT(h) && MAY_RENEW(h) && net_ack[h] == QUIET ->             \
		grant[h] = GRANT_LEN; net_ack[h] = 0
#endif
	:: d_step { GRANT(0) }
	:: d_step { GRANT(1) }
	:: d_step { lead > 0 && gen < GMAX -> send_start(0) }
	:: d_step { lead > 0 && gen < GMAX -> send_start(1) }
#ifdef MOVE
	/* Only the second host may be moved to: the other way is the same. */
	:: d_step { lead > 0 && gen < GMAX -> gen++; order_gen[1] = gen;
		order_move[1] = 1; order_fence[1] = 0; order_reaped[1] = 0 }
	/* The host that it left is silent: what a takeover needs. */
	:: d_step { lead > 0 && order_move[1] && !order_fence[1] && GRANTS_OVER(0) ->
		order_fence[1] = 1; order_inc[1] = inc[0]; fenced[0] = 1 }
	:: d_step { lead > 0 && order_move[1] && reaped[0] != 0 ->
		order_reaped[1] = reaped[0] }
#endif
	od
}

proctype time()
{
	do
	:: d_step { TIME_MAY_PASS ->
		tick_host(0); tick_host(1); down(lead); tick_kill(0); tick_kill(1) }
	od
}

init
{
	d_step {
		copy[0] = 1; claim[0] = RUN; claim_gen[0] = 1; phase[0] = RUN;
		highest[0] = 1; kill[0] = K; kill[1] = K; lead = L;
		storage[0] = L; storage[1] = L; net[0] = L; net[1] = L;
		grant[0] = GRANT_LEN; grant[1] = GRANT_LEN
	}
	atomic { run host(0); run host(1); run manager(); run time() }
}

#ifdef REACH
#if REACH == 1
#define BAD (copy[1] && crashed)                   /* takeover after a crash */
#elif REACH == 2
#define BAD (copy[1] && !crashed && claim[0] == RUN && claim_gen[0] == 1)
					/* takeover from a silent host that lives */
#elif REACH == 3
#define BAD (copy[0] && lead == 0 && net[0] == 0 && gen == 1) /* no manager: runs on */
#elif REACH == 4
#define BAD (copy[0] && storage[0] == 0 && net[0] > 0) /* rides out a storage stall */
#elif REACH == 5
#define BAD (copy[1] && arrived[1] && !crashed)    /* moved live */
#elif REACH == 6
#define BAD (copy[1] && arrived[1] && claim[0] == RUN) /* … and the source died */
#endif
#elif defined(MOVE)
#define BAD ((copy[0] && copy[1]) || outrun)
#else
#define BAD (copy[0] && copy[1])
#endif

never {
T0:
	do
	:: BAD -> break
	:: else
	od
}
