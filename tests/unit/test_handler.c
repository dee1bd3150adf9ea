/* The registry of handlers, and the Alertmanager handler on bodies as real Alertmanagers send them. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "handlers/handler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MAX_SEEN 8

struct seen {
    int count, stop_at;
    struct {
        enum alert_state state;
        int64_t starts_at, ends_at;
        char identity[128], labels[256];
        size_t identity_len, n_labels;
    } alerts[MAX_SEEN];
};

static enum err take(void *context, const struct handler_alert *alert, struct errmsg *why)
{
    struct seen *seen = context;
    int i = seen->count++;
    if (seen->stop_at > 0 && seen->count == seen->stop_at)
        return err_set(why, ERR_FULL, "stop");
    if (i >= MAX_SEEN)
        return ERR_OK;
    seen->alerts[i].state = alert->state;
    seen->alerts[i].starts_at = alert->starts_at;
    seen->alerts[i].ends_at = alert->ends_at;
    seen->alerts[i].identity_len = alert->identity_len;
    seen->alerts[i].n_labels = alert->n_labels;
    memcpy(seen->alerts[i].identity, alert->identity, alert->identity_len < 128 ? alert->identity_len : 127);
    size_t len = 0;
    for (size_t k = 0; k < alert->n_labels && len < 200; k++)
        len += (size_t)snprintf(seen->alerts[i].labels + len, 256 - len, "%.*s=%.*s;", (int)alert->labels[k].name_len,
                                alert->labels[k].name, (int)alert->labels[k].value_len, alert->labels[k].value);
    return ERR_OK;
}

static enum err parse(const char *body, size_t len, struct seen *seen, struct errmsg *why)
{
    char *copy AUTO_FREE = malloc(len > 0 ? len : 1);
    memcpy(copy, body, len);
    *seen = (struct seen){0};
    why->text[0] = '\0';
    const struct handler_request request = {.body = copy, .len = len, .is_stored = true};
    struct handler_result result = {.take = take, .context = seen};
    return handler_find("alertmanager")->parse(&request, &result, why);
}

static void the_list_is_the_folder(void **state)
{
    (void)state;
    assert_null(handler_find("nothing"));
    assert_string_equal(handler_find("alertmanager")->kind, "alertmanager");
    int count = 0;
    for (const struct handler *const *handler = handler_list(); *handler; handler++, count++) {
        assert_ptr_equal(handler_find((*handler)->kind), *handler);
        assert_non_null((*handler)->help);
        assert_non_null((*handler)->rows);
        assert_non_null((*handler)->labels_help);
        assert_non_null((*handler)->parse);
        char path[128];
        snprintf(path, sizeof path, "handlers/%s.c", (*handler)->kind);
        FILE *file CLEANUP(cleanup_fclose) = fopen(path, "r");
        assert_non_null(file);
    }
    assert_true(count >= 1);
}

#define HEAD "{\"receiver\":\"turnout\",\"status\":\"resolved\",\"alerts\":["
#define TAIL                                                                                                           \
    "],\"groupLabels\":{},\"commonLabels\":{},\"commonAnnotations\":{},\"externalURL\":\"http://am:9093\","            \
    "\"version\":\"4\",\"groupKey\":\"{}:{}\",\"truncatedAlerts\":1}\n"

static void reads_alerts_and_never_the_group(void **state)
{
    (void)state;
    const char *body = HEAD
        "{\"status\":\"firing\",\"labels\":{\"alertname\":\"SiteDown\",\"region\":\"gra\"},\"annotations\":{\"a\":"
        "\"b\"},"
        "\"startsAt\":\"2026-11-20T03:04:05.678901234Z\",\"endsAt\":\"0001-01-01T00:00:00Z\",\"generatorURL\":\"\","
        "\"fingerprint\":\"00f1e2d3c4b5a697\"},"
        "{\"status\":\"resolved\",\"labels\":{\"alertname\":\"SiteDown\",\"region\":\"rbx\"},\"annotations\":{},"
        "\"startsAt\":\"2026-11-20T03:04:05.5-04:00\",\"endsAt\":\"2026-11-20T07:14:05Z\","
        "\"fingerprint\":\"11f1e2d3c4b5a697\",\"new\":[{}]}" TAIL;
    struct seen seen;
    struct errmsg why;
    assert_int_equal(parse(body, strlen(body), &seen, &why), ERR_OK);
    assert_int_equal(seen.count, 2);
    int64_t at;
    assert_int_equal(seen.alerts[0].state, ALERT_FIRING);
    assert_int_equal(time_parse("2026-11-20T03:04:05.678Z", 24, &at), ERR_OK);
    assert_int_equal(seen.alerts[0].starts_at, at);
    assert_int_equal(seen.alerts[0].ends_at, TIME_UNKNOWN);
    assert_string_equal(seen.alerts[0].identity, "00f1e2d3c4b5a697");
    assert_string_equal(seen.alerts[0].labels, "alertname=SiteDown;region=gra;");
    assert_int_equal(seen.alerts[1].state, ALERT_RESOLVED);
    assert_int_equal(time_parse("2026-11-20T07:04:05.5Z", 22, &at), ERR_OK);
    assert_int_equal(seen.alerts[1].starts_at, at);
    assert_int_equal(time_parse("2026-11-20T07:14:05Z", 20, &at), ERR_OK);
    assert_int_equal(seen.alerts[1].ends_at, at);
}

static void identity_without_fingerprint(void **state)
{
    (void)state;
    const char *body =
        "{\"version\":\"3\",\"groupKey\":5315590933959184469,\"alerts\":["
        "{\"status\":\"firing\",\"labels\":{\"b\":\"2\",\"a\":\"1\"}},"
        "{\"labels\":{\"a\":\"1\",\"b\":\"2\"},\"status\":\"resolved\",\"fingerprint\":\"\"},"
        "{\"status\":\"firing\",\"labels\":{\"a\":\"1\",\"b\":\"3\"},\"fingerprint\":null},"
        "{\"status\":\"firing\",\"labels\":{\"a\":\"1b\",\"\":\"2\"},\"startsAt\":null,\"endsAt\":\"\"}]}";
    struct seen seen;
    struct errmsg why;
    assert_int_equal(parse(body, strlen(body), &seen, &why), ERR_OK);
    assert_int_equal(seen.count, 4);
    assert_int_equal(seen.alerts[0].identity_len, seen.alerts[1].identity_len);
    assert_memory_equal(seen.alerts[0].identity, seen.alerts[1].identity, seen.alerts[0].identity_len);
    assert_memory_not_equal(seen.alerts[0].identity, seen.alerts[2].identity, seen.alerts[0].identity_len);
    assert_memory_not_equal(seen.alerts[0].identity, seen.alerts[3].identity, seen.alerts[0].identity_len);
    assert_int_equal((unsigned char)seen.alerts[0].identity[0], 0xFF);
    assert_string_equal(seen.alerts[0].labels, "b=2;a=1;"); /* as sent */
    assert_int_equal(seen.alerts[3].starts_at, TIME_UNKNOWN);
    assert_int_equal(seen.alerts[3].ends_at, TIME_UNKNOWN);
}

static void a_firing_alert_has_no_end(void **state)
{
    (void)state;
    const char *body =
        "{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"a\":\"1\"},\"endsAt\":\"2026-11-20T07:14:05Z\"},"
        "{\"status\":\"resolved\",\"labels\":{\"a\":\"1\"},\"endsAt\":\"0001-01-01T00:00:00-04:00\"}]}";
    struct seen seen;
    struct errmsg why;
    assert_int_equal(parse(body, strlen(body), &seen, &why), ERR_OK);
    assert_int_equal(seen.alerts[0].ends_at, TIME_UNKNOWN);
    assert_int_equal(seen.alerts[1].ends_at, TIME_UNKNOWN);
}

static void says_what_is_wrong_and_where(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum err err;
        const char *why;
    } cases[] = {
        {"", ERR_INVALID, "byte 0: the text ends too early"},
        {"[]", ERR_INVALID, "the body must be a JSON object as Alertmanager sends it, not an array"},
        {"{\"text\":\"down\"}", ERR_INVALID,
         "the body has no `alerts`; a custom payload must keep the fields of Alertmanager's own"},
        {"{\"alerts\":null}", ERR_INVALID, "byte 10: `alerts` must be an array, not null"},
        {"{\"alerts\":[7]}", ERR_INVALID, "byte 11: alerts[0] must be an object, not a number"},
        {"{\"alerts\":[{\"labels\":{\"a\":\"b\"}}]}", ERR_INVALID,
         "byte 31: alerts[0] has no `status`; a custom payload must keep the fields of Alertmanager's own"},
        {"{\"alerts\":[{\"status\":\"firing\"}]}", ERR_INVALID,
         "byte 30: alerts[0] has no `labels`; a custom payload must keep the fields of Alertmanager's own"},
        {"{\"alerts\":[{\"status\":\"firing\",\"labels\":{}}]}", ERR_INVALID,
         "byte 42: alerts[0] has no `fingerprint` and no labels, so nothing tells it from others"},
        {"{\"alerts\":[{\"status\":\"FIRING\"}]}", ERR_INVALID,
         "byte 21: alerts[0].status is \"FIRING\"; expected \"firing\" or \"resolved\""},
        {"{\"alerts\":[{\"status\":1}]}", ERR_INVALID, "byte 21: alerts[0].status must be a string, not a number"},
        {"{\"alerts\":[{\"labels\":[]}]}", ERR_INVALID, "byte 21: alerts[0].labels must be an object, not an array"},
        {"{\"alerts\":[{\"labels\":{\"port\":443}}]}", ERR_INVALID,
         "byte 29: the label \"port\" of alerts[0] must be a string, not a number"},
        {"{\"alerts\":[{\"startsAt\":\"today\"}]}", ERR_INVALID,
         "byte 23: alerts[0].startsAt is \"today\"; expected an RFC 3339 time"},
        {"{\"alerts\":[{\"fingerprint\":7}]}", ERR_INVALID,
         "byte 26: alerts[0].fingerprint must be a string, not a number"},
        {"{\"alerts\":[],\"alerts\":[]}", ERR_INVALID, "byte 13: the same key twice in one object"},
        {"{\"alerts\":[{\"status\":\"firing\",\"status\":\"resolved\"}]}", ERR_INVALID,
         "byte 30: the same key twice in one object"},
        {"{\"alerts\":[{\"labels\":{\"a\":\"1\",\"a\":\"2\"}}]}", ERR_INVALID,
         "byte 30: the same key twice in one object"},
        {"{\"alerts\":[]", ERR_INVALID, "byte 12: the text ends too early"},
        {"{\"alerts\":[]}}", ERR_INVALID, "byte 13: something follows the end of the text"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct seen seen;
        struct errmsg why;
        assert_int_equal(parse(cases[i].body, strlen(cases[i].body), &seen, &why), cases[i].err);
        assert_string_equal(why.text, cases[i].why);
        assert_int_equal(seen.count, 0);
    }
}

static void a_body_that_fails_at_its_end_gives_no_alert(void **state)
{
    (void)state;
    const char *body = "{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"a\":\"b\"}}],\"version\":}";
    struct seen seen;
    struct errmsg why;
    assert_int_equal(parse(body, strlen(body), &seen, &why), ERR_INVALID);
    assert_int_equal(seen.count, 0);
}

static void the_taker_can_stop(void **state)
{
    (void)state;
    const char *body =
        "{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"a\":\"1\"}},"
        "{\"status\":\"firing\",\"labels\":{\"a\":\"2\"}},{\"status\":\"firing\",\"labels\":{\"a\":\"3\"}}]}";
    struct seen seen = {.stop_at = 2};
    struct errmsg why;
    const struct handler_request request = {.body = body, .len = strlen(body), .is_stored = true};
    struct handler_result result = {.take = take, .context = &seen};
    assert_int_equal(handler_find("alertmanager")->parse(&request, &result, &why), ERR_FULL);
    assert_int_equal(seen.count, 2);
    assert_string_equal(why.text, "stop");
}

static void parse_built(struct strbuf *text, enum err expected, int count)
{
    struct seen seen;
    struct errmsg why;
    assert_false(text->is_broken);
    assert_int_equal(parse(strbuf_text(text), text->len, &seen, &why), expected);
    assert_int_equal(seen.count, count);
    strbuf_done(text);
}

static void bounds(void **state)
{
    (void)state;
    for (int n = 256; n <= 257; n++) {
        struct strbuf text = STRBUF_INIT;
        strbuf_adds(&text, "{\"alerts\":[{\"status\":\"firing\",\"labels\":{");
        for (int i = 0; i < n; i++)
            strbuf_addf(&text, "%s\"label%d\":\"v\"", i > 0 ? "," : "", i);
        strbuf_adds(&text, "}}]}");
        parse_built(&text, n > 256 ? ERR_TOO_BIG : ERR_OK, n > 256 ? 0 : 1);
    }
    for (int n = 16384; n <= 16385; n++) {
        struct strbuf text = STRBUF_INIT;
        strbuf_addf(&text, "{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"a\":\"%0*d\"}}]}", n, 0);
        parse_built(&text, n > 16384 ? ERR_TOO_BIG : ERR_OK, n > 16384 ? 0 : 1);
    }
    for (int n = 100000; n <= 100001; n++) {
        struct strbuf text = STRBUF_INIT;
        strbuf_adds(&text, "{\"alerts\":[");
        for (int i = 0; i < n; i++)
            strbuf_addf(&text, "%s{\"status\":\"firing\",\"labels\":{\"a\":\"\"}}", i > 0 ? "," : "");
        strbuf_adds(&text, "]}");
        parse_built(&text, n > 100000 ? ERR_TOO_BIG : ERR_OK, n > 100000 ? 0 : n);
    }
    struct strbuf deep = STRBUF_INIT;
    strbuf_addf(&deep, "{\"alerts\":[],\"x\":");
    for (int i = 0; i < 100000; i++)
        strbuf_addc(&deep, '[');
    parse_built(&deep, ERR_TOO_BIG, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_is_the_folder),       cmocka_unit_test(reads_alerts_and_never_the_group),
        cmocka_unit_test(identity_without_fingerprint), cmocka_unit_test(a_firing_alert_has_no_end),
        cmocka_unit_test(says_what_is_wrong_and_where), cmocka_unit_test(a_body_that_fails_at_its_end_gives_no_alert),
        cmocka_unit_test(the_taker_can_stop),           cmocka_unit_test(bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
