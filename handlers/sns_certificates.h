/* The certificates that SNS signs with, of one source: in memory, in its folder, and which one to fetch.
 *
 *   FOLDER/NAME.pem               placed by a person: used as it is, neither its name nor its dates are looked at
 *   FOLDER/fetched/HOST/NAME.pem  fetched from SNS, and checked whenever it is used
 *
 * Which certificate it shall be says the delivery, before anything of it is verified. So one is fetched a minute, for
 * all deliveries of the source together, whatever they name; in between they are told to come again. Thread-safe. */
#ifndef TURNOUT_HANDLERS_SNS_CERTIFICATES_H
#define TURNOUT_HANDLERS_SNS_CERTIFICATES_H

#include "base/certificate.h"
#include "handlers/handler.h"
#include "handlers/json_reader.h"
#include "handlers/sns_topic.h"

struct sns_certificates;

struct sns_key {
    const struct sns_topic *topic; /* its host, and the names that the certificate may have */
    char name[128];                /* "SimpleNotificationService-….pem": a file name without anything special in it */
};

/* The key that a SigningCertURL names: exactly https://HOST/SimpleNotificationService-HEX.pem. False: another URL. */
bool sns_key_parse(const struct json_text *url, const struct sns_topic *topic, struct sns_key *ret);

/* Copies the folder's path. `base`: what stands in place of https://HOST when one is fetched, at most 512 bytes; NULL:
 * nothing does. No I/O. NULL: out of memory. */
struct sns_certificates *sns_certificates_new(const char *folder, const char *base);
void sns_certificates_free(struct sns_certificates *certificates); /* accepts NULL */

/* ERR_OK with a certificate, which the caller frees, or with NULL and *need filled: to be fetched, then asked again.
 * ERR_DENIED: what there is must not be used. ERR_TEMPORARY: there is none now. The key's topic must live as long as
 * the certificates. */
MUST_CHECK enum err sns_certificates_get(struct sns_certificates *certificates, const struct sns_key *key, int64_t now,
                                         struct certificate **ret, struct handler_need *need, struct errmsg *why);
/* Whether a need is still one: another delivery's fetch may have met it. */
bool sns_certificates_is_needed(struct sns_certificates *certificates, const struct handler_need *need);
/* What the fetching gave. An acceptable certificate is kept in memory and in the folder. */
void sns_certificates_learn(struct sns_certificates *certificates, const struct handler_need *need,
                            const struct bytes_view *pem, int64_t now, enum err err, const struct errmsg *why);

#endif
