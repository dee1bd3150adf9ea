/* X-Forwarded-For: the address of a client whose request came through proxies. Pure.
 *
 * Each proxy appends the address that it was called from, so only what trusted ones have written is true, and the list
 * is read from its right end. Whatever a client has put before is never looked at. */
#ifndef TURNOUT_HTTP_FORWARDED_H
#define TURNOUT_HTTP_FORWARDED_H

#include "base/address.h"

/* Walks one header's list from its end while *address is of `trusted`, and sets *address to each that it meets: in the
 * end to the client's, or to the last proxy's where what stands there is no address. Returns whether the header before
 * this one is to be read as well. */
bool forwarded_walk(const char *list, const struct network *trusted, size_t n_trusted, struct address *address);

#endif
