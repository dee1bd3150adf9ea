/* The few documents of Route 53's API (2013-04-01) that its record action reads and writes. Pure. */
#ifndef TURNOUT_ACTIONS_ROUTE53_XML_H
#define TURNOUT_ACTIONS_ROUTE53_XML_H

#include "base/err.h"
#include "base/strbuf.h"

#include <jansson.h>
#include <stdint.h>

#define ROUTE53_MAX_VALUES 100 /* of one set that are kept */

/* The record set of a name and type, as found in a list. */
struct route53_set {
    int n_found; /* sets of that name and type; more than one: they have set identifiers */
    int n_values;
    char value[512]; /* the first */
    json_t *values;  /* array of texts, owned: all of them, as long as they are no more than ROUTE53_MAX_VALUES */
    int64_t ttl;
    char health_check[80]; /* "" for none: must be kept */
    char other[64];        /* "" or an element that a simple record does not have */
};

/* From a ListResourceRecordSets answer, which begins at a name and goes on with others. ERR_INVALID. */
MUST_CHECK enum err route53_set_read(const char *body, size_t len, const char *name, const char *type,
                                     struct route53_set *ret, struct errmsg *why);

void route53_set_done(struct route53_set *set); /* also of one that could not be read */

/* A page of all record sets of a zone. */
struct route53_page {
    bool is_truncated;
    char next_name[1024], next_type[16], next_identifier[256]; /* where the next page begins */
};

/* One value of a set, or the name that an alias stands for (with TTL 0). `name` is plain: lower case, no escapes. */
typedef void (*route53_value_fn)(void *context, const char *name, const char *type, const char *value, int64_t ttl);

/* Calls `take` with every value. ERR_INVALID. */
MUST_CHECK enum err route53_page_read(const char *body, size_t len, route53_value_fn take, void *context,
                                      struct route53_page *ret, struct errmsg *why);

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

/* A batch of changes, all of which are made or none. */
void route53_batch_begin(struct strbuf *xml, const char *comment);
/* DELETE, which is refused unless the set is exactly this one, or CREATE. `values`: an array of texts. */
void route53_change_write(struct strbuf *xml, const char *action, const char *name, const char *type,
                          const json_t *values, int64_t ttl, const char *health_check);
void route53_batch_end(struct strbuf *xml);

#endif
