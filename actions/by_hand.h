/* Pieces of the POSIX sh by which an action's work is done by hand (action->write_script): quoting, the variables that
 * hold secrets, the base of an API.
 *
 * A script never holds a secret, and never shows one to other users of the host: what is secret goes to curl by a pipe
 * (curl -K -, printf is a builtin), not as an argument. Pure. */
#ifndef TURNOUT_ACTIONS_BY_HAND_H
#define TURNOUT_ACTIONS_BY_HAND_H

#include "actions/action.h"
#include "base/strbuf.h"

/* Options of curl for every request: an answer that refuses is shown, and is a failure. */
#define BY_HAND_CURL "curl -sS --fail-with-body -w '\\n' --max-time 30"

/* 'text' as one word of sh. */
void by_hand_quote(struct strbuf *script, const char *text);
/* ${NAME_ROW}: the variable for a secret of a provider. */
void by_hand_variable(struct strbuf *script, const struct provider *provider, const char *row);
/* A word of sh: base (without slashes at its end) and path. */
void by_hand_url(struct strbuf *script, const struct provider *provider, const char *fallback, const char *path);
/* Ends a request: what was answered, without white space, must have `text` somewhere. */
void by_hand_expect(struct strbuf *script, const char *text);
/* Lines that say that the ids are not known, and fail. */
void by_hand_unknown(struct strbuf *script, const char *what);

#endif
