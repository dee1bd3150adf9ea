/* What several actions need: results in words, arguments, comparing names and targets, and what an HTTP status means.
 *
 * The complication is what a failed write means: "temporary" promises that nothing happened, so a gateway's 502 or a
 * time-out behind a write is "unknown". Nothing here may know one provider. */
#ifndef TURNOUT_ACTIONS_COMMON_H
#define TURNOUT_ACTIONS_COMMON_H

#include "actions/action.h"
#include "base/strbuf.h"

#define WORDS_SIZE 301 /* of a provider, as quoted in a result */

void result_set(struct action_result *ret, enum outcome outcome, const char *format, ...) PRINTF_LIKE(3, 4);

/* For an exchange that gave no answer: "WHO cannot be asked: why". */
void result_of_failure(struct action_call *call, struct action_result *ret, const char *who, bool is_write,
                       enum err err, const struct errmsg *why);

/* What a status other than 2xx means when the provider gives no better word: 408, 429 and 503 are refusals that pass;
 * other 5xx pass too, but a write may have had its effect; the rest is permanent. */
enum outcome outcome_of_status(int status, bool is_write);
/* The same of an answer that is not in the provider's own words: the 503 of a gateway too may come behind an effect. */
enum outcome outcome_of_gateway(int status, bool is_write);
/* The one or the other, of a provider that always speaks in objects of JSON. */
enum outcome outcome_of_json(const struct fetch_response *response, bool is_write);
bool status_is_success(int status);
/* Where there was no memory to read why a request was refused: the refusal may be one that passes. */
enum outcome outcome_of_refusal(enum outcome outcome, bool is_short);

/* "WHO answers STATUS: words", the outcome, and Retry-After. */
void result_of_status(struct action_result *ret, enum outcome outcome, const char *who,
                      const struct fetch_response *response, const char *words);

/* Puts "(secret)" in the place of the secrets of the call's provider that are as long as that. In place; returns the
 * new length, with a NUL behind it where it became shorter. */
size_t secrets_hide(const struct action_call *call, char *bytes, size_t len);

/* Text of outside bytes for people: control characters become spaces, runs of them one; cut with "..."; the secrets of
 * the call's provider, which a server may echo, become "(secret)". */
void words_of(const struct action_call *call, const char *bytes, size_t len, char *ret, size_t room);

/* The same of an answer that is not the provider's own: of a page of HTML, which some gateway has put in its place, the
 * title only. */
void words_of_body(const struct action_call *call, const struct fetch_response *response, char *ret, size_t room);

int64_t call_left_ms(const struct action_call *call);
bool call_is_cancelled(const struct action_call *call);

/* Whether an effect may begin now: asks the call's consent, and that what was compared is not older than 30 s,
 * which counts for one effect. ERR_CANCELLED, or ERR_CONFLICT: nothing may be sent, `why` says so. action_send() asks
 * by itself. */
MUST_CHECK enum err call_may_write(struct action_call *call, struct errmsg *why);
/* The same for what is no request: false with the result set. */
bool call_lets_write(struct action_call *call, struct action_result *ret);

const char *arg_text(const json_t *args, const char *name, const char *fallback);
int64_t arg_int(const json_t *args, const char *name, int64_t fallback);

/* Percent-encoding of everything but RFC 3986's unreserved characters. */
void url_encode(struct strbuf *url, const char *text);

/* The base of a provider: its `url` row without slashes at the end. */
void url_base(struct strbuf *url, const struct provider *provider, const char *fallback);

bool name_equal(const char *a, const char *b); /* DNS names: letters of either case, a dot at the end or not */
bool is_apex(const char *record);              /* "" or "@" */
const char *record_label(const char *record);  /* "" for the apex, else the name as it is */
/* Addresses are compared as addresses, host names as names, anything else byte by byte. */
bool target_equal(const char *type, const char *a, const char *b);
/* Whether `target` can stand in a record of `type` (A, AAAA, CNAME; others are taken as they are). Pure. */
MUST_CHECK enum err target_check(const char *type, const char *target, struct errmsg *why);

/* Two rows of every action that points a record to a target. */
#define RECORD_TYPE_ROW                                                                                                \
    {                                                                                                                  \
        .name = "type", .type = ROW_CHOICE, .is_required = true, .choices = "A|AAAA|CNAME",                            \
        .help = "type of the record"                                                                                   \
    }
#define RECORD_TARGET_ROW                                                                                              \
    {                                                                                                                  \
        .name = "target", .type = ROW_STRING, .is_required = true, .min = 1, .max = 255,                               \
        .help = "what the record is to hold: an address, or a host name for CNAME"                                     \
    }

/* A row of a provider that counts requests: `number` as text, "a minute". See struct rate. */
#define RATE_ROW(number, time)                                                                                         \
    {                                                                                                                  \
        .name = "rate", .type = ROW_INT, .default_text = number, .min = 1, .max = MAX_RATE,                            \
        .help = "how many requests it takes in " time "; looks leave a fifth of them to runs"                          \
    }

/* Whether `record` can be a name within `zone`: labels, "@" or a "*" in front, and not the whole name once more. Pure.
 */
MUST_CHECK enum err record_check(const char *record, const char *zone, struct errmsg *why);

/* Ends an observation of a record: outcome OK, both states as {"target", "ttl"}, and the sentence that compares them.
 * ret->is_right, token and previous are the caller's. False, and temporary, where one of all these is missing: then
 * there was no memory for it. */
bool result_of_record(struct action_result *ret, const char *target, int64_t ttl, const char *wanted_target,
                      int64_t wanted_ttl);

/* Ends an apply before anything was sent: the record is no longer what the observation saw. */
void result_of_change(struct action_result *ret, const char *target, int64_t ttl, const char *seen_target,
                      int64_t seen_ttl);

/* The JSON of an answer, the caller's; NULL: it is none. *ret_is_short: there was no memory to read it. */
json_t *json_of_answer(const struct fetch_response *response, bool *ret_is_short);

/* The action's own check_args once more, for arguments that were never checked: false with a permanent result. */
bool args_are_good(const struct action_call *call, struct action_result *ret,
                   enum err (*check)(const json_t *args, struct errmsg *why));

#endif
