/*
 * edit: lines from the terminal, with history and completion.
 */
#pragma once
#include "shell/shell.h"

struct edit;

struct edit *edit_open(struct shell *sh);
void edit_close(struct edit *ed); /* stores the history */

/*
 * One line with its newline; more: it continues what was not complete.  Borrowed until
 * the next call; NULL at the end of input.  "" after Ctrl-C.
 */
enum edit_prompt { EDIT_FIRST, EDIT_MORE };

const char *edit_read(struct edit *ed, enum edit_prompt which);
/* Put a whole statement into the history, unless it holds a password. */
void edit_remember(struct edit *ed, const char *statement);
