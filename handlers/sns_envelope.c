/* See sns_envelope.h. The format: "Parsing Amazon SNS message formats" in Amazon SNS's developer guide. */
#include "handlers/sns_envelope.h"

#include "base/clock.h"
#include "base/id.h"

#include <string.h>

#define MAX_SHORT 2048 /* of every field but Message */

enum {
    IN_NOTIFICATION = 1 << SNS_NOTIFICATION,
    IN_SUBSCRIPTION = 1 << SNS_SUBSCRIPTION,
    IN_ANOTHER = 1 << SNS_UNSUBSCRIPTION
};
#define IN_CONFIRMATIONS (IN_SUBSCRIPTION | IN_ANOTHER)
#define IN_ALL (IN_NOTIFICATION | IN_CONFIRMATIONS)

static const char *const types[] = {
    [SNS_NOTIFICATION] = "Notification",
    [SNS_SUBSCRIPTION] = "SubscriptionConfirmation",
    [SNS_UNSUBSCRIPTION] = "UnsubscribeConfirmation",
};

static const struct {
    const char *name;
    int allowed, required; /* types */
    bool is_missed;        /* in a stored envelope too */
} table[SNS_FIELDS] = {
    [SNS_TYPE] = {"Type", IN_ALL, IN_ALL, true},
    [SNS_MESSAGE_ID] = {"MessageId", IN_ALL, IN_ALL, true},
    [SNS_TOPIC_ARN] = {"TopicArn", IN_ALL, IN_ALL, true},
    [SNS_SUBJECT] = {"Subject", IN_NOTIFICATION, 0, false},
    [SNS_MESSAGE] = {"Message", IN_ALL, IN_ALL, true},
    [SNS_TIMESTAMP] = {"Timestamp", IN_ALL, IN_ALL, true},
    [SNS_SIGNATURE_VERSION] = {"SignatureVersion", IN_ALL, IN_ALL, false},
    [SNS_SIGNATURE] = {"Signature", IN_ALL, IN_ALL, false},
    [SNS_SIGNING_CERT_URL] = {"SigningCertURL", IN_ALL, IN_ALL, false},
    [SNS_UNSUBSCRIBE_URL] = {"UnsubscribeURL", IN_NOTIFICATION, 0, false},
    [SNS_SUBSCRIBE_URL] = {"SubscribeURL", IN_CONFIRMATIONS, IN_CONFIRMATIONS, false},
    [SNS_TOKEN] = {"Token", IN_CONFIRMATIONS, IN_CONFIRMATIONS, false},
    [SNS_MESSAGE_ATTRIBUTES] = {"MessageAttributes", IN_NOTIFICATION, 0, false},
};

const char *sns_type_text(enum sns_type type)
{
    return types[type];
}

static int field_find(const struct json_text *key)
{
    int i = 0;
    while (i < SNS_FIELDS && !json_text_is(key, table[i].name))
        i++;
    return i;
}

bool sns_envelope_is(const char *body, size_t len, struct arena *arena)
{
    struct json_reader reader;
    struct json_text key;
    unsigned seen = 0;
    const unsigned wanted = 1U << SNS_TYPE | 1U << SNS_MESSAGE_ID | 1U << SNS_TOPIC_ARN;
    json_reader_init(&reader, body, len, arena, NULL);
    if (json_reader_peek(&reader) != JSON_KIND_OBJECT || !json_reader_object(&reader))
        return false;
    while (json_reader_member(&reader, &key) && json_reader_skip(&reader))
        seen |= 1U << field_find(&key);
    return (seen & wanted) == wanted;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* C0, DEL and C1; the text is valid UTF-8. */
static bool has_control(const struct json_text *text)
{
    for (size_t i = 0; i < text->len; i++) {
        unsigned char c = (unsigned char)text->text[i];
        if (c < 0x20 || c == 0x7F || (c == 0xC2 && (unsigned char)text->text[i + 1] < 0xA0))
            return true;
    }
    return false;
}

/* A foreign key goes into the message only when it is a word. */
static enum err refuse_key(const struct json_text *key, struct errmsg *why)
{
    static const char word[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    bool is_word = key->len > 0 && key->len <= 32;
    for (size_t i = 0; is_word && i < key->len; i++)
        is_word = strchr(word, key->text[i]) != NULL;
    if (!is_word)
        return err_set(why, ERR_INVALID, "a field of the envelope is none of SNS's");
    return err_set(why, ERR_INVALID, "the field \"%.*s\" of the envelope is none of SNS's", (int)key->len, key->text);
}

static enum err read_field(struct json_reader *reader, const struct json_text *key, struct sns_envelope *envelope,
                           struct errmsg *why)
{
    int field = field_find(key);
    if (field == SNS_FIELDS)
        return refuse_key(key, why);
    struct json_text *text = &envelope->fields[field];
    enum json_kind kind = json_reader_peek(reader);
    enum json_kind wanted = field == SNS_MESSAGE_ATTRIBUTES ? JSON_KIND_OBJECT : JSON_KIND_TEXT;
    if (kind != JSON_KIND_NONE && kind != wanted)
        return err_set(why, ERR_INVALID, "%s must be %s, not %s", table[field].name, json_kind_text(wanted),
                       json_kind_text(kind));
    if (field == SNS_MESSAGE_ATTRIBUTES) {
        *text = (struct json_text){"", 0};
        return json_reader_skip(reader) ? ERR_OK : reader->err;
    }
    if (!json_reader_text(reader, text))
        return reader->err;
    if (field == SNS_MESSAGE)
        return ERR_OK;
    if (text->len > MAX_SHORT)
        return err_set(why, ERR_INVALID, "%s is longer than %d bytes", table[field].name, MAX_SHORT);
    if (has_control(text))
        return err_set(why, ERR_INVALID, "%s holds a control character", table[field].name);
    return ERR_OK;
}

static enum err read_fields(struct json_reader *reader, struct sns_envelope *envelope, struct errmsg *why)
{
    enum json_kind kind = json_reader_peek(reader);
    struct json_text key;
    if (kind != JSON_KIND_NONE && kind != JSON_KIND_OBJECT)
        return err_set(why, ERR_INVALID, "the body must be a JSON object as SNS sends it, not %s",
                       json_kind_text(kind));
    if (!json_reader_object(reader))
        return reader->err;
    while (json_reader_member(reader, &key)) {
        enum err err = read_field(reader, &key, envelope, why);
        if (err != ERR_OK)
            return err;
    }
    return json_reader_end(reader);
}

static enum err find_type(struct sns_envelope *envelope, struct errmsg *why)
{
    const struct json_text *type = &envelope->fields[SNS_TYPE];
    if (!type->text)
        return err_set(why, ERR_INVALID,
                       "the envelope has no Type; a message delivered raw is taken with `raw: true` only");
    for (int i = SNS_NOTIFICATION; i <= SNS_UNSUBSCRIPTION; i++) {
        if (json_text_is(type, types[i])) {
            envelope->type = (enum sns_type)i;
            return ERR_OK;
        }
    }
    return err_set(why, ERR_INVALID, "Type is none of %s, %s and %s", types[0], types[1], types[2]);
}

static enum err check_fields(const struct sns_envelope *envelope, bool is_stored, struct errmsg *why)
{
    for (int i = 0; i < SNS_FIELDS; i++) {
        bool is_there = envelope->fields[i].text != NULL;
        bool is_missed = table[i].is_missed || !is_stored;
        if (is_there && !(table[i].allowed & 1 << envelope->type))
            return err_set(why, ERR_INVALID, "%s does not belong into a %s", table[i].name, types[envelope->type]);
        if (!is_there && is_missed && table[i].required & 1 << envelope->type)
            return err_set(why, ERR_INVALID, "the envelope has no %s", table[i].name);
    }
    return ERR_OK;
}

/* Exactly "2026-11-21T02:00:05.123Z". */
static enum err read_timestamp(const struct json_text *text, int64_t *ret, struct errmsg *why)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    bool is_right = text->len == sizeof shape - 1;
    for (size_t i = 0; is_right && i < text->len; i++)
        is_right = shape[i] == 'd' ? text->text[i] >= '0' && text->text[i] <= '9' : text->text[i] == shape[i];
    if (!is_right || time_parse(text->text, text->len, ret) != ERR_OK)
        return err_set(why, ERR_INVALID, "Timestamp is not of the form YYYY-MM-DDThh:mm:ss.mmmZ");
    return ERR_OK;
}

enum err sns_envelope_read(const char *body, size_t len, bool is_stored, struct arena *arena, struct sns_envelope *ret,
                           struct errmsg *why)
{
    struct json_reader reader;
    struct id id;
    *ret = (struct sns_envelope){.sent_at = 0};
    json_reader_init(&reader, body, len, arena, why);
    enum err err = read_fields(&reader, ret, why);
    if (err == ERR_OK)
        err = find_type(ret, why);
    if (err == ERR_OK)
        err = check_fields(ret, is_stored, why);
    if (err == ERR_OK && id_parse(ret->fields[SNS_MESSAGE_ID].text, ret->fields[SNS_MESSAGE_ID].len, &id) != ERR_OK)
        err = err_set(why, ERR_INVALID, "MessageId is no UUID");
    return err == ERR_OK ? read_timestamp(&ret->fields[SNS_TIMESTAMP], &ret->sent_at, why) : err;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

void sns_envelope_signed_text(const struct sns_envelope *envelope, struct strbuf *text)
{
    static const enum sns_field notification[] = {SNS_MESSAGE,   SNS_MESSAGE_ID, SNS_SUBJECT,
                                                  SNS_TIMESTAMP, SNS_TOPIC_ARN,  SNS_TYPE};
    static const enum sns_field confirmation[] = {SNS_MESSAGE, SNS_MESSAGE_ID, SNS_SUBSCRIBE_URL, SNS_TIMESTAMP,
                                                  SNS_TOKEN,   SNS_TOPIC_ARN,  SNS_TYPE};
    bool is_notification = envelope->type == SNS_NOTIFICATION;
    const enum sns_field *fields = is_notification ? notification : confirmation;
    size_t n =
        is_notification ? sizeof notification / sizeof *notification : sizeof confirmation / sizeof *confirmation;
    for (size_t i = 0; i < n; i++) {
        const struct json_text *value = &envelope->fields[fields[i]];
        if (!value->text)
            continue;
        strbuf_addf(text, "%s\n", table[fields[i]].name);
        strbuf_add(text, value->text, value->len);
        strbuf_addc(text, '\n');
    }
}

void sns_envelope_stored_text(const struct sns_envelope *envelope, struct strbuf *text)
{
    static const enum sns_field kept[] = {
        SNS_TYPE,      SNS_MESSAGE_ID,        SNS_TOPIC_ARN, SNS_SUBJECT,         SNS_MESSAGE,
        SNS_TIMESTAMP, SNS_SIGNATURE_VERSION, SNS_SIGNATURE, SNS_SIGNING_CERT_URL};
    char before = '{';
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        const struct json_text *value = &envelope->fields[kept[i]];
        if (!value->text || (kept[i] >= SNS_SIGNATURE_VERSION && envelope->type != SNS_NOTIFICATION))
            continue;
        strbuf_addf(text, "%c\"%s\":", before, table[kept[i]].name);
        strbuf_add_json(text, value->text, value->len);
        before = ',';
    }
    strbuf_addc(text, '}');
}
