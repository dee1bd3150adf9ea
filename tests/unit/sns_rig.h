/* A source of kind sns and what SNS does at the other end, for its unit tests. The signed text is computed here once
 * more, in another way than the handler's. */
#ifndef TURNOUT_TESTS_UNIT_SNS_RIG_H
#define TURNOUT_TESTS_UNIT_SNS_RIG_H

#include "signer.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "handlers/source.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOPIC "arn:aws:sns:eu-west-1:123456789012:failover"
#define OTHER_TOPIC "arn:aws:sns:eu-west-1:666666666666:failover"
#define HOST "sns.eu-west-1.amazonaws.com"
#define NAME "SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
#define NAME_2 "SimpleNotificationService-ffffffffffffffffffffffffffffffff.pem"
#define UUID "11111111-2222-5333-8444-555555555555"
#define TIME "2026-11-21T02:00:05.123Z"
#define MESSAGE "{\"AlarmName\":\"a\",\"NewStateValue\":\"ALARM\",\"AlarmArn\":\"arn:aws:cloudwatch:x\"}"
#define TOKEN "2336412f37fb687f5d51e6e2425ba1f2"
#define FROM 1790000000 /* 2026-09-21T14:13:20Z */
#define UNTIL 1800000000

static char folder[] = "/tmp/turnout-sns-XXXXXX";

/* ---- the source -------------------------------------------------------------------------------------------------- */

struct rig {
    struct source source;
    char folder[64];
};

static char source_name[] = "aws";

/* `args` as the configuration would leave them, but for `certificates` and the version. */
static inline enum err rig_open(struct rig *rig, json_t *args, const char *certificates, struct errmsg *why)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, certificates);
    *rig = (struct rig){.source = {.name = source_name, .handler = handler_find("sns"), .args = args}};
    json_object_set_new(args, "certificates", json_string(path));
    if (!json_object_get(args, "require_signature_version"))
        json_object_set_new(args, "require_signature_version", json_string("1"));
    return rig->source.handler->open(&rig->source, why);
}

static inline void rig_start(struct rig *rig, json_t *args, const char *certificates)
{
    struct errmsg why = {""};
    if (rig_open(rig, args, certificates, &why) != ERR_OK)
        fail_msg("%s", why.text);
}

static inline void rig_done(struct rig *rig)
{
    if (rig->source.state)
        rig->source.handler->close(&rig->source);
    assert_null(rig->source.state);
    json_decref(rig->source.args);
}

static inline void write_text(const char *where, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, where);
    (void)mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%s/%s", folder, where, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static inline char *good_pem(void)
{
    return signer_certificate(&(struct signer_wish){
        .common_name = "sns.amazonaws.com", .names = {"sns.amazonaws.com"}, .from = FROM, .until = UNTIL});
}

/* The usual source: one topic, its certificate placed by hand. */
static inline void rig_usual(struct rig *rig)
{
    char *pem = good_pem();
    write_text("usual", NAME, pem);
    free(pem);
    rig_start(rig, json_pack("{s:[s]}", "topics", TOPIC), "usual");
}

/* ---- SNS --------------------------------------------------------------------------------------------------------- */

static inline json_t *notification(const char *message)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "Type", "Notification", "MessageId", UUID, "TopicArn",
                     TOPIC, "Message", message, "Timestamp", TIME, "SignatureVersion", "2", "SigningCertURL",
                     "https://" HOST "/" NAME, "UnsubscribeURL",
                     "https://" HOST "/?Action=Unsubscribe&SubscriptionArn=" TOPIC ":secret-subscription");
}

static inline json_t *confirmation(const char *type)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "Type", type, "MessageId", UUID, "Token", TOKEN,
                     "TopicArn", TOPIC, "Message", "You have chosen something.\nVisit the URL.", "SubscribeURL",
                     "https://" HOST "/?Action=ConfirmSubscription&TopicArn=" TOPIC "&Token=" TOKEN, "Timestamp", TIME,
                     "SignatureVersion", "2", "SigningCertURL", "https://" HOST "/" NAME);
}

static inline int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every "KEY LF value LF" of the fields that are signed, sorted by key. */
static inline char *signed_text(const json_t *envelope)
{
    static const char *const unsigned_keys[] = {"SignatureVersion", "Signature",         "SigningCertURL",
                                                "UnsubscribeURL",   "MessageAttributes", "SigningCertUrl"};
    const char *keys[32];
    size_t n = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)envelope, key, value)
    {
        bool is_signed = json_is_string(value);
        for (size_t i = 0; i < COUNT_OF(unsigned_keys); i++)
            is_signed &= strcmp(key, unsigned_keys[i]) != 0;
        if (is_signed)
            keys[n++] = key;
    }
    qsort(keys, n, sizeof keys[0], by_text);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%s\n%s\n", keys[i], json_string_value(json_object_get(envelope, keys[i])));
    assert_int_equal(fclose(out), 0);
    return text;
}

static inline void sign_text(json_t *envelope, const char *text, bool is_sha1)
{
    char *signature = signer_sign(is_sha1 ? GNUTLS_SIGN_RSA_SHA1 : GNUTLS_SIGN_RSA_SHA256, text, strlen(text));
    json_object_set_new(envelope, "Signature", json_string(signature));
    free(signature);
}

static inline void sign_with(json_t *envelope, bool is_sha1)
{
    char *text = signed_text(envelope);
    sign_text(envelope, text, is_sha1);
    free(text);
}

static inline json_t *sign(json_t *envelope)
{
    const char *version = json_string_value(json_object_get(envelope, "SignatureVersion"));
    sign_with(envelope, version && strcmp(version, "1") == 0);
    return envelope;
}

/* ---- parsing ----------------------------------------------------------------------------------------------------- */

struct seen {
    int n;
    enum alert_state state;
    int64_t asserted_at;
    char identity[256];
    size_t identity_len;
    struct handler_need need;
    char stored[8192], notice[256], nothing[256];
    const char *notice_kind;
    bool is_loud;
    enum err err;
    struct errmsg why;
};

static inline int64_t ms(const char *text)
{
    int64_t at;
    assert_int_equal(time_parse(text, strlen(text), &at), ERR_OK);
    return at;
}

static inline enum err take(void *context, const struct handler_alert *alert, struct errmsg *why)
{
    (void)why;
    struct seen *seen = context;
    seen->n++;
    seen->state = alert->state;
    seen->asserted_at = alert->asserted_at;
    seen->identity_len = alert->identity_len;
    assert_true(alert->identity_len < sizeof seen->identity);
    memcpy(seen->identity, alert->identity, alert->identity_len);
    seen->identity[alert->identity_len] = '\0';
    return ERR_OK;
}

/* Nobody signs headers: they say here what the body does not. */
static inline const char *lying_header(const struct handler_request *request, const char *name)
{
    (void)request;
    return strcmp(name, "x-amz-sns-message-type") == 0  ? "Notification"
           : strcmp(name, "x-amz-sns-rawdelivery") == 0 ? "true"
           : strcmp(name, "x-amz-sns-topic-arn") == 0   ? TOPIC
                                                        : "text/csv";
}

static inline enum err parse_at(const struct rig *rig, const char *body, size_t len, int64_t now, bool is_stored,
                                struct seen *seen)
{
    memset(seen, 0, sizeof *seen);
    const struct handler_request request = {
        .source = &rig->source, .body = body, .len = len, .header = lying_header, .now = now, .is_stored = is_stored};
    struct handler_result result = {.take = take, .context = seen};
    seen->err = rig->source.handler->parse(&request, &result, &seen->why);
    seen->need = result.need;
    seen->notice_kind = result.notice_kind;
    seen->is_loud = result.is_loud;
    memcpy(seen->notice, result.notice, sizeof seen->notice);
    memcpy(seen->nothing, result.nothing, sizeof seen->nothing);
    snprintf(seen->stored, sizeof seen->stored, "%s", strbuf_text(&result.stored));
    strbuf_done(&result.stored);
    assert_true((seen->err == ERR_OK) == (seen->why.text[0] == '\0'));
    if (seen->err != ERR_OK)
        assert_int_equal(seen->n, 0);
    return seen->err;
}

#define NOW ms("2026-11-21T02:00:06Z")

static inline enum err parse_text(const struct rig *rig, const char *body, struct seen *seen)
{
    return parse_at(rig, body, strlen(body), NOW, false, seen);
}

/* Takes the envelope. */
static inline enum err parse(const struct rig *rig, json_t *envelope, struct seen *seen)
{
    char *body = json_dumps(envelope, JSON_COMPACT);
    assert_non_null(body);
    enum err err = parse_text(rig, body, seen);
    free(body);
    json_decref(envelope);
    return err;
}

static inline void expect_ok(const struct rig *rig, json_t *envelope, struct seen *seen)
{
    if (parse(rig, envelope, seen) != ERR_OK)
        fail_msg("%s", seen->why.text);
}

static inline void expect_refused(const struct seen *seen, enum err err, const char *why)
{
    if (seen->err != err || !strstr(seen->why.text, why))
        fail_msg("expected %s (%s), got %s (%s)", err_name(err), why, err_name(seen->err), seen->why.text);
    assert_true(strlen(seen->why.text) < 128);
    assert_int_equal(seen->need.kind, HANDLER_NEEDS_NOTHING);
}

static inline int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    signer_done();
    return system(command);
}

#endif
