/* The hash chain of the audit log, for the one who appends to it.
 *
 * hash(seq) = SHA-256(hash(seq - 1), text); before seq 1 stand 32 zero bytes. The text is canonical JSON (keys sorted,
 * compact, UTF-8 as it is) and the same bytes are stored, hashed and exported. The chain has no key: it shows accidents
 * and partial edits, and not someone who writes every later hash again, or cuts entries off at the newest end. Do not
 * add anything to an entry after it was hashed. */
#ifndef TURNOUT_STORE_AUDIT_H
#define TURNOUT_STORE_AUDIT_H

#include "base/digest.h"
#include "base/err.h"

#include <jansson.h>

struct store_batch;

struct audit_chain { /* the newest entry; all zero: there is none */
    int64_t seq;
    struct sha256 hash;
};

/* A `detail` that makes an entry longer than this is left out, and its size said instead. */
#define AUDIT_TEXT_MAX ((size_t)256 * 1024)

/* Takes `entry`, gives it its seq, at, kind and (unless "") service, and adds its row to the batch. `kind` and
 * `service` are borrowed until the commit. ERR_NO_MEMORY (an `entry` of NULL too): then the chain is as it was. */
MUST_CHECK enum err audit_append(struct audit_chain *chain, struct store_batch *batch, json_t *entry, int64_t at,
                                 const char *kind, const char *service);

/* The hash that follows `previous` for an entry of `text`. */
struct sha256 audit_hash(const struct sha256 *previous, const char *text, size_t len);

#endif
