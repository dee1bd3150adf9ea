/* AWS Signature Version 4 for requests whose whole body is at hand, every service but S3 (whose paths are encoded
 * once).
 *
 * Format: "Create a signed AWS API request" in AWS's IAM user guide. The request is signed as it is sent, so whoever
 * sends it must not change URL, body or the given headers. Streaming, presigned URLs and SigV4A must not be added here
 * before something needs them. */
#ifndef TURNOUT_ACTIONS_SIGV4_H
#define TURNOUT_ACTIONS_SIGV4_H

#include "base/err.h"
#include "base/secret.h"
#include "fetch/fetch.h"

#define SIGV4_MAX_HEADERS 12 /* given ones */

struct sigv4_key {
    const char *access_key_id;
    const struct secret *secret_access_key;
    const char *session_token; /* NULL: none */
    const char *region;        /* "us-east-1" */
    const char *service;       /* the signing name: "route53" */
};

struct sigv4_signed {
    char date[32]; /* for X-Amz-Date */
    struct strbuf authorization;
};

/* Signs method, url, body and headers, with Host and X-Amz-Date added, and X-Amz-Security-Token when there is a session
 * token: these are to be sent as well. Names of headers are given once each. ERR_INVALID (the URL), ERR_NO_MEMORY. */
MUST_CHECK enum err sigv4_sign(const struct sigv4_key *key, const struct fetch_request *request, int64_t wall_ms,
                               struct sigv4_signed *ret, struct errmsg *why);
void sigv4_signed_done(struct sigv4_signed *made);

#endif
