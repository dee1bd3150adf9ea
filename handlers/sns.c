/* AWS SNS over HTTP: notifications of CloudWatch alarms and others, and the two confirmations.
 *
 * The format: Amazon SNS's developer guide ("Parsing Amazon SNS message formats", "Verifying the signatures of Amazon
 * SNS messages"). Only what is signed is looked at: neither the headers nor the content type, for anybody can send
 * these. The body itself says with which certificate it is to be verified; it may name one only by the host that
 * follows from the ARN of a topic in the configuration. No URL of a message is ever asked: that of a confirmation is
 * built here. Nothing may be concluded from an envelope before its signature is verified. */
#include "base/cleanup.h"
#include "handlers/sns_certificates.h"
#include "handlers/sns_envelope.h"
#include "handlers/sns_message.h"
#include "handlers/source.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* SNS gives a delivery up after an hour at the latest, whatever its retries are set to. */
#define MAX_AGE_MS ((int64_t)60 * 60 * 1000)
#define MAX_AHEAD_MS ((int64_t)5 * 60 * 1000)
#define MAX_SIGNATURE 1024 /* bytes: RSA of 8192 bits */
#define MAX_TOKEN 1024
#define MAX_BASE 512

struct sns {
    struct sns_topic *topics;
    size_t n_topics;
    char *base; /* of the source's `url`; NULL: https:// and the topic's host */
    const json_t *mapping;
    struct sns_certificates *certificates;
    bool is_raw;
    bool is_version_2; /* and nothing else */
};

/* One delivery. */
struct delivery {
    const struct handler_request *request;
    const struct sns *sns;
    struct handler_result *result;
    struct errmsg *why;
    const struct sns_topic *topic;
    struct sns_envelope envelope;
    struct arena arena;
};

static const struct json_text *field(const struct delivery *d, enum sns_field which)
{
    return &d->envelope.fields[which];
}

/* ---- what the envelope may say ----------------------------------------------------------------------------------- */

static enum err find_topic(struct delivery *d)
{
    const struct json_text *arn = field(d, SNS_TOPIC_ARN);
    for (size_t i = 0; i < d->sns->n_topics; i++) {
        if (json_text_is(arn, d->sns->topics[i].arn)) {
            d->topic = &d->sns->topics[i];
            return ERR_OK;
        }
    }
    char text[sizeof d->topic->arn] = "";
    struct sns_topic other;
    if (arn->len < sizeof text)
        memcpy(text, arn->text, arn->len);
    /* Only what has the form of one is repeated. */
    bool is_arn = text[0] && sns_topic_parse(text, &other, NULL) == ERR_OK;
    return err_set(d->why, ERR_DENIED, "a %s of a topic that is not one of `topics`%s%.64s",
                   sns_type_text(d->envelope.type), is_arn ? ": " : "", is_arn ? text : "");
}

static enum err check_version(const struct delivery *d, enum certificate_hash *ret)
{
    const struct json_text *version = field(d, SNS_SIGNATURE_VERSION);
    bool is_1 = json_text_is(version, "1");
    if (!is_1 && !json_text_is(version, "2"))
        return err_set(d->why, ERR_DENIED, "SignatureVersion is neither 1 nor 2");
    if (is_1 && d->sns->is_version_2)
        return err_set(d->why, ERR_DENIED, "SignatureVersion is 1, and the source takes 2 only");
    *ret = is_1 ? CERTIFICATE_SHA1 : CERTIFICATE_SHA256;
    return ERR_OK;
}

static enum err check_age(const struct delivery *d)
{
    int64_t age = d->request->now - d->envelope.sent_at;
    if (age > MAX_AGE_MS)
        return err_set(d->why, ERR_DENIED, "a replay: its Timestamp is more than an hour ago");
    if (age < -MAX_AHEAD_MS)
        return err_set(d->why, ERR_DENIED, "its Timestamp is more than 5 minutes ahead of this clock");
    return ERR_OK;
}

static enum err check_token(const struct delivery *d)
{
    const struct json_text *token = field(d, SNS_TOKEN);
    bool is_right = d->envelope.type == SNS_NOTIFICATION || (token->len > 0 && token->len <= MAX_TOKEN);
    for (size_t i = 0; is_right && i < token->len; i++)
        is_right = strchr("0123456789abcdef", token->text[i]) != NULL;
    return is_right ? ERR_OK : err_set(d->why, ERR_INVALID, "Token is not made of up to %d hex digits", MAX_TOKEN);
}

/* ---- the signature ----------------------------------------------------------------------------------------------- */

static enum err verify(const struct delivery *d, const struct certificate *certificate, enum certificate_hash hash,
                       const struct bytes_view *signature)
{
    CLEANUP(strbuf_done) struct strbuf text = STRBUF_INIT;
    sns_envelope_signed_text(&d->envelope, &text);
    if (text.is_broken)
        return err_set(d->why, ERR_NO_MEMORY, "out of memory");
    const struct bytes_view data = {strbuf_text(&text), text.len};
    if (certificate_verify(certificate, hash, &data, signature) != ERR_OK)
        return err_set(d->why, ERR_DENIED, "the signature is not SNS's over this message");
    return ERR_OK;
}

/* Also ERR_OK with a need. */
static enum err check_signature(const struct delivery *d, enum certificate_hash hash)
{
    const struct json_text *text = field(d, SNS_SIGNATURE);
    char bytes[MAX_SIGNATURE];
    struct bytes_view signature = {.data = bytes};
    struct sns_key key;
    if (base64_decode(text->text, text->len, bytes, sizeof bytes, &signature.len) != ERR_OK)
        return err_set(d->why, ERR_INVALID, "Signature is not base64 of at most %d bytes", MAX_SIGNATURE);
    if (!sns_key_parse(field(d, SNS_SIGNING_CERT_URL), d->topic, &key))
        return err_set(d->why, ERR_DENIED, "SigningCertURL is not https://%s/SimpleNotificationService-HEX.pem",
                       d->topic->host);
    struct certificate *certificate;
    enum err err =
        sns_certificates_get(d->sns->certificates, &key, d->request->now, &certificate, &d->result->need, d->why);
    if (err != ERR_OK || !certificate)
        return err;
    err = verify(d, certificate, hash, &signature);
    certificate_free(certificate);
    return err;
}

/* Cheap ones first: nothing is fetched for what is refused anyway. */
static enum err authenticate(const struct delivery *d)
{
    enum certificate_hash hash;
    enum err err = check_version(d, &hash);
    if (err == ERR_OK)
        err = check_age(d);
    if (err == ERR_OK)
        err = check_token(d);
    return err == ERR_OK ? check_signature(d, hash) : err;
}

/* ---- what comes of it -------------------------------------------------------------------------------------------- */

static enum err read_message(const struct delivery *d, const struct json_text *text, int64_t sent_at)
{
    const struct sns_message message = {
        .topic = d->topic, .text = *text, .sent_at = sent_at, .mapping = d->sns->mapping};
    return sns_message_read(&message, d->result, d->why);
}

/* Colons are the only characters of an ARN that a query does not take as they are. */
static void add_arn(struct strbuf *url, const char *arn)
{
    for (const char *c = arn; *c; c++) {
        if (*c == ':')
            strbuf_adds(url, "%3A");
        else
            strbuf_addc(url, *c);
    }
}

static enum err ask_for_confirmation(const struct delivery *d)
{
    struct handler_need *need = &d->result->need;
    CLEANUP(strbuf_done) struct strbuf url = {.max_len = sizeof need->url - 1};
    strbuf_addf(&url, "%s%s/?Action=ConfirmSubscription&TopicArn=", d->sns->base ? d->sns->base : "https://",
                d->sns->base ? "" : d->topic->host);
    add_arn(&url, d->topic->arn);
    strbuf_adds(&url, "&Token=");
    strbuf_add(&url, field(d, SNS_TOKEN)->text, field(d, SNS_TOKEN)->len);
    if (url.is_broken)
        return err_set(d->why, ERR_NO_MEMORY, "out of memory");
    need->kind = HANDLER_NEEDS_CONFIRMATION;
    memcpy(need->url, strbuf_text(&url), url.len + 1);
    snprintf(need->what, sizeof need->what, "the confirmation of %.200s", d->topic->arn);
    secret_wipe(url.data, url.len);
    return ERR_OK;
}

static enum err take_confirmation(const struct delivery *d)
{
    struct handler_result *result = d->result;
    bool is_subscription = d->envelope.type == SNS_SUBSCRIPTION;
    result->notice_kind = is_subscription ? "subscription" : "unsubscribed";
    result->is_loud = !is_subscription;
    if (is_subscription)
        snprintf(result->notice, sizeof result->notice, "subscribed to %.200s", d->topic->arn);
    else
        snprintf(result->notice, sizeof result->notice,
                 "unsubscribed from %.120s: nothing comes from it any more; subscribe again if that was not meant",
                 d->topic->arn);
    return is_subscription && !d->request->is_stored ? ask_for_confirmation(d) : ERR_OK;
}

static enum err take_envelope(struct delivery *d)
{
    const struct handler_request *request = d->request;
    enum err err = sns_envelope_read(request->body, request->len, request->is_stored, &d->arena, &d->envelope, d->why);
    if (err == ERR_OK)
        err = find_topic(d);
    if (err == ERR_OK && !request->is_stored)
        err = authenticate(d);
    if (err != ERR_OK || d->result->need.kind != HANDLER_NEEDS_NOTHING)
        return err;
    sns_envelope_stored_text(&d->envelope, &d->result->stored);
    if (d->result->stored.is_broken)
        return err_set(d->why, ERR_NO_MEMORY, "out of memory");
    if (d->envelope.type != SNS_NOTIFICATION)
        return take_confirmation(d);
    return read_message(d, field(d, SNS_MESSAGE), d->envelope.sent_at);
}

static enum err sns_parse(const struct handler_request *request, struct handler_result *result, struct errmsg *why)
{
    struct delivery d = {.request = request, .sns = request->source->state, .result = result, .why = why};
    enum err err;
    arena_init(&d.arena);
    if (d.sns->is_raw && !sns_envelope_is(request->body, request->len, &d.arena)) {
        /* A raw delivery does not say its topic: such a source has one. */
        d.topic = &d.sns->topics[0];
        err = read_message(&d, &(struct json_text){request->body, request->len}, TIME_UNKNOWN);
    } else {
        err = take_envelope(&d);
    }
    arena_done(&d.arena);
    return err;
}

/* ---- needs ------------------------------------------------------------------------------------------------------- */

static bool sns_is_needed(const struct source *source, const struct handler_need *need)
{
    const struct sns *sns = source->state;
    return need->kind != HANDLER_NEEDS_CERTIFICATE || sns_certificates_is_needed(sns->certificates, need);
}

static void sns_learn(const struct source *source, const struct handler_need *need, const char *bytes, size_t len,
                      int64_t now, enum err err, const struct errmsg *why)
{
    const struct sns *sns = source->state;
    sns_certificates_learn(sns->certificates, need, &(struct bytes_view){bytes, len}, now, err, why);
}

/* ---- the source -------------------------------------------------------------------------------------------------- */

static enum err read_topics(struct sns *sns, const json_t *arns, struct errmsg *why)
{
    size_t n = json_array_size(arns);
    sns->topics = calloc(n, sizeof *sns->topics);
    if (!sns->topics)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    sns->n_topics = n;
    for (size_t i = 0; i < n; i++) {
        const char *arn = json_string_value(json_array_get(arns, i));
        if (sns_topic_parse(arn, &sns->topics[i], why) != ERR_OK)
            return err_prefix(why, ERR_INVALID, "topic \"%.100s\"", arn);
    }
    return ERR_OK;
}

static enum err check_raw(const struct source *source, const struct sns *sns, struct errmsg *why)
{
    if (!sns->is_raw)
        return ERR_OK;
    if (source->path_token.n == 0 && source->n_basic == 0)
        return err_set(why, ERR_INVALID,
                       "a raw delivery bears no signature: `raw: true` needs \"basic\" or \"path_token\"");
    if (sns->n_topics > 1)
        return err_set(why, ERR_INVALID,
                       "a raw delivery does not say its topic: with `raw: true` a source has one of the `topics`");
    return ERR_OK;
}

/* Who is on the way must not be able to say which certificate is SNS's: nothing but HTTPS tells it. */
static bool is_safe(const char *url)
{
    static const char plain[] = "http://";
    char host[64];
    struct network loopback;
    struct address address;
    if (strncasecmp(url, plain, sizeof plain - 1) != 0)
        return true;
    const char *at = url + sizeof plain - 1;
    size_t len = strcspn(at, at[0] == '[' ? "]" : ":/?");
    if (at[0] == '[')
        at++, len--;
    if (len >= sizeof host)
        return false;
    memcpy(host, at, len);
    host[len] = '\0';
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
           (address_parse(host, &address) && network_parse("127.0.0.0/8", &loopback) &&
            network_holds(&loopback, &address));
}

/* Without the slash at its end, where there is one. */
static enum err read_base(struct sns *sns, const char *url, struct errmsg *why)
{
    size_t len = url ? strlen(url) : 0;
    if (len > MAX_BASE)
        return err_set(why, ERR_INVALID, "`url` is longer than %d bytes", MAX_BASE);
    if (!url)
        return ERR_OK;
    if (strchr(url, '?'))
        return err_set(why, ERR_INVALID, "`url` must end before the query");
    if (!is_safe(url))
        return err_set(why, ERR_INVALID, "`url` must be https://, or be on this host");
    sns->base = strndup(url, url[len - 1] == '/' ? len - 1 : len);
    return sns->base ? ERR_OK : err_set(why, ERR_NO_MEMORY, "out of memory");
}

static enum err read_args(const struct source *source, struct sns *sns, struct errmsg *why)
{
    const json_t *args = source->args;
    sns->is_raw = json_is_true(json_object_get(args, "raw"));
    sns->is_version_2 = strcmp(json_string_value(json_object_get(args, "require_signature_version")), "2") == 0;
    sns->mapping = json_object_get(args, "message");
    enum err err = read_base(sns, json_string_value(json_object_get(args, "url")), why);
    if (err != ERR_OK)
        return err;
    sns->certificates = sns_certificates_new(json_string_value(json_object_get(args, "certificates")), sns->base);
    if (!sns->certificates)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    err = read_topics(sns, json_object_get(args, "topics"), why);
    if (err == ERR_OK)
        err = check_raw(source, sns, why);
    return err == ERR_OK ? sns_mapping_check(sns->mapping, why) : err;
}

static void sns_close(struct source *source)
{
    struct sns *sns = source->state;
    sns_certificates_free(sns->certificates);
    free(sns->topics);
    free(sns->base);
    free(sns);
    source->state = NULL;
}

static enum err sns_open(struct source *source, struct errmsg *why)
{
    struct sns *sns = calloc(1, sizeof *sns);
    if (!sns)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    source->state = sns;
    enum err err = read_args(source, sns, why);
    if (err != ERR_OK)
        sns_close(source);
    return err;
}

/* Asked before open(). */
static bool sns_is_signed(const struct source *source)
{
    return !json_is_true(json_object_get(source->args, "raw"));
}

static const struct row rows[] = {
    {.name = "topics",
     .type = ROW_STRINGS,
     .is_required = true,
     .help = "ARNs of the topics that are listened to; subscriptions to these are confirmed, all others refused"},
    {.name = "certificates",
     .type = ROW_PATH,
     .default_text = "sns-certificates",
     .help = "folder where SNS's signing certificates are kept; one placed there by hand is used as it is"},
    {.name = "require_signature_version",
     .type = ROW_CHOICE,
     .choices = "1|2",
     .default_text = "1",
     .help = "2 refuses what is signed with SHA-1 (a topic's attribute SignatureVersion says what it signs with)"},
    {.name = "raw",
     .type = ROW_BOOL,
     .default_text = "false",
     .help = "also takes raw deliveries of its one topic, which are not signed: needs \"basic\" or \"path_token\""},
    {.name = "message",
     .type = ROW_MAP,
     .rows = sns_mapping_rows,
     .help = "where to look in messages that are no CloudWatch alarm"},
    {.name = "url",
     .type = ROW_URL,
     .help = "asked in place of https://sns.REGION.amazonaws.com: a proxy, or the sandbox; https://, or on this host"},
    {.name = NULL},
};

extern const struct handler handler_sns;
const struct handler handler_sns = {
    .kind = "sns",
    .help = "AWS SNS over HTTP: CloudWatch alarms, Route 53 health checks, EventBridge's alarm events, other messages",
    .rows = rows,
    .labels_help = "topic, account, region; of an alarm alarm_name, alarm_arn, namespace, metric_name, dimension.NAME, "
                   "contributor; identity of another message",
    .identifying = "alarm_name",
    .methods = "POST",
    .media = HANDLER_ANY_MEDIA,
    .max_body = (size_t)2 * 1024 * 1024,
    .is_challenged = true,
    .open = sns_open,
    .close = sns_close,
    .is_signed = sns_is_signed,
    .parse = sns_parse,
    .is_needed = sns_is_needed,
    .learn = sns_learn,
};
