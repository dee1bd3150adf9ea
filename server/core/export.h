/* Break-glass files of a service, for the day the daemon itself is down: a script that moves it, and a runbook for
 * paper.
 *
 * Made from plans whose steps hold what their actions say of doing it by hand. Pure; a script is POSIX sh and needs
 * nothing but curl, openssl, psql where PostgreSQL is promoted, and the programs of the user's own steps. The
 * complication is that texts of outside stand in both: in a script each is a quoted word or a comment of one line, so
 * that none can become a command. No secret may ever be added: a script takes them from the environment. */
#ifndef TURNOUT_CORE_EXPORT_H
#define TURNOUT_CORE_EXPORT_H

#include "base/err.h"
#include "base/strbuf.h"

#include <jansson.h>

/* `plan`: of one move, its steps with "script", which is what action->write_script left: a function `write`, and where
 * the action can tell whether it is done, a function `look` that ends with 0 then. `at`: when the plan was made, a
 * text. ERR_INVALID: the plan is none; ERR_NO_MEMORY. */
MUST_CHECK enum err export_script(const json_t *plan, const char *at, struct strbuf *ret, struct errmsg *why);
/* Markdown of the way there and, where `back` is not NULL, of the way back. */
MUST_CHECK enum err export_runbook(const json_t *there, const json_t *back, const char *at, struct strbuf *ret,
                                   struct errmsg *why);
/* All of it, as files: [{"name", "mode": "0700", "text"}], the way there first, then the way back, then the runbook of
 * both. NULL after an error. */
json_t *export_files(const json_t *there, const json_t *back, const char *at, struct errmsg *why);
/* Whether the plan knows how each of its steps is done by hand, as far as that can be known: "script" is "" where there
 * never is one, and not there where the look that would tell it has failed. */
bool export_is_whole(const json_t *plan);

#endif
