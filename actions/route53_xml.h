/* The few documents of Route 53's API (2013-04-01) that its record action reads and writes. Pure. */
#ifndef TURNOUT_ACTIONS_ROUTE53_XML_H
#define TURNOUT_ACTIONS_ROUTE53_XML_H

#include "base/err.h"
#include "base/strbuf.h"

#include <stdint.h>

/* The record set of a name and type, as found in a list. */
struct route53_set {
    int n_found; /* sets of that name and type; more than one: they have set identifiers */
    int n_values;
    char value[512]; /* the first */
    int64_t ttl;
    char health_check[80]; /* "" for none: must be kept */
    char other[64];        /* "" or an element that a simple record does not have */
};

/* From a ListResourceRecordSets answer, which begins at a name and goes on with others. ERR_INVALID. */
MUST_CHECK enum err route53_set_read(const char *body, size_t len, const char *name, const char *type,
                                     struct route53_set *ret, struct errmsg *why);

/* Names as Route 53 writes them: "\052" is "*", letters of either case, a dot at the end or not. */
bool route53_name_equal(const char *a, const char *b);

struct route53_change {
    char id[64];     /* without "/change/" */
    char status[16]; /* PENDING, INSYNC */
};

/* From the answer to a change or to GetChange. ERR_INVALID. */
MUST_CHECK enum err route53_change_read(const char *body, size_t len, struct route53_change *ret, struct errmsg *why);

struct route53_error {
    char code[64];
    struct strbuf message; /* all of them */
};

/* ErrorResponse, or InvalidChangeBatch, which has no code of its own. ERR_INVALID for anything else. */
MUST_CHECK enum err route53_error_read(const char *body, size_t len, struct route53_error *ret);

/* An UPSERT of one simple record. */
void route53_upsert_write(struct strbuf *xml, const char *name, const char *type, const char *value, int64_t ttl,
                          const char *health_check, const char *comment);

#endif
