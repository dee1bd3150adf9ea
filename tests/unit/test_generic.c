/* Sources of the kinds generic and grafana as the configuration gives them: what is refused, and what their votes are
 * worth. What they make of bodies is shown by the recorded deliveries; here are the bounds. */
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "config/reading.h"
#include "handlers/source.h"
#include "test.h"

#define REST                                                                                                           \
    "\nservices: {s: {sites: {a: {ip: 192.0.2.1}, b: {ip: 192.0.2.2}}, trigger: {mode: manual},\n"                     \
    "  playbook: [{action: http.check, url: 'http://x/'}]}}\n"
#define NEEDED "kind: generic, bearer: '0123456789abcdef', down: d, up: u"
#define UNSIGNED "kind: generic, identity: /i, state: /s, down: d, up: u"

static struct config *load(const char *source, struct strbuf *errors)
{
    struct config *config = NULL;
    struct strbuf text = STRBUF_INIT, warnings = STRBUF_INIT;
    strbuf_addf(&text, "sources: {x: {%s}}" REST, source);
    enum err err = config_load_bytes("f", strbuf_text(&text), text.len, false, &config, errors, &warnings);
    assert_int_equal(err == ERR_OK, errors->len == 0);
    strbuf_done(&text);
    strbuf_done(&warnings);
    return config;
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *source, *error;
    } cases[] = {
        {NEEDED ", identity: id, state: /s", "\"id\" (identity) is not a JSON pointer; it must be \"\" or \"/\" and"},
        {NEEDED ", identity: [/i, '/a~2'], state: /s", "\"/a~2\" (identity) is not a JSON pointer"},
        {NEEDED ", identity: /i, state: $.s", "\"$.s\" (state) is not a JSON pointer"},
        {NEEDED ", identity: /i, state: /s, time: at", "\"at\" (time) is not a JSON pointer"},
        {NEEDED ", identity: /i, state: /s, items: at", "\"at\" (items) is not a JSON pointer"},
        {NEEDED ", identity: /i, state: /s, labels: {a: /a, b: b}", "\"b\" (labels) is not a JSON pointer"},
        {NEEDED ", identity: [/1,/2,/3,/4,/5,/6,/7,/8,/9], state: /s", "\"identity\" names more than 8 places"},
        {NEEDED ", identity: /i, state: /s, time: /t, time_format: guess",
         "must be one of rfc3339, utc, unix, unix_ms"},
        {"kind: generic, bearer: '0123456789abcdef', identity: /i, state: /s, down: [a, b], up: [c, b]",
         "\"b\" cannot be both \"down\" and \"up\""},
        {NEEDED ", identity: /i, state: /s, ignored: [x, d]", "\"d\" cannot be both \"ignored\" and \"down\""},
        {NEEDED ", identity: /i, state: /s, ignored: u", "\"u\" cannot be both \"up\" and \"ignored\""},
        {"kind: generic, bearer: '0123456789abcdef', state: /s, down: a, up: b", "\"identity\" is missing"},
        {UNSIGNED, "the source has no credential; give it \"bearer\", \"basic\" or \"path_token\", or what its"},
        {UNSIGNED ", hmac_secret: secret", "\"hmac_secret\" needs \"hmac_header\""},
        {NEEDED ", identity: /i, state: /s, hmac_header: X-S",
         "\"hmac_header\" and \"hmac_prefix\" need \"hmac_secret\""},
        {NEEDED ", identity: /i, state: /s, hmac_prefix: a=",
         "\"hmac_header\" and \"hmac_prefix\" need \"hmac_secret\""},
        {UNSIGNED ", hmac_secret: secret, hmac_header: X-S, standard_webhooks_secret: whsec_AAECAwQFBgcICQoLDA0ODw==",
         "\"hmac_secret\" and \"standard_webhooks_secret\" are two ways to sign; give one"},
        {UNSIGNED ", standard_webhooks_secret: [whsec_AAECAwQFBgcICQoLDA0ODw==, very-secret]",
         "a secret of Standard Webhooks must be \"whsec_\" and the base64 of 16 to 64 bytes"},
        {"kind: grafana, bearer: '0123456789abcdef', timestamp_header: X-T",
         "\"timestamp_header\" needs \"hmac_secret\""},
        {"kind: grafana", "the source has no credential; give it \"bearer\", \"basic\" or \"path_token\", or what its"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct strbuf errors = STRBUF_INIT;
        assert_null(load(cases[i].source, &errors));
        if (!strstr(strbuf_text(&errors), cases[i].error))
            fail_msg("%s: expected \"%s\" in \"%s\"", cases[i].source, cases[i].error, strbuf_text(&errors));
        assert_null(strstr(strbuf_text(&errors), "very-secret"));
        strbuf_done(&errors);
    }
}

static void a_signature_makes_votes_signed(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        enum trust trust;
    } cases[] = {
        {NEEDED ", identity: /i, state: /s", TRUST_SECRET},
        {UNSIGNED ", path_token: '0123456789abcdef'", TRUST_OPEN},
        {UNSIGNED ", hmac_secret: [a, b], hmac_header: X-S", TRUST_SIGNED},
        {UNSIGNED ", standard_webhooks_secret: whsec_AAECAwQFBgcICQoLDA0ODw==", TRUST_SIGNED},
        {UNSIGNED ", path_token: '0123456789abcdef', hmac_secret: a, hmac_header: X-S", TRUST_SIGNED},
        {"kind: grafana, path_token: '0123456789abcdef'", TRUST_OPEN},
        {"kind: grafana, hmac_secret: a, timestamp_header: X-T", TRUST_SIGNED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct strbuf errors = STRBUF_INIT;
        struct config *config = load(cases[i].source, &errors);
        if (!config)
            fail_msg("%s", strbuf_text(&errors));
        assert_int_equal(config->sources[0].trust, cases[i].trust);
        config_free(config);
    }
}

static enum err count(void *context, const struct handler_alert *alert, struct errmsg *why)
{
    (void)alert;
    int *left = context;
    return --*left > 0 ? ERR_OK : err_set(why, ERR_FULL, "stop");
}

static enum err parse(const struct config *config, const struct strbuf *body, int *left, struct errmsg *why)
{
    const struct handler_request request = {
        .source = &config->sources[0], .body = body->data, .len = body->len, .is_stored = true};
    struct handler_result result = {.take = count, .context = left};
    enum err err = config->sources[0].handler->parse(&request, &result, why);
    strbuf_done(&result.stored);
    return err;
}

static void bounds(void **state)
{
    (void)state;
    struct strbuf errors = STRBUF_INIT;
    struct config *config = load(NEEDED ", identity: /i, state: /s, items: '', labels: {a: /a}", &errors);
    assert_non_null(config);
    assert_int_equal(config->sources[0].handler->max_body, 256 * 1024);
    for (int n = 1000; n <= 1001; n++) {
        struct strbuf body = STRBUF_INIT;
        struct errmsg why;
        int left = 2000;
        for (int i = 0; i < n; i++)
            strbuf_addf(&body, "%s{\"i\":%d,\"s\":\"d\",\"a\":\"b\"}", i > 0 ? "," : "[", i);
        strbuf_addc(&body, ']');
        assert_int_equal(parse(config, &body, &left, &why), n == 1000 ? ERR_OK : ERR_TOO_BIG);
        assert_int_equal(left, n == 1000 ? 1000 : 2000);
        left = 3; /* the taker can stop */
        if (n == 1000)
            assert_int_equal(parse(config, &body, &left, &why), ERR_FULL);
        strbuf_done(&body);
    }
    struct strbuf deep = STRBUF_INIT;
    struct errmsg why;
    int left = 1;
    for (int i = 0; i < 200000; i++)
        strbuf_addc(&deep, '[');
    assert_int_equal(parse(config, &deep, &left, &why), ERR_INVALID);
    strbuf_done(&deep);
    config_free(config);
}

/* It goes into the log and the audit: it says where, and nothing of what is there. */
static void a_refusal_does_not_quote_the_body(void **state)
{
    (void)state;
    struct strbuf errors = STRBUF_INIT;
    struct config *config = load(NEEDED ", identity: /i, state: /s", &errors);
    assert_non_null(config);
    static const struct {
        const char *body, *why;
    } cases[] = {
        {"{\"i\": hunter2}", ": invalid token"},
        {"{\"hunter2\": 1, \"hunter2\": 2}", ": duplicate object key"},
        {"{\"i\": \"hunter2\\u0000\"}", ": \\u0000 is not allowed without JSON_ALLOW_NUL"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct strbuf body = STRBUF_INIT;
        struct errmsg why;
        int left = 2;
        strbuf_adds(&body, cases[i].body);
        assert_int_equal(parse(config, &body, &left, &why), ERR_INVALID);
        assert_non_null(strstr(why.text, cases[i].why));
        assert_null(strstr(why.text, "hunter2"));
        strbuf_done(&body);
    }
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(a_signature_makes_votes_signed),
        cmocka_unit_test(bounds),
        cmocka_unit_test(a_refusal_does_not_quote_the_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
