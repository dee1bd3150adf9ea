/* What stands inside of an SNS message: a CloudWatch alarm (Route 53's health checks among them), EventBridge's event
 * of one, or something else, of which the source's `message` says where to look. */
#ifndef TURNOUT_HANDLERS_SNS_MESSAGE_H
#define TURNOUT_HANDLERS_SNS_MESSAGE_H

#include "handlers/handler.h"
#include "handlers/json_reader.h"
#include "handlers/sns_topic.h"

#include <jansson.h>

struct sns_message {
    const struct sns_topic *topic;
    struct json_text text;
    int64_t sent_at;       /* wall, ms; TIME_UNKNOWN when delivered raw */
    const json_t *mapping; /* the source's `message`; NULL: none */
};

extern const struct row sns_mapping_rows[];
/* ERR_INVALID when a pointer in it is none. `mapping` may be NULL. */
MUST_CHECK enum err sns_mapping_check(const json_t *mapping, struct errmsg *why);

/* Gives the alert, or says in result->nothing why there is none. An error is one of ours, or of result->take. */
MUST_CHECK enum err sns_message_read(const struct sns_message *message, struct handler_result *result,
                                     struct errmsg *why);

#endif
