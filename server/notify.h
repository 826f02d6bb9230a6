/*
 * notify: tell the service manager how the server is, if one asked for it.
 */
#pragma once

/* "READY=1", "STOPPING=1", "STATUS=…": a datagram to $NOTIFY_SOCKET, as sd_notify(3).
 */
void notify(const char *state);
