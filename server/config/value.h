/* One value of one row, from its text: the same for what is in the file, for defaults, and for what a template became.
 * Pure. */
#ifndef TURNOUT_SERVER_CONFIG_VALUE_H
#define TURNOUT_SERVER_CONFIG_VALUE_H

#include "base/strbuf.h"
#include "core/row.h"

#include <jansson.h>
#include <sys/socket.h>

/* The JSON that core/row.h promises for this text; of a row of several values, one element. NULL when the text does
 * not fit the row, or out of memory. Not for ROW_SECRET and ROW_MAP. */
json_t *value_of_text(const struct row *row, const char *text);
/* Whether that JSON is a string: only these rows can hold templates. */
bool value_is_text(enum row_type type);
bool value_is_list(enum row_type type);
/* What fits the row, for people: "a whole number from 0 to 86400". */
void value_describe(const struct row *row, struct strbuf *out);
/* "500ms", "30s", "5m", "2h", "7d": the largest unit that is exact. */
void duration_describe(int64_t ms, struct strbuf *out);

/* ADDRESS:PORT or [IPv6]:PORT, with numbers only; port 0 is allowed. */
bool listen_address_parse(const char *text, struct sockaddr_storage *ret, socklen_t *ret_len);

#endif
