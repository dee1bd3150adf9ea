#include "actions/common.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "test.h"

#include <stdlib.h>

/* ---- the registries ---------------------------------------------------------------------------------------------- */

static void check_rows(const struct row *rows)
{
    for (const struct row *row = rows; row->name; row++) {
        assert_non_null(row->help);
        assert_int_not_equal(row->help[strlen(row->help) - 1], '.');
        assert_true(row->type != ROW_CHOICE || row->choices);
        if (row->type == ROW_MAP)
            check_rows(row->rows);
    }
}

static void test_registries(void **state)
{
    (void)state;
    int n_actions = 0, n_kinds = 0;
    for (const struct action *const *at = action_list(); *at; at++, n_actions++) {
        const struct action *action = *at;
        assert_ptr_equal(action_find(action->name), action);
        assert_non_null(action->help);
        assert_non_null(action->observe);
        assert_int_equal(action->is_check, action->apply == NULL);
        assert_true(action->default_timeout_ms >= 1000);
        assert_true(!action->provider_kind || provider_kind_find(action->provider_kind));
        check_rows(action->rows);
    }
    for (const struct provider_kind *const *kind = provider_kind_list(); *kind; kind++, n_kinds++) {
        int n_secrets = 0;
        assert_ptr_equal(provider_kind_find((*kind)->name), *kind);
        assert_int_equal(!(*kind)->open, !(*kind)->close);
        for (const struct row *row = (*kind)->rows; row->name; row++)
            n_secrets += row->type == ROW_SECRET;
        assert_in_range(n_secrets, 1, MAX_PROVIDER_SECRETS);
        check_rows((*kind)->rows);
    }
    assert_int_equal(n_actions, 8);
    assert_int_equal(n_kinds, 4);
    assert_null(action_find("linode"));
    assert_null(provider_kind_find(""));
}

/* ---- sending, with a fetch object of the test -------------------------------------------------------------------- */

struct fake {
    struct fetch base;
    enum err err;
    int status;
    const char *body;
    int64_t timeout_ms; /* seen */
    const atomic_bool *cancel;
    int n_sent;
    int64_t took_ms, date_at, rate_reset_at;
    int rate_remaining;
};

static enum err fake_send(struct fetch *base, const struct fetch_request *request, struct fetch_response *ret,
                          struct errmsg *why)
{
    struct fake *fake = (struct fake *)(void *)base;
    *ret = (struct fetch_response){.status = fake->status,
                                   .retry_after_ms = -1,
                                   .took_ms = fake->took_ms ? fake->took_ms : 7,
                                   .date_at = fake->date_at,
                                   .rate_remaining = fake->rate_remaining,
                                   .rate_reset_at = fake->rate_reset_at};
    fake->timeout_ms = request->timeout_ms;
    fake->cancel = request->cancel;
    enum err refused = request->may_send ? request->may_send(request->may_send_context, why) : ERR_OK;
    if (refused != ERR_OK)
        return refused;
    fake->n_sent++;
    strbuf_adds(&ret->body, fake->body ? fake->body : "");
    return fake->err == ERR_OK ? ERR_OK : err_set(why, fake->err, "the network says no to hunter2");
}

struct setup {
    struct fake fake;
    struct provider_kind kind;
    struct provider provider;
    struct action_call call;
    atomic_bool cancel;
    char secret[16];
};

static void setup_make(struct setup *setup)
{
    *setup = (struct setup){.fake = {.base = {.send = fake_send}, .status = 200}, .secret = "hunter2"};
    setup->provider.kind = &setup->kind;
    setup->provider.secrets[1].row = "token";
    setup->provider.secrets[1].value = (struct secret){setup->secret, strlen(setup->secret)};
    setup->call = (struct action_call){.provider = &setup->provider,
                                       .fetch = &setup->fake.base,
                                       .timeout_ms = 1000,
                                       .deadline_at = clock_steady_ms() + 1000,
                                       .cancel = &setup->cancel,
                                       .requests = json_array()};
}

static enum err send_put(struct setup *setup, int64_t timeout_ms, const char *body, struct errmsg *why)
{
    struct fetch_response response;
    struct fetch_request request = {.method = "PUT",
                                    .url = "https://api.example/x",
                                    .body = body,
                                    .body_len = body ? strlen(body) : 0,
                                    .timeout_ms = timeout_ms};
    enum err err = action_send(&setup->call, &request, &response, why);
    fetch_response_done(&response);
    return err;
}

static const char *recorded(struct setup *setup, size_t i, const char *key)
{
    return json_string_value(json_object_get(json_array_get(setup->call.requests, i), key));
}

static void test_sending_is_bounded_and_recorded(void **state)
{
    (void)state;
    struct setup setup;
    struct errmsg why;
    setup_make(&setup);
    assert_int_equal(send_put(&setup, 0, "{\"a\":1}", &why), ERR_OK);
    assert_in_range(setup.fake.timeout_ms, 900, 1000);
    assert_ptr_equal(setup.fake.cancel, &setup.cancel);
    assert_int_equal(send_put(&setup, 50, NULL, &why), ERR_OK);
    assert_int_equal(setup.fake.timeout_ms, 50);
    assert_int_equal(send_put(&setup, 100000, NULL, &why), ERR_OK);
    assert_in_range(setup.fake.timeout_ms, 800, 1000);
    assert_string_equal(recorded(&setup, 0, "method"), "PUT");
    assert_string_equal(recorded(&setup, 0, "url"), "https://api.example/x");
    assert_string_equal(recorded(&setup, 0, "body"), "{\"a\":1}");
    assert_null(recorded(&setup, 0, "answer")); /* what a success says is not kept */
    assert_null(recorded(&setup, 0, "error"));
    setup.call.deadline_at = clock_steady_ms();
    assert_int_equal(send_put(&setup, 0, NULL, &why), ERR_TEMPORARY);
    assert_int_equal(setup.fake.n_sent, 3);
    assert_int_equal(json_array_size(setup.call.requests), 3);
    json_decref(setup.call.requests);
}

struct voice {
    struct consent base;
    int n_first, n_last;
    enum err first, last;
};

static enum err voice_ask(struct consent *base, bool is_last, struct errmsg *why)
{
    struct voice *voice = (struct voice *)(void *)base;
    enum err err = is_last ? voice->last : voice->first;
    voice->n_first += !is_last;
    voice->n_last += is_last;
    return err == ERR_OK ? ERR_OK : err_set(why, err, "nothing was sent: no");
}

/* Before the connection, and in the instant of sending; of what only reads nobody is asked. */
static void test_consent_is_asked_before_each_effect(void **state)
{
    (void)state;
    struct setup setup;
    struct errmsg why = {""};
    struct voice voice = {.base = {.ask = voice_ask}, .first = ERR_CONFLICT};
    struct action_result result = {.outcome = OUTCOME_OK};
    struct fetch_request get = {.method = "GET", .url = "https://api.example/x"};
    struct fetch_response response;
    setup_make(&setup);
    setup.call.consent = &voice.base;
    assert_int_equal(action_send(&setup.call, &get, &response, &why), ERR_OK);
    fetch_response_done(&response);
    assert_int_equal(setup.fake.n_sent, 1);
    assert_int_equal(voice.n_first + voice.n_last, 0);
    assert_int_equal(send_put(&setup, 0, NULL, &why), ERR_CONFLICT);
    result_of_failure(&setup.call, &result, "It", true, ERR_CONFLICT, &why);
    assert_int_equal(result.outcome, OUTCOME_TEMPORARY);
    assert_string_equal(result.text.text, "nothing was sent: no");
    voice = (struct voice){.base = {.ask = voice_ask}, .last = ERR_CANCELLED};
    assert_int_equal(send_put(&setup, 0, NULL, &why), ERR_CANCELLED);
    assert_int_equal(setup.fake.n_sent, 1);
    voice.last = ERR_OK;
    assert_int_equal(send_put(&setup, 0, NULL, &why), ERR_OK);
    assert_int_equal(setup.fake.n_sent, 2);
    assert_int_equal(voice.n_first, 2);
    assert_int_equal(voice.n_last, 2);
    setup.call.compared_at = clock_steady_ms() - 31000;
    assert_int_equal(send_put(&setup, 0, NULL, &why), ERR_CONFLICT);
    assert_int_equal(send_put(&setup, 0, NULL, &why), ERR_OK); /* it is looked at anew for each */
    json_decref(setup.call.requests);
}

static int64_t skew_after(struct setup *setup, int64_t date_at, int64_t took_ms)
{
    struct errmsg why;
    setup->fake.date_at = date_at;
    setup->fake.took_ms = took_ms;
    assert_int_equal(send_put(setup, 0, NULL, &why), ERR_OK);
    return setup->call.clock_skew_ms;
}

/* The second that a server writes begins up to a second ago, and lies anywhere within the exchange. */
static void test_the_providers_clock_is_compared_with_ours(void **state)
{
    (void)state;
    struct setup setup;
    setup_make(&setup);
    int64_t second = clock_wall_ms() / 1000 * 1000;
    assert_int_equal(skew_after(&setup, second, 1), 0);
    assert_int_equal(skew_after(&setup, second - 3000, 4000), 0);
    assert_in_range(skew_after(&setup, second + 60000, 1), 58000, 60000);
    assert_in_range(-skew_after(&setup, second - 60000, 1), 59000, 62000);
    assert_in_range(-skew_after(&setup, second - 60000, 2000), 56000, 60000);
    assert_in_range(-skew_after(&setup, 0, 1), 56000, 60000); /* it does not say: what was known stays */
    json_decref(setup.call.requests);
}

/* Nothing goes out that the provider would refuse, and the engine hears when it will not. */
static void test_what_the_provider_has_no_room_for_is_not_sent(void **state)
{
    (void)state;
    struct setup setup;
    struct errmsg why;
    struct action_result result = {.retry_after_ms = -1};
    setup_make(&setup);
    setup.kind.rate = (struct rate){400, 60000};
    setup.fake.rate_remaining = 0;
    setup.fake.rate_reset_at = clock_wall_ms() + 30000;
    assert_int_equal(send_put(&setup, 0, NULL, &why), ERR_OK);
    assert_int_equal(send_put(&setup, 0, NULL, &why), ERR_BUSY);
    assert_int_equal(setup.fake.n_sent, 1);
    assert_int_equal(json_array_size(setup.call.requests), 1);
    result_of_failure(&setup.call, &result, "Linode", true, ERR_BUSY, &why);
    assert_int_equal(result.outcome, OUTCOME_TEMPORARY);
    assert_in_range(result.retry_after_ms, 28000, 30000);
    assert_non_null(strstr(result.text.text, "Linode cannot be asked: it says that no requests are left"));
    json_decref(setup.call.requests);
}

static void test_records_hold_no_secrets(void **state)
{
    (void)state;
    struct setup setup;
    struct errmsg why;
    setup_make(&setup);
    setup.fake.status = 403;
    setup.fake.body = "your token\r\n hunter2\x01 is bad";
    assert_int_equal(send_put(&setup, 0, "hunter2", &why), ERR_OK);
    assert_string_equal(recorded(&setup, 0, "answer"), "your token (secret) is bad");
    assert_string_equal(recorded(&setup, 0, "body"), "(secret)");
    setup.fake.err = ERR_UNKNOWN;
    assert_int_equal(send_put(&setup, 0, NULL, &why), ERR_UNKNOWN);
    assert_string_equal(recorded(&setup, 1, "error"), "the network says no to (secret)");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(setup.call.requests, 1), "took_ms")), 7);
    setup.fake.err = ERR_TEMPORARY; /* an attempt to connect is on record too */
    assert_int_equal(send_put(&setup, 0, NULL, &why), ERR_TEMPORARY);
    setup.fake.err = ERR_CANCELLED;
    assert_int_equal(send_put(&setup, 0, NULL, &why), ERR_CANCELLED);
    assert_int_equal(json_array_size(setup.call.requests), 3);
    json_decref(setup.call.requests);
}

static void test_what_failures_mean(void **state)
{
    (void)state;
    static const struct {
        enum err err;
        enum outcome read, write;
    } cases[] = {
        {ERR_TEMPORARY, OUTCOME_TEMPORARY, OUTCOME_TEMPORARY}, {ERR_UNKNOWN, OUTCOME_TEMPORARY, OUTCOME_UNKNOWN},
        {ERR_TOO_BIG, OUTCOME_TEMPORARY, OUTCOME_UNKNOWN},     {ERR_DENIED, OUTCOME_PERMANENT, OUTCOME_PERMANENT},
        {ERR_INVALID, OUTCOME_PERMANENT, OUTCOME_PERMANENT},   {ERR_CANCELLED, OUTCOME_CANCELLED, OUTCOME_CANCELLED},
        {ERR_NO_MEMORY, OUTCOME_TEMPORARY, OUTCOME_TEMPORARY},
    };
    struct setup setup;
    struct errmsg why = {"why"};
    setup_make(&setup);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct action_result result = {.retry_after_ms = -1};
        result_of_failure(&setup.call, &result, "X", false, cases[i].err, &why);
        assert_int_equal(result.outcome, cases[i].read);
        result_of_failure(&setup.call, &result, "X", true, cases[i].err, &why);
        assert_int_equal(result.outcome, cases[i].write);
    }
    atomic_store(&setup.cancel, true);
    struct action_result result = {.retry_after_ms = -1};
    result_of_failure(&setup.call, &result, "X", false, ERR_UNKNOWN, &why);
    assert_int_equal(result.outcome, OUTCOME_CANCELLED);
    result_of_failure(&setup.call, &result, "X", true, ERR_UNKNOWN, &why);
    assert_int_equal(result.outcome, OUTCOME_UNKNOWN); /* cancelled too late */
    json_decref(setup.call.requests);
}

static void test_what_statuses_mean(void **state)
{
    (void)state;
    static const int passing[] = {408, 429, 503}, unclear[] = {500, 502, 504, 599},
                     final[] = {301, 400, 401, 403, 404, 409, 460};
    for (size_t i = 0; i < COUNT_OF(passing); i++)
        assert_int_equal(outcome_of_status(passing[i], true), OUTCOME_TEMPORARY);
    for (size_t i = 0; i < COUNT_OF(unclear); i++) {
        assert_int_equal(outcome_of_status(unclear[i], true), OUTCOME_UNKNOWN);
        assert_int_equal(outcome_of_status(unclear[i], false), OUTCOME_TEMPORARY);
    }
    for (size_t i = 0; i < COUNT_OF(final); i++)
        assert_int_equal(outcome_of_status(final[i], true), OUTCOME_PERMANENT);
    assert_true(status_is_success(299));
    assert_false(status_is_success(300));
    struct action_result result = {.retry_after_ms = -1};
    struct fetch_response response = {.status = 429, .retry_after_ms = 5000};
    result_of_status(&result, OUTCOME_TEMPORARY, "X", &response, "");
    assert_string_equal(result.text.text, "X answers 429 without saying why");
    assert_int_equal(result.retry_after_ms, 5000);
}

/* ---- words, names, targets --------------------------------------------------------------------------------------- */

static void test_words(void **state)
{
    (void)state;
    struct setup setup;
    char words[12];
    setup_make(&setup);
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", ""},
        {" \n ", ""},
        {"short", "short"},
        {"\ta\r\n\r\nb ", "a b"},
        {"12345678901", "12345678..."},
        {"1234567\xc3\xa9\xc3\xa9", "1234567..."}, /* not half a character */
        {"a\xff\xc3(", "a ("},
        {"hunter2", "(secret)"},
        {"xxhunter2", "xx..."},
        {"hunter", "hunter"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        words_of(&setup.call, cases[i].in, strlen(cases[i].in), words, sizeof(words));
        assert_string_equal(words, cases[i].out);
    }
    words_of(&setup.call, "a\0b", 3, words, sizeof(words));
    assert_string_equal(words, "a b");
    json_decref(setup.call.requests);
}

static void test_names_and_targets(void **state)
{
    (void)state;
    assert_true(name_equal("A.example.", "a.EXAMPLE"));
    assert_false(name_equal("a.example", "b.example"));
    assert_false(name_equal("a", "a.b"));
    assert_true(target_equal("AAAA", "2001:db8::1", "2001:0DB8:0:0::1"));
    assert_false(target_equal("AAAA", "2001:db8::1", "2001:db8::2"));
    assert_false(target_equal("A", "192.0.2.1", "192.0.2.10"));
    assert_false(target_equal("A", "192.0.2.1", "x"));
    assert_true(target_equal("CNAME", "A.b.", "a.B"));
    assert_false(target_equal("TXT", "a", "A"));
    static const struct {
        const char *type, *target;
        bool is_good;
    } targets[] = {
        {"A", "192.0.2.1", true},       {"A", "192.0.2", false},       {"A", "::1", false},
        {"A", "[remote_addr]", false},  {"AAAA", "::1", true},         {"AAAA", "1.2.3.4", false},
        {"CNAME", "a.example", true},   {"CNAME", "a.example.", true}, {"CNAME", "_a.b-c", true},
        {"CNAME", "a b", false},        {"CNAME", "", false},          {"CNAME", ".", false},
        {"CNAME", "a..b", false},       {"CNAME", "1.2.3.4", false},   {"CNAME", "a,b", false},
        {"TXT", "any \"thing\"", true}, {"A", " 192.0.2.1", false},
    };
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        struct errmsg why;
        assert_int_equal(target_check(targets[i].type, targets[i].target, &why),
                         targets[i].is_good ? ERR_OK : ERR_INVALID);
    }
    char longest[300];
    memset(longest, 'a', sizeof(longest));
    longest[64] = '\0';
    assert_int_equal(target_check("CNAME", longest, NULL), ERR_INVALID);
    longest[63] = '\0';
    assert_int_equal(target_check("CNAME", longest, NULL), ERR_OK);
}

static void test_records(void **state)
{
    (void)state;
    static const struct {
        const char *record;
        bool is_good;
    } cases[] = {
        {"", true},
        {"@", true},
        {"app", true},
        {"a.b", true},
        {"*", true},
        {"*.app", true},
        {"_dmarc", true},
        {"app.example.com", false},
        {"app.EXAMPLE.com", false},
        {"app.", false},
        {"a*", false},
        {"a..b", false},
        {"a/b", false},
        {"*.", false},
        {"-a", true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct errmsg why;
        assert_int_equal(record_check(cases[i].record, "example.com.", &why), cases[i].is_good ? ERR_OK : ERR_INVALID);
    }
    assert_string_equal(record_label("@"), "");
    assert_string_equal(record_label("a"), "a");
    struct strbuf url = STRBUF_INIT;
    url_encode(&url, "a-._~ /?&=+%\xc3\xa9*");
    assert_string_equal(url.data, "a-._~%20%2F%3F%26%3D%2B%25%C3%A9%2A");
    strbuf_done(&url);
}

int main(void)
{
    clock_start();
    fetch_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registries),
        cmocka_unit_test(test_sending_is_bounded_and_recorded),
        cmocka_unit_test(test_consent_is_asked_before_each_effect),
        cmocka_unit_test(test_the_providers_clock_is_compared_with_ours),
        cmocka_unit_test(test_what_the_provider_has_no_room_for_is_not_sent),
        cmocka_unit_test(test_records_hold_no_secrets),
        cmocka_unit_test(test_what_failures_mean),
        cmocka_unit_test(test_what_statuses_mean),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_names_and_targets),
        cmocka_unit_test(test_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
