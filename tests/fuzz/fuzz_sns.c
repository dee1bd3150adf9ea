/* Fuzzes the SNS handler: its envelope before and after the signature is verified, and the messages inside.
 *
 * The first byte of an input says which: "e", an envelope as it comes from anybody; "s", one as it is kept; "m", a
 * message. In an envelope "$0" to "$6" become the signatures of the texts below, which are signed once at the start:
 * what is taken must say exactly what one of them says, field by field, or the same signed bytes were cut in another
 * way. */
#include "source.h"

#include "base/strbuf.h"
#include "handlers/document.h"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <unistd.h>

#define NOW INT64_C(1795226405000) /* 2026-11-21T02:00:05Z */
#define TOPIC "arn:aws:sns:eu-west-1:123456789012:failover"
#define OTHER "arn:aws:sns:eu-west-1:666666666666:failover"
#define ID "11111111-2222-5333-8444-555555555555"
#define AT "2026-11-21T02:00:04.123Z"
#define HOST "https://sns.eu-west-1.amazonaws.com/"
#define NAME "SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
#define MAX_SIGNATURE 512

/* In the order in which they are signed. */
enum { MESSAGE, MESSAGE_ID, SUBJECT, SUBSCRIBE_URL, TIMESTAMP, TOKEN, TOPIC_ARN, TYPE, N_FIELDS };
static const char *const names[N_FIELDS] = {"Message",   "MessageId", "Subject",  "SubscribeURL",
                                            "Timestamp", "Token",     "TopicArn", "Type"};

static const struct genuine {
    const char *fields[N_FIELDS];
} genuines[] = {
    {{[MESSAGE] = "{\"AlarmName\":\"a\",\"NewStateValue\":\"ALARM\"}",
      [MESSAGE_ID] = ID,
      [TIMESTAMP] = AT,
      [TOPIC_ARN] = TOPIC,
      [TYPE] = "Notification"}},
    {{[MESSAGE] = "a\nb",
      [MESSAGE_ID] = ID,
      [SUBJECT] = "s",
      [TIMESTAMP] = AT,
      [TOPIC_ARN] = TOPIC,
      [TYPE] = "Notification"}},
    {{[MESSAGE] = "You have chosen.",
      [MESSAGE_ID] = ID,
      [SUBSCRIBE_URL] = HOST "?Action=ConfirmSubscription",
      [TIMESTAMP] = AT,
      [TOKEN] = "0a1b",
      [TOPIC_ARN] = TOPIC,
      [TYPE] = "SubscriptionConfirmation"}},
    {{[MESSAGE] = "You have chosen.",
      [MESSAGE_ID] = ID,
      [SUBSCRIBE_URL] = HOST "?Action=ConfirmSubscription",
      [TIMESTAMP] = AT,
      [TOKEN] = "0a1b",
      [TOPIC_ARN] = TOPIC,
      [TYPE] = "UnsubscribeConfirmation"}},
    /* Written by attackers, to be cut elsewhere. */
    {{[MESSAGE] = "E\nMessageId\n" ID "\nTimestamp\n" AT "\nTopicArn\n" TOPIC "\nType\nNotification",
      [MESSAGE_ID] = ID,
      [TIMESTAMP] = AT,
      [TOPIC_ARN] = OTHER,
      [TYPE] = "Notification"}},
    {{[MESSAGE] = "E\nMessageId\n" ID "\nSubject\nx",
      [MESSAGE_ID] = ID,
      [TIMESTAMP] = AT,
      [TOPIC_ARN] = TOPIC,
      [TYPE] = "Notification"}},
    {{[MESSAGE] = "E\nMessageId\n" ID "\nSubscribeURL\nx",
      [MESSAGE_ID] = ID,
      [TIMESTAMP] = AT,
      [TOPIC_ARN] = TOPIC,
      [TYPE] = "Notification"}},
};
#define N_GENUINE (sizeof genuines / sizeof genuines[0])

static char signatures[N_GENUINE][MAX_SIGNATURE];
static char folder[] = "/tmp/fuzz-sns-XXXXXX";

/* ---- before the first input -------------------------------------------------------------------------------------- */

static void remove_folder(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/" NAME, folder);
    unlink(path);
    rmdir(folder);
}

static void place_certificate(gnutls_x509_privkey_t key)
{
    gnutls_x509_crt_t crt;
    gnutls_datum_t pem;
    char path[128];
    expect(mkdtemp(folder) && atexit(remove_folder) == 0, "no folder");
    expect(gnutls_x509_crt_init(&crt) == 0 && gnutls_x509_crt_set_version(crt, 3) == 0 &&
               gnutls_x509_crt_set_key(crt, key) == 0 && gnutls_x509_crt_set_serial(crt, "\1", 1) == 0 &&
               gnutls_x509_crt_set_activation_time(crt, 1) == 0 && gnutls_x509_crt_set_expiration_time(crt, 2) == 0 &&
               gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0) == 0 &&
               gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem) == 0,
           "no certificate");
    snprintf(path, sizeof path, "%s/" NAME, folder);
    FILE *file = fopen(path, "w");
    expect(file && fwrite(pem.data, 1, pem.size, file) == pem.size && fclose(file) == 0, "no certificate's file");
    gnutls_free(pem.data);
    gnutls_x509_crt_deinit(crt);
}

static void sign(gnutls_privkey_t key, const struct genuine *genuine, char signature[MAX_SIGNATURE])
{
    struct strbuf text = STRBUF_INIT;
    gnutls_datum_t bytes, base64;
    for (int i = 0; i < N_FIELDS; i++)
        if (genuine->fields[i])
            strbuf_addf(&text, "%s\n%s\n", names[i], genuine->fields[i]);
    const gnutls_datum_t what = {(unsigned char *)text.data, (unsigned)text.len};
    expect(gnutls_privkey_sign_data2(key, GNUTLS_SIGN_RSA_SHA256, 0, &what, &bytes) == 0 &&
               gnutls_base64_encode2(&bytes, &base64) == 0 && base64.size < MAX_SIGNATURE,
           "no signature");
    memcpy(signature, base64.data, base64.size);
    gnutls_free(bytes.data);
    gnutls_free(base64.data);
    strbuf_done(&text);
}

static void prepare(void)
{
    gnutls_x509_privkey_t key;
    gnutls_privkey_t signer;
    expect(gnutls_x509_privkey_init(&key) == 0 && gnutls_x509_privkey_generate(key, GNUTLS_PK_RSA, 2048, 0) == 0 &&
               gnutls_privkey_init(&signer) == 0 && gnutls_privkey_import_x509(signer, key, 0) == 0,
           "no key");
    place_certificate(key);
    for (size_t i = 0; i < N_GENUINE; i++)
        sign(signer, &genuines[i], signatures[i]);
    gnutls_privkey_deinit(signer);
    gnutls_x509_privkey_deinit(key);
}

/* ---- parsing ----------------------------------------------------------------------------------------------------- */

struct found {
    struct said said;
    struct handler_need need;
    struct strbuf stored;
};

static void found_done(struct found *outcome)
{
    strbuf_done(&outcome->stored);
}

static struct found parse_sns(const struct source *source, const char *text, size_t len, bool is_stored)
{
    const struct handler_request request = {
        .source = source, .body = text, .len = len, .now = NOW, .is_stored = is_stored};
    struct errmsg why = {""};
    struct found outcome = {.said = {.n = 0}};
    struct handler_result result = {.take = take, .context = &outcome.said};
    enum err err = source->handler->parse(&request, &result, &why);
    outcome.said.err = err;
    outcome.need = result.need;
    outcome.stored = result.stored;
    expect(err == ERR_OK || err == ERR_INVALID || err == ERR_TOO_BIG ||
               (!is_stored && (err == ERR_DENIED || err == ERR_TEMPORARY)) || (is_stored && err == ERR_DENIED),
           "an error of this kind");
    expect((err == ERR_OK) == (why.text[0] == '\0'), "a message without an error, or the other way round");
    expect(err == ERR_OK || (outcome.said.n == 0 && result.need.kind == HANDLER_NEEDS_NOTHING),
           "alerts of what failed");
    expect(outcome.said.n <= 1, "more than one alert");
    expect(result.need.kind == HANDLER_NEEDS_NOTHING || (outcome.said.n == 0 && !is_stored), "alerts and a need");
    bool says =
        outcome.said.n > 0 || result.nothing[0] || result.notice_kind || result.need.kind != HANDLER_NEEDS_NOTHING;
    expect(err != ERR_OK || says, "nothing is said of it");
    return outcome;
}

/* What is kept says the same, and is kept as it is. */
static void expect_kept(const struct source *source, const struct found *outcome)
{
    struct found again = parse_sns(source, strbuf_text(&outcome->stored), outcome->stored.len, true);
    expect_same(&outcome->said, &again.said, "what is kept says something else");
    expect(strcmp(strbuf_text(&outcome->stored), strbuf_text(&again.stored)) == 0, "what is kept changes");
    found_done(&again);
}

/* ---- envelopes --------------------------------------------------------------------------------------------------- */

static bool says_as(const json_t *body, const struct genuine *genuine)
{
    for (int i = 0; i < N_FIELDS; i++) {
        const char *text = json_string_value(json_object_get(body, names[i]));
        if (!text != !genuine->fields[i] || (text && strcmp(text, genuine->fields[i]) != 0))
            return false;
    }
    return true;
}

static void expect_genuine(const char *text, size_t len)
{
    json_t *body = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    bool is_genuine = false;
    for (size_t i = 0; i < N_GENUINE; i++)
        is_genuine |= says_as(body, &genuines[i]) && strcmp(genuines[i].fields[TOPIC_ARN], TOPIC) == 0;
    expect(is_genuine, "an envelope was taken that nobody signed");
    json_decref(body);
}

static void expect_need(const struct handler_need *need)
{
    static const char fetch[] = HOST "SimpleNotificationService-",
                      confirm[] = HOST "?Action=ConfirmSubscription&TopicArn="
                                       "arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Afailover&Token=0a1b";
    if (need->kind == HANDLER_NEEDS_CONFIRMATION)
        expect(strcmp(need->url, confirm) == 0, "another URL is asked to confirm");
    if (need->kind != HANDLER_NEEDS_CERTIFICATE)
        return;
    const char *at = need->url + sizeof fetch - 1;
    expect(strncmp(need->url, fetch, sizeof fetch - 1) == 0 && strcmp(at + strspn(at, "0123456789abcdef"), ".pem") == 0,
           "another URL is asked for a certificate");
}

/* Before anything is verified. */
static void try_envelope(const struct source *source, const char *text, size_t len)
{
    struct strbuf filled = STRBUF_INIT;
    for (const char *end = text + len; text < end; text++) {
        bool is_place = *text == '$' && text + 1 < end && text[1] >= '0' && text[1] < '0' + (int)N_GENUINE;
        if (is_place)
            strbuf_adds(&filled, signatures[*++text - '0']);
        else
            strbuf_addc(&filled, *text);
    }
    struct found outcome = parse_sns(source, strbuf_text(&filled), filled.len, false);
    expect_need(&outcome.need);
    if (outcome.said.err == ERR_OK && outcome.need.kind != HANDLER_NEEDS_CERTIFICATE) {
        expect_genuine(strbuf_text(&filled), filled.len);
        expect(outcome.stored.len > 0, "nothing is kept");
        expect(!strstr(outcome.stored.data, "SubscribeURL\""), "a URL is kept");
        expect_kept(source, &outcome);
    }
    found_done(&outcome);
    strbuf_done(&filled);
}

static void try_stored(const struct source *source, const char *text, size_t len)
{
    struct found outcome = parse_sns(source, text, len, true);
    if (outcome.said.err == ERR_OK)
        expect_kept(source, &outcome);
    found_done(&outcome);
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

/* In an envelope, and raw: the same but for the time when it was sent. */
static void try_message(const struct source *source, const struct source *raw, const char *text, size_t len)
{
    struct found alone = parse_sns(raw, text, len, false);
    json_t *string = memchr(text, '\0', len) ? NULL : json_stringn(text, len);
    if (string) {
        struct strbuf body = STRBUF_INIT;
        strbuf_addf(&body, "{\"Type\":\"Notification\",\"MessageId\":\"" ID "\",\"TopicArn\":\"" TOPIC
                           "\",\"Timestamp\":\"" AT "\",\"Message\":");
        strbuf_add_json(&body, text, len);
        strbuf_addc(&body, '}');
        struct found inside = parse_sns(source, strbuf_text(&body), body.len, true);
        expect(inside.said.err == ERR_OK, "a message was refused");
        expect_kept(source, &inside);
        /* What has the fields of an envelope is one when it is alone. */
        if (alone.said.err == ERR_OK && alone.stored.len == 0 && alone.need.kind == HANDLER_NEEDS_NOTHING)
            expect(alone.said.n == inside.said.n, "a message says something else when it is delivered raw");
        found_done(&inside);
        strbuf_done(&body);
    } else {
        expect(alone.said.err != ERR_OK, "a message that is no text was taken");
    }
    json_decref(string);
    found_done(&alone);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct source *source, *raw;
    if (!source) {
        char yaml[512];
        static const char mapping[] =
            "message: {identity: /id, state: /state, time: /time, down: [down, '1'], up: [up]}";
        prepare();
        snprintf(yaml, sizeof yaml, "kind: sns, topics: '" TOPIC "', certificates: '%s', %s", folder, mapping);
        source = source_load(yaml);
        snprintf(yaml, sizeof yaml,
                 "kind: sns, topics: '" TOPIC "', certificates: '%s', raw: true, path_token: '0123456789abcdef', %s",
                 folder, mapping);
        raw = source_load(yaml);
    }
    if (size == 0)
        return 0;
    const char *text = (const char *)data + 1;
    if (data[0] == 'e')
        try_envelope(source, text, size - 1);
    else if (data[0] == 's')
        try_stored(source, text, size - 1);
    else if (data[0] == 'm')
        try_message(source, raw, text, size - 1);
    return 0;
}
