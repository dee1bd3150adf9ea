/* Signatures that a sender puts into headers: HMAC-SHA256 with a secret that both sides know.
 *
 * Several secrets are equally good, so that one can be replaced by another without a gap; all are tried, and compared
 * in constant time. The text of an error never says what would have been right. A stored body has no headers: its
 * signature was verified when it came, and is not asked for again. */
#ifndef TURNOUT_HANDLERS_SIGNATURE_H
#define TURNOUT_HANDLERS_SIGNATURE_H

#include "base/secret.h"
#include "handlers/handler.h"

enum signature_encoding {
    SIGNATURE_HEX,    /* digits of either case */
    SIGNATURE_BASE64, /* with its padding */
};

/* How a sender signs: the body, or "TIMESTAMP:BODY" where there is a header for the time. */
struct signature_rule {
    const struct secret_list *secrets; /* the texts as they are; at least one */
    const char *header;                /* that holds the signature */
    const char *prefix;                /* what stands before it there, as "sha256="; "" */
    enum signature_encoding encoding;
    const char *timestamp_header; /* that holds the time of signing, seconds since 1970; NULL: none, and then a copy of
                                     a delivery is as good as the delivery at any time */
    int64_t tolerance_ms;         /* how far that time may be from ours, either way */
};

/* ERR_OK when the request is signed as the rule says; ERR_DENIED with why not. */
MUST_CHECK enum err signature_verify(const struct signature_rule *rule, const struct handler_request *request,
                                     struct errmsg *why);

/* The same for Standard Webhooks 1.0 (spec/standard-webhooks.md of standard-webhooks/standard-webhooks), symmetric
 * signatures: `webhook-signature` is a list of "v1,BASE64" of "ID.TIMESTAMP.BODY"; others in the list are passed over.
 * `keys`: as signature_key_read() makes them. */
MUST_CHECK enum err signature_verify_standard(const struct secret_list *keys, int64_t tolerance_ms,
                                              const struct handler_request *request, struct errmsg *why);

/* The key that a Standard Webhooks secret stands for: "whsec_" and the base64 of 16 to 64 bytes (its text asks for 24,
 * but shorter ones are about). ERR_INVALID when it is none, with a text that shows nothing of it; ERR_NO_MEMORY. */
MUST_CHECK enum err signature_key_read(const struct secret *text, struct secret *ret, struct errmsg *why);

#endif
