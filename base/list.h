/*
 * list: intrusive doubly linked list.
 *
 *   struct item { struct list_node node; … };   struct list all = LIST_INIT(all);
 *   LIST_EACH(struct item, it, &all, node) { … }
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct list_node {
	struct list_node *prev, *next;
};

struct list {
	struct list_node head;
};

#define LIST_INIT(l)                                                                   \
	{                                                                              \
		{                                                                      \
			&(l).head, &(l).head                                           \
		}                                                                      \
	}
#define LIST_ENTRY(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define LIST_EACH(type, var, l, member)                                                \
	for (type *var = LIST_ENTRY((l)->head.next, type, member);                     \
	     &var->member != &(l)->head;                                               \
	     var = LIST_ENTRY(var->member.next, type, member))
/* As LIST_EACH; var may be removed and freed in the body. */
#define LIST_EACH_SAFE(type, var, l, member)                                           \
	for (type *var = LIST_ENTRY((l)->head.next, type, member),                     \
		  *var##_next_ = LIST_ENTRY(var->member.next, type, member);           \
	     &var->member != &(l)->head; var = var##_next_,                            \
		  var##_next_ = LIST_ENTRY(var##_next_->member.next, type, member))
#define LIST_FIRST(type, l, member)                                                    \
	(list_empty(l) ? NULL : LIST_ENTRY((l)->head.next, type, member))

static inline void
list_init(struct list *l)
{
	l->head.prev = l->head.next = &l->head;
}

static inline bool
list_empty(const struct list *l)
{
	return l->head.next == &l->head;
}

static inline void
list_insert_(struct list_node *prev, struct list_node *n)
{
	n->prev = prev;
	n->next = prev->next;
	prev->next->prev = n;
	prev->next = n;
}

static inline void
list_add_tail(struct list *l, struct list_node *n)
{
	list_insert_(l->head.prev, n);
}

static inline void
list_add_head(struct list *l, struct list_node *n)
{
	list_insert_(&l->head, n);
}

/* Safe on a node that is in no list, if it is zeroed or was removed before. */
static inline void
list_remove(struct list_node *n)
{
	if (!n->next)
		return;
	n->prev->next = n->next;
	n->next->prev = n->prev;
	n->prev = n->next = NULL;
}

/* All of from, in its order, to the end of to. */
static inline void
list_move(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->head.next->prev = to->head.prev;
	to->head.prev->next = from->head.next;
	from->head.prev->next = &to->head;
	to->head.prev = from->head.prev;
	list_init(from);
}

static inline bool
list_linked(const struct list_node *n)
{
	return n->next != NULL;
}
