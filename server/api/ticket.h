/*
 * ticket: leave to open one socket into a guest, once.
 *
 * A page's socket cannot carry a header that another site's page could not make the
 * browser send too, so a page first asks for a ticket by a call that is safe from that.
 * It is good for one guest, one session, one use and TICKET_MS.  Memory only: with the
 * server's end they are void.  Core thread only.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"

#define TICKET_MS   30000u
#define TICKET_TEXT 65    /* hex and its end */
#define MAX_TICKETS 1024u /* not used yet; the oldest gives way */

struct tickets;

struct tickets *tickets_new(void);
void tickets_free(struct tickets *ts);
/* session: its id, not its token. */
void ticket_make(struct tickets *ts, obj_id vm, const char *session, uint64_t now_ms,
    char ret_text[TICKET_TEXT]);
/* Spends it, whether it fits or not.  ERR_DENIED: it does not; text may be NULL. */
int ticket_use(struct tickets *ts, const char *text, obj_id vm, const char *session,
    uint64_t now_ms, struct err *e) WARN_UNUSED;
