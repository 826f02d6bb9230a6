/*
 * event_life: making and ending the event module of an inventory.
 */
#pragma once
#include "server/event/event.h"

struct events;

/* Attaches itself to the inventory, which is borrowed. */
struct events *events_new(struct inv *inv);
void events_free(struct events *ev);
/* The newest events from the database into memory. done comes in a later posts phase.
 */
typedef void (*events_loaded_fn)(void *arg, int rc, const struct err *e);
void events_load(struct events *ev, events_loaded_fn done, void *arg);
/* Delete stored events after this many days, 0: never. */
void events_keep(struct events *ev, unsigned days);
