/* See sns_message.h.
 *
 * Formats: CloudWatch's notifications have no reference of their own; what is read here is what samples of many years
 * have in common (no AlarmArn before 2020, no Trigger for composite alarms, Metrics in place of MetricName for metric
 * math). EventBridge: "Alarm events and EventBridge" in the CloudWatch user guide. An alarm over several time series
 * also speaks of each of its contributors: these are alerts of their own, or one contributor's OK would end the outage
 * of another. Unknown states and shapes are kept, and move nothing. */
#include "handlers/sns_message.h"

#include "base/clock.h"
#include "core/json_whole.h"
#include "handlers/document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MESSAGE ((size_t)256 * 1024) /* SNS's own bound */
#define MAX_IDENTITY 4096

const struct row sns_mapping_rows[] = {
    {.name = "identity",
     .type = ROW_STRING,
     .help = "JSON pointer to what tells one alert from another; without it the topic is one alert"},
    {.name = "state", .type = ROW_STRING, .is_required = true, .help = "JSON pointer to the state"},
    {.name = "time", .type = ROW_STRING, .help = "JSON pointer to the time of the state, RFC 3339"},
    {.name = "down", .type = ROW_STRINGS, .is_required = true, .help = "states that mean down"},
    {.name = "up", .type = ROW_STRINGS, .is_required = true, .help = "states that mean up"},
    {.name = NULL},
};

static const char *const pointers[] = {"identity", "state", "time"};

enum err sns_mapping_check(const json_t *mapping, struct errmsg *why)
{
    for (size_t i = 0; i < sizeof pointers / sizeof *pointers; i++) {
        const char *pointer = json_string_value(json_object_get(mapping, pointers[i]));
        if (pointer && !document_is_pointer(pointer))
            return err_set(why, ERR_INVALID, "`%s` of `message` is no JSON pointer (\"/key/0\", \"\" for the whole)",
                           pointers[i]);
    }
    return ERR_OK;
}

/* What is being made of one message. */
struct reading {
    const struct sns_message *message;
    struct handler_result *result;
    struct errmsg *why;
    json_t *root;
    struct labels labels;
    struct arena arena;
    char identity[MAX_IDENTITY];
    size_t identity_len;
    int n_parts;      /* of the identity */
    bool is_too_long; /* the identity */
};

static enum err say_nothing(struct reading *r, const char *text)
{
    snprintf(r->result->nothing, sizeof r->result->nothing, "%s", text);
    return ERR_OK;
}

/* Parts are parted by a NUL, which no text holds. */
static void add_identity(struct reading *r, const struct json_text *part)
{
    size_t gap = r->n_parts++ > 0 ? 1 : 0;
    if (part->len + gap > sizeof r->identity - r->identity_len) {
        r->is_too_long = true;
        return;
    }
    if (gap)
        r->identity[r->identity_len++] = '\0';
    memcpy(r->identity + r->identity_len, part->text, part->len);
    r->identity_len += part->len;
}

static bool member_text(const json_t *object, const char *key, struct json_text *ret)
{
    const char *text = json_string_value(json_object_get(object, key));
    *ret = (struct json_text){text ? text : "", text ? strlen(text) : 0};
    return ret->len > 0;
}

static struct json_text text_of(const char *text)
{
    return (struct json_text){text, strlen(text)};
}

/* ---- times ------------------------------------------------------------------------------------------------------- */

/* RFC 3339, also without the colon in the offset ("+0000"), as CloudWatch writes it. */
static bool read_time(const struct json_text *text, int64_t *ret)
{
    char copy[64];
    size_t len = text->len;
    if (len < 6 || len + 2 > sizeof copy)
        return false;
    memcpy(copy, text->text, len);
    copy[len] = '\0';
    const char *sign = copy + len - 5;
    if ((*sign == '+' || *sign == '-') && strspn(sign + 1, "0123456789") == 4) {
        memmove(copy + len - 1, copy + len - 2, 2);
        copy[len - 2] = ':';
        len++;
    }
    return time_parse(copy, len, ret) == ERR_OK;
}

/* Of the first that is a time; else when the message was sent. */
static int64_t time_of(const struct reading *r, const json_t *first, const json_t *second)
{
    const json_t *const values[] = {first, second};
    for (size_t i = 0; i < 2; i++) {
        const struct json_text text = {json_string_value(values[i]), json_string_length(values[i])};
        int64_t at;
        if (text.text && read_time(&text, &at))
            return at;
    }
    return r->message->sent_at;
}

static enum err give(struct reading *r, enum alert_state state, int64_t at)
{
    if (r->is_too_long)
        return say_nothing(r, "what names the alert is too long");
    const struct handler_alert alert = {
        .state = state,
        .starts_at = state == ALERT_FIRING ? at : TIME_UNKNOWN,
        .ends_at = state == ALERT_UP ? at : TIME_UNKNOWN,
        .asserted_at = at,
        .identity = r->identity,
        .identity_len = r->identity_len,
        .labels = r->labels.items,
        .n_labels = r->labels.n,
    };
    return r->result->take(r->result->context, &alert, r->why);
}

/* ---- labels ------------------------------------------------------------------------------------------------------ */

static void add_label(struct reading *r, const char *name, const json_t *value)
{
    labels_add_value(&r->labels, name, value, &r->arena);
}

/* "dimension.NAME". */
static void add_dimension(struct reading *r, const char *name, const json_t *value)
{
    static const char prefix[] = "dimension.";
    size_t size = sizeof prefix + strlen(name);
    char *label = arena_get(&r->arena, size);
    if (!label)
        return;
    snprintf(label, size, "%s%s", prefix, name);
    add_label(r, label, value);
}

/* [{"name": …, "value": …}], in either case, or {NAME: VALUE}. */
static void add_dimensions(struct reading *r, json_t *dimensions)
{
    size_t i;
    const char *name;
    json_t *item;
    json_array_foreach(dimensions, i, item)
    {
        const json_t *key = json_object_get(item, "name");
        const json_t *value = json_object_get(item, "value");
        key = key ? key : json_object_get(item, "Name");
        if (json_is_string(key))
            add_dimension(r, json_string_value(key), value ? value : json_object_get(item, "Value"));
    }
    json_object_foreach(dimensions, name, item) add_dimension(r, name, item);
}

static json_t *either(const json_t *object, const char *key, const char *other)
{
    json_t *value = json_object_get(object, key);
    return value ? value : json_object_get(object, other);
}

/* `metrics`: of metric math; the first that is one of CloudWatch's, and no expression, is what the alarm is about. */
static void add_metric_labels(struct reading *r, const json_t *trigger, json_t *metrics)
{
    size_t i;
    json_t *item;
    const json_t *metric = trigger;
    json_array_foreach(metrics, i, item)
    {
        const json_t *found = either(either(item, "MetricStat", "metricStat"), "Metric", "metric");
        if (found) {
            metric = found;
            break;
        }
    }
    add_label(r, "namespace", either(metric, "Namespace", "namespace"));
    add_label(r, "metric_name", either(metric, "MetricName", "name"));
    add_dimensions(r, either(metric, "Dimensions", "dimensions"));
}

/* The part between two colons, counted from 0; an empty one when there is none. */
static struct json_text arn_part(const struct json_text *arn, int n)
{
    const char *at = arn->text, *end = arn->text + arn->len;
    for (; n > 0 && at; n--) {
        at = memchr(at, ':', (size_t)(end - at));
        at = at ? at + 1 : NULL;
    }
    const char *stop = at ? memchr(at, ':', (size_t)(end - at)) : NULL;
    return at ? (struct json_text){at, (size_t)((stop ? stop : end) - at)} : (struct json_text){"", 0};
}

/* An alarm tells the topics of its own region only. */
static void add_place(struct reading *r, const struct json_text *arn, const json_t *account)
{
    const struct sns_topic *topic = r->message->topic;
    struct json_text region = arn->len > 0 ? arn_part(arn, 3) : text_of(topic->region);
    struct json_text owner = arn->len > 0 ? arn_part(arn, 4) : text_of(topic->account);
    if (arn->len == 0 && json_string_length(account) > 0)
        owner = (struct json_text){json_string_value(account), json_string_length(account)};
    labels_add(&r->labels, "account", &owner);
    labels_add(&r->labels, "region", &region);
}

/* ---- alarms ------------------------------------------------------------------------------------------------------ */

static bool state_of(const struct json_text *text, enum alert_state *ret)
{
    static const struct {
        const char *word;
        enum alert_state state;
    } states[] = {{"ALARM", ALERT_FIRING}, {"OK", ALERT_UP}, {"INSUFFICIENT_DATA", ALERT_UNKNOWN}};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        if (json_text_is(text, states[i].word)) {
            *ret = states[i].state;
            return true;
        }
    }
    return false;
}

/* Attributes without an id name a contributor too: sorted, so that their order does not matter. */
static void add_attributes_identity(struct reading *r, const json_t *attributes)
{
    char *text = json_whole(attributes, JSON_COMPACT | JSON_SORT_KEYS);
    size_t len = text ? strlen(text) : 0;
    char *copy = text ? arena_get(&r->arena, len) : NULL;
    if (copy) {
        memcpy(copy, text, len);
        add_identity(r, &(struct json_text){copy, len});
    } else {
        r->is_too_long = true;
    }
    free(text);
}

/* Of one contributor to an alarm over several time series. How it is named in a notification is not documented: the
 * names are those of the events ("alarmContributor") and of the API ("AlarmContributorId", "ContributorId"). */
static void add_contributor(struct reading *r, const json_t *object)
{
    const json_t *contributor = either(object, "alarmContributor", "AlarmContributor");
    const json_t *at = json_is_object(contributor) ? contributor : object;
    const json_t *id = either(at, "AlarmContributorId", "ContributorId");
    json_t *attributes = either(at, "AlarmContributorAttributes", "ContributorAttributes");
    if (at == contributor) {
        id = id ? id : either(at, "id", "Id");
        attributes = attributes ? attributes : either(at, "attributes", "Attributes");
    }
    struct json_text text;
    if (document_text(id, &r->arena, &text)) {
        add_identity(r, &text);
        add_label(r, "contributor", id);
    } else if (json_object_size(attributes) > 0) {
        add_attributes_identity(r, attributes);
    } else if (at == contributor) {
        add_attributes_identity(r, contributor);
    }
    add_dimensions(r, json_is_object(attributes) ? attributes : NULL);
}

/* {"AlarmName": …, "NewStateValue": …, …} */
static enum err read_alarm(struct reading *r)
{
    const json_t *alarm = r->root;
    struct json_text name, state_text, arn, account, region;
    enum alert_state state;
    if (!member_text(alarm, "AlarmName", &name) || !member_text(alarm, "NewStateValue", &state_text))
        return say_nothing(r, "a CloudWatch alarm without AlarmName or NewStateValue");
    if (!state_of(&state_text, &state))
        return say_nothing(r, "the alarm's state is none of ALARM, OK and INSUFFICIENT_DATA");
    if (member_text(alarm, "AlarmArn", &arn)) {
        add_identity(r, &arn);
    } else {
        (void)member_text(alarm, "AWSAccountId", &account);
        (void)member_text(alarm, "Region", &region);
        add_identity(r, &account);
        add_identity(r, &region);
        add_identity(r, &name);
    }
    labels_add(&r->labels, "alarm_name", &name);
    if (arn.len > 0)
        labels_add(&r->labels, "alarm_arn", &arn);
    add_place(r, &arn, json_object_get(alarm, "AWSAccountId"));
    const json_t *trigger = json_object_get(alarm, "Trigger");
    add_metric_labels(r, trigger, json_object_get(trigger, "Metrics"));
    add_contributor(r, alarm);
    return give(r, state, time_of(r, json_object_get(alarm, "StateChangeTime"), NULL));
}

/* {"source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change", "resources": [ARN], "detail": …} */
static enum err read_event(struct reading *r)
{
    const json_t *event = r->root, *detail = json_object_get(event, "detail");
    const json_t *state_object = json_object_get(detail, "state");
    struct json_text type, state_text, name;
    enum alert_state state;
    (void)member_text(event, "detail-type", &type);
    if (!json_text_is(&type, "CloudWatch Alarm State Change") &&
        !json_text_is(&type, "CloudWatch Alarm Contributor State Change"))
        return say_nothing(r, "an event of CloudWatch that says nothing of an alarm's state");
    const json_t *resource = json_array_get(json_object_get(event, "resources"), 0);
    const struct json_text arn = {json_string_value(resource), json_string_length(resource)};
    if (arn.len == 0 || !member_text(detail, "alarmName", &name) || !member_text(state_object, "value", &state_text))
        return say_nothing(r, "an event of CloudWatch without the alarm's ARN, name or state");
    if (!state_of(&state_text, &state))
        return say_nothing(r, "the alarm's state is none of ALARM, OK and INSUFFICIENT_DATA");
    add_identity(r, &arn);
    labels_add(&r->labels, "alarm_name", &name);
    labels_add(&r->labels, "alarm_arn", &arn);
    add_place(r, &arn, NULL);
    add_metric_labels(r, NULL, json_object_get(json_object_get(detail, "configuration"), "metrics"));
    add_contributor(r, detail);
    return give(r, state, time_of(r, json_object_get(state_object, "timestamp"), json_object_get(event, "time")));
}

/* ---- anything else ----------------------------------------------------------------------------------------------- */

static json_t *mapped(const struct reading *r, const char *row)
{
    const char *pointer = json_string_value(json_object_get(r->message->mapping, row));
    return pointer ? document_at(r->root, pointer) : NULL;
}

static bool is_listed(const struct reading *r, const char *row, const struct json_text *text)
{
    size_t i;
    json_t *value;
    json_array_foreach(json_object_get(r->message->mapping, row), i, value)
    {
        if (json_text_is(text, json_string_value(value)))
            return true;
    }
    return false;
}

/* Where `message` names no identity, the topic is the alert. */
static bool add_plain_identity(struct reading *r)
{
    const struct json_text topic = text_of(r->message->topic->arn);
    struct json_text text;
    add_identity(r, &topic);
    if (!json_object_get(r->message->mapping, "identity"))
        return true;
    if (!document_text(mapped(r, "identity"), &r->arena, &text) || text.len == 0)
        return false;
    add_identity(r, &text);
    labels_add(&r->labels, "identity", &text);
    return true;
}

static enum err read_plain(struct reading *r)
{
    struct json_text text;
    int64_t at = r->message->sent_at;
    if (!r->message->mapping)
        return say_nothing(r, "neither a CloudWatch alarm nor an event of one, and the source has no `message`");
    if (!document_text(mapped(r, "state"), &r->arena, &text))
        return say_nothing(r, "the message has no state where `message` says");
    bool is_down = is_listed(r, "down", &text);
    if (!is_down && !is_listed(r, "up", &text))
        return say_nothing(r, "the message's state is in neither of the lists `down` and `up`");
    if (!add_plain_identity(r))
        return say_nothing(r, "the message has no identity where `message` says");
    if (json_object_get(r->message->mapping, "time") &&
        (!document_text(mapped(r, "time"), &r->arena, &text) || !read_time(&text, &at)))
        return say_nothing(r, "the message has no time where `message` says");
    add_place(r, &(struct json_text){"", 0}, NULL);
    return give(r, is_down ? ALERT_FIRING : ALERT_UP, at);
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

/* A text that is not JSON is taken for a JSON string of it, to which the pointer "" leads. jansson overlooks a NUL
 * behind a number. */
static enum err load(struct reading *r)
{
    const struct json_text *text = &r->message->text;
    bool has_nul = memchr(text->text, '\0', text->len) != NULL;
    enum err err = has_nul ? ERR_INVALID : document_load(text->text, text->len, &r->root, NULL);
    if (err == ERR_INVALID) {
        r->root = has_nul ? NULL : json_stringn(text->text, text->len);
        return r->root ? ERR_OK : err_set(r->why, ERR_INVALID, "the message is no text in UTF-8");
    }
    return err == ERR_OK ? ERR_OK : err_set(r->why, err, "out of memory");
}

static enum err read_any(struct reading *r)
{
    enum err err = load(r);
    if (err != ERR_OK)
        return err;
    const struct json_text topic = text_of(r->message->topic->arn);
    struct json_text source;
    (void)member_text(r->root, "source", &source);
    labels_add(&r->labels, "topic", &topic);
    if (json_object_get(r->root, "AlarmName"))
        err = read_alarm(r);
    else if (json_text_is(&source, "aws.cloudwatch"))
        err = read_event(r);
    else
        err = read_plain(r);
    json_decref(r->root);
    return err;
}

enum err sns_message_read(const struct sns_message *message, struct handler_result *result, struct errmsg *why)
{
    struct reading r = {.message = message, .result = result, .why = why};
    if (message->text.len > MAX_MESSAGE)
        return say_nothing(&r, "the message is longer than SNS takes");
    arena_init(&r.arena);
    enum err err = read_any(&r);
    arena_done(&r.arena);
    return err;
}
