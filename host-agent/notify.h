/*
 * notify: tell the service manager that started us how we are (sd_notify's protocol).
 */
#pragma once

/* "READY=1", "STOPPING=1", …  Nothing happens where nobody asked to be told. */
void notify_manager(const char *state);
