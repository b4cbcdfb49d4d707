/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_SQL_PROMPT_H
#define TOOL_SQL_PROMPT_H

/*
 * Lines from a person: with libedit where it is there, whose line can be changed before it is sent, and
 * goes on with Tab to keywords, tables and columns. What was typed is kept until the program ends, in no file.
 */

#include <stdbool.h>

/** Are standard input and standard error a terminal, and libedit there? */
bool sql_prompt_open(void);
/**
 * The next line, with its newline. Pre: sql_prompt_open() said so.
 * @return to be freed; NULL: there is none, or a signal came
 */
char *sql_prompt_read(const char *prompt);

#endif
