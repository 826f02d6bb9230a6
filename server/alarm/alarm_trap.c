#include "server/alarm/alarm_trap.h"

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* Below net-snmp's playground, since Drover has no number of its own. */
#define BASE 1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 7
/* What may be in a datagram without being parted. */
#define TEXT_MAX 255u

static const oid trap_oid_oid[] = { 1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0 };
static const oid uptime_oid[] = { 1, 3, 6, 1, 2, 1, 1, 3, 0 };
static const oid changed_oid[] = { BASE, 0, 1 };

static bool
add_text(netsnmp_pdu *pdu, oid number, const char *text)
{
	const oid name[] = { BASE, 1, number, 0 };
	size_t n = strnlen(text, TEXT_MAX);

	return snmp_pdu_add_variable(
	    pdu, name, OID_LENGTH(name), ASN_OCTET_STR, text, n);
}

static netsnmp_pdu *
make(const struct alarm_notice *n)
{
	netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_TRAP2);
	uint32_t ticks = (uint32_t)(n->at_ms / 10);
	long status = (long)n->status;
	const oid status_oid[] = { BASE, 1, 1, 0 };
	const char *const texts[] = { n->name, n->entity, n->entity_name, n->reason,
		n->alarm, n->delivery };
	long up = (long)ticks;
	bool ok = pdu != NULL;

	ok = ok && snmp_pdu_add_variable(pdu, uptime_oid, OID_LENGTH(uptime_oid),
		       ASN_TIMETICKS, &up, sizeof(up));
	ok = ok && snmp_pdu_add_variable(pdu, trap_oid_oid, OID_LENGTH(trap_oid_oid),
		       ASN_OBJECT_ID, changed_oid, sizeof(changed_oid));
	ok = ok && snmp_pdu_add_variable(pdu, status_oid, OID_LENGTH(status_oid),
		       ASN_INTEGER, &status, sizeof(status));
	for (size_t i = 0; ok && i < ARRAY_SIZE(texts); i++)
		ok = add_text(pdu, (oid)(2 + i), texts[i]);
	if (ok)
		return pdu;
	snmp_free_pdu(pdu);
	return NULL;
}

static int
fail(const struct alarm_trap *t, netsnmp_session *s, struct err *e)
{
	int sys = 0, snmp = 0;
	char *text = NULL;

	snmp_error(s, &sys, &snmp, &text);
	err_set(e, ERR_LOST, "cannot send a trap to %s: %s", t->host,
	    text ? text : "unknown error");
	SNMP_FREE(text);
	return ERR_LOST;
}

int
alarm_trap_send(const struct alarm_trap *t, struct err *e)
{
	/* The port of traps is not that of questions. */
	AUTO_FREE char *peer = strchr(t->host, ':')
				   ? xstrdup(t->host)
				   : xasprintf("%s:%d", t->host, SNMP_TRAP_PORT);
	AUTO_FREE char *community = xstrdup(t->community);
	netsnmp_session base;
	netsnmp_pdu *pdu;
	void *handle;
	int rc = 0;

	snmp_sess_init(&base);
	base.version = SNMP_VERSION_2c;
	base.peername = peer;
	base.community = (u_char *)community;
	base.community_len = strlen(community);
	handle = snmp_sess_open(&base);
	if (!handle)
		return fail(t, &base, e);
	pdu = make(t->notice);
	if (!pdu)
		rc = err_set(
		    e, ERR_LOST, "cannot make a trap of %s", t->notice->delivery);
	else if (!snmp_sess_send(handle, pdu)) {
		rc = fail(t, snmp_sess_session(handle), e);
		snmp_free_pdu(pdu);
	}
	snmp_sess_close(handle);
	return rc;
}
