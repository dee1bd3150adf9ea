/* SNS's envelope: read strictly, and the text that its signature is over.
 *
 * All of it comes from anybody until the signature is verified. SNS signs "name LF value LF" without any escaping, so
 * the same signed bytes can be cut into fields in several ways: exact types, no foreign fields and no control
 * characters outside of Message leave one. Do not make any of these checks milder. */
#ifndef TURNOUT_HANDLERS_SNS_ENVELOPE_H
#define TURNOUT_HANDLERS_SNS_ENVELOPE_H

#include "base/strbuf.h"
#include "handlers/json_reader.h"

enum sns_type { SNS_NOTIFICATION, SNS_SUBSCRIPTION, SNS_UNSUBSCRIPTION };

enum sns_field {
    SNS_TYPE,
    SNS_MESSAGE_ID,
    SNS_TOPIC_ARN,
    SNS_SUBJECT,
    SNS_MESSAGE,
    SNS_TIMESTAMP,
    SNS_SIGNATURE_VERSION,
    SNS_SIGNATURE,
    SNS_SIGNING_CERT_URL,
    SNS_UNSUBSCRIBE_URL,
    SNS_SUBSCRIBE_URL,
    SNS_TOKEN,
    SNS_MESSAGE_ATTRIBUTES,
    SNS_FIELDS
};

struct sns_envelope {
    enum sns_type type;
    struct json_text fields[SNS_FIELDS]; /* text NULL: absent. Not that of SNS_MESSAGE_ATTRIBUTES, which nobody signs */
    int64_t sent_at;                     /* Timestamp; wall, ms */
};

/* What the type of the envelope is named ("Notification"). */
const char *sns_type_text(enum sns_type type);

/* Whether a body, which may also be a message delivered raw, has the fields that make an envelope. */
bool sns_envelope_is(const char *body, size_t len, struct arena *arena);
/* `is_stored`: of the fields that are not kept none is missed. Texts borrow from the body and the arena. ERR_INVALID,
 * ERR_TOO_BIG, ERR_NO_MEMORY. */
MUST_CHECK enum err sns_envelope_read(const char *body, size_t len, bool is_stored, struct arena *arena,
                                      struct sns_envelope *ret, struct errmsg *why);
/* The bytes that are signed ("Verifying the signatures of Amazon SNS messages" in its developer guide). */
void sns_envelope_signed_text(const struct sns_envelope *envelope, struct strbuf *text);
/* What is kept: without what gives power over the subscription (Token, SubscribeURL, UnsubscribeURL). A notification
 * keeps its signature, and can be verified once more from what is kept. */
void sns_envelope_stored_text(const struct sns_envelope *envelope, struct strbuf *text);

#endif
