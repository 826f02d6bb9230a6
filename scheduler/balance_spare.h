/*
 * balance_spare: every host's guests have somewhere to go if it is lost.
 *
 * The certificate names for each guest a host with memory for it should its own be
 * lost: for any one lost host, all its guests fit where it says, at once.  It is kept
 * valid move by move, and a move that would break it is refused: nobody has to work out
 * what each host's loss would need for every move that is looked at.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct bal;
struct bal_spare;

/* Work it out for a bal_init()ed run, which then keeps it. */
void bal_spare_init(struct bal *b);
/* May it go there?  Only its new spare place and the room that others count on there
 * are looked at: what is refused today may be allowed after other moves. */
bool bal_spare_allows(const struct bal *b, uint32_t guest, uint32_t to);
/* Room for so much more on a host beside what others count on there. */
bool bal_spare_has_room(const struct bal *b, uint32_t host, double mem);
/* May one of so many MB that is not there yet come to a host, and be safe there? */
bool bal_spare_takes(const struct bal *b, uint32_t host, double mem);
/* bal_apply()'s: before guest goes there. */
void bal_spare_move(struct bal *b, uint32_t guest, uint32_t to);
/* From here on changes of the certificate can be taken back, until they are kept.  The
 * guests have to be where they were then. */
void bal_spare_try(struct bal *b);
void bal_spare_keep(struct bal *b);
void bal_spare_take_back(struct bal *b);
/* bal_join()'s: guest is there already. */
void bal_spare_join(struct bal *b, uint32_t guest);
/* Guests that have nowhere to go. */
uint32_t bal_spare_missing(const struct bal *b);
/* Worked out from nothing: does every lost host's memory fit where it says? */
bool bal_spare_is_valid(const struct bal *b);
