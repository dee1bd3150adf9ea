/* The api listener over real sockets, with a real database behind it. */
#include "api_fixture.h"

#include "store/audit.h"

#define N_ENTRIES 1234

static struct id runs[3];

/* ---- a database with something in it ----------------------------------------------------------------------------- */

static void add_run(struct store_batch *batch, const struct id *id, const char *service, enum run_state state)
{
    const struct run_row run = {.id = *id,
                                .service = service,
                                .from = "gra",
                                .to = "rbx",
                                .state = state,
                                .reason = "votes",
                                .started_by = "decision",
                                .started_at = 1700000000000,
                                .finished_at = state == RUN_SUCCEEDED ? 1700000060000 : 0,
                                .error = "",
                                .playbook = "[]"};
    const struct step_row step = {.run = *id,
                                  .name = "DNS",
                                  .action = "linode.dns_record",
                                  .state = STEP_RUNNING,
                                  .boot_id = "",
                                  .started_at = 1700000000000,
                                  .error = "",
                                  .token = "",
                                  .observed = ""};
    batch_run(batch, &run);
    batch_step(batch, &step);
}

#define UNMATCHED                                                                                                      \
    "{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"service\":\"shop\"}},{\"status\":\"firing\",\"labels\":{"       \
    "\"service\":"                                                                                                     \
    "\"shup\"},\"fingerprint\":\"f1\"}]}"
#define N_DELIVERIES 5

static struct id deliveries[N_DELIVERIES];
static char large_body[300 * 1024];

/* In the order of time: one that matches, one with an alert that does not, one of a source that went, one that is not
 * understood, one that is large and not all text. */
static void add_deliveries(struct store_batch *batch)
{
    memset(large_body, 'x', sizeof large_body);
    memcpy(large_body, "a\x01\xff\"\n\xc3\xa9", 7);
    const struct {
        const char *source, *body;
        size_t len;
        int services;
    } rows[N_DELIVERIES] = {
        {"prometheus", "{\"alerts\":[{\"status\":\"resolved\",\"labels\":{\"service\":\"shop\"}}]}", 0, 1},
        {"prometheus", UNMATCHED, 0, 0},
        {"gone", "{}", 0, 0},
        {"prometheus", "<html>\x1b", 0, 0},
        {"other", large_body, sizeof large_body, 0},
    };
    for (int i = 0; i < N_DELIVERIES; i++) {
        deliveries[i] = id_new(1700000000000 + i);
        const struct delivery_row row = {.seq = i + 1,
                                         .id = deliveries[i],
                                         .source = rows[i].source,
                                         .received_at = 1700000000000 + i,
                                         .alerts = i == 1 ? 2 : 1,
                                         .changed = 1,
                                         .services = rows[i].services,
                                         .body = rows[i].body,
                                         .body_len = rows[i].len ? rows[i].len : strlen(rows[i].body)};
        batch_delivery(batch, &row);
    }
    batch_source(batch, &(struct source_row){.name = "prometheus", .open_alerts = 3});
}

static int make_database(void **state)
{
    (void)state;
    struct store *store = new_database();
    struct store_batch *batch = batch_new();
    struct audit_chain chain = {0};
    for (int i = 0; i < N_ENTRIES; i++) {
        json_t *entry = json_pack("{s:s, s:s}", "who", "turnout", "text", i % 2 ? "odd" : "even");
        assert_int_equal(audit_append(&chain, batch, entry, 1700000000000 + i, i % 2 ? "decision.vote" : "run.step",
                                      i % 2 ? "shop" : ""),
                         ERR_OK);
    }
    for (int i = 0; i < 3; i++) {
        runs[i] = id_new(1700000000000 + i);
        add_run(batch, &runs[i], "shop", i == 2 ? RUN_RUNNING : RUN_SUCCEEDED);
    }
    add_deliveries(batch);
    const struct active_row active = {.service = "shop", .since = 1700000000000, .kind = ACTIVE_SITE, .site = "gra"};
    batch_active(batch, &active);
    const struct match_row match = {
        .key = {{1}}, .service = "shop", .site = "gra", .source = "prometheus", .says = VOTE_DOWN};
    const struct vote_row vote = {
        .service = "shop", .site = "gra", .source = "prometheus", .vote = VOTE_DOWN, .boot_id = ""};
    const struct alert_row alert = {.key = {{1}},
                                    .exists = true,
                                    .state = ALERT_FIRING,
                                    .starts_at = TIME_UNKNOWN,
                                    .ends_at = TIME_UNKNOWN,
                                    .n_matches = 1};
    batch_alert(batch, &alert, "prometheus");
    batch_match(batch, &match);
    batch_vote(batch, &vote);
    const struct timer_row timer = {.service = "shop",
                                    .site = "gra",
                                    .kind = TIMER_HOLD,
                                    .due_at = clock_steady_ms() + 30000,
                                    .offset_ms = clock_offset_ms(),
                                    .boot_id = clock_boot_id()};
    batch_timer(batch, &timer);
    const struct incident_row incident = {.id = runs[0],
                                          .service = "shop",
                                          .site = "gra",
                                          .opened_at = 1700000000000,
                                          .is_standing = true,
                                          .last_reason = "none"};
    batch_incident(batch, &incident);
    write_database(store, batch);
    return 0;
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void tokens_and_roles(void **state)
{
    struct fixture *f = *state;
    struct answer answer = get(f, "/api/v1/services", "");
    char value[64];
    assert_non_null(answer_header(&answer, "WWW-Authenticate", value, sizeof value));
    expect_error(answer, 401, "unauthorized", "a token is needed");
    expect_error(get(f, "/api/v1/services?token=" OPERATOR_TOKEN, ""), 401, "unauthorized", "needed");
    expect_error(get(f, "/api/v1/services", "Authorization: Bearer nonsense\r\n"), 401, "unauthorized", "not known");
    expect_error(get(f, "/api/v1/services", "Authorization: Basic " OPERATOR_TOKEN "\r\n"), 401, "unauthorized", "");
    expect_error(call(f, "/api/v1/services/shop/failover", "", "{\"reason\":\"x\"}"), 401, "unauthorized", "");
    expect_error(call(f, "/api/v1/services/shop/failover", VIEWER, "{\"reason\":\"x\"}"), 403, "forbidden",
                 "screen has the role viewer");
    json_decref(json_of(get(f, "/api/v1/services", VIEWER), 200));
    json_decref(json_of(get(f, "/api/v1/services", OPERATOR), 200));
    wait_for_refused(f, 6);
    pthread_mutex_lock(&f->mutex);
    assert_int_equal(f->refused_requests, 6);
    assert_true(f->refused_commands >= 2 && f->refused_commands <= 4);
    pthread_mutex_unlock(&f->mutex);
}

static void a_refused_call_says_whose_it_was(void **state)
{
    struct fixture *f = *state;
    expect_error(call(f, "/api/v1/services/sh%6fp/failover?secret=1", VIEWER, "{\"reason\":\"x\"}"), 403, "forbidden",
                 "");
    wait_for_refused(f, 1);
    pthread_mutex_lock(&f->mutex);
    assert_string_equal(f->last_refused.what, "POST /api/v1/services/shop/failover");
    assert_string_equal(f->last_refused.who, "screen");
    assert_string_equal(f->last_refused.from, "127.0.0.1");
    assert_int_equal(f->last_refused.count, 1);
    pthread_mutex_unlock(&f->mutex);
}

/* What goes on record must be UTF-8, however it is cut. */
static void bytes_that_are_not_text(void **state)
{
    struct fixture *f = *state;
    expect_error(call(f, "/api/v1/services/sh%ffop/failover", OPERATOR, "{\"reason\":\"x\"}"), 404, "not_found", "");
    expect_error(call(f, "/api/v1/services/sh%0aop/failover", OPERATOR, "{\"reason\":\"x\"}"), 404, "not_found", "");
    expect_error(call(f, "/api/v1/services/shop/failover", OPERATOR,
                      "{\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\xc3\xa9\":1}"),
                 400, "unknown_key", "xxx");
    wait_for_refused(f, 1);
    pthread_mutex_lock(&f->mutex);
    json_t *reason = json_string(f->last_refused.reason);
    pthread_mutex_unlock(&f->mutex);
    assert_non_null(reason);
    json_decref(reason);
}

static void services(void **state)
{
    struct fixture *f = *state;
    json_t *list = json_of(get(f, "/api/v1/services", VIEWER), 200);
    assert_int_equal(json_array_size(json_object_get(list, "items")), 2);
    json_t *shop = at(list, "items", 0), *wiki = at(list, "items", 1);
    const char *name, *active, *since, *home, *mode;
    int votes, hold;
    assert_int_equal(json_unpack(shop, "{s:s, s:s, s:s, s:s, s:s, s:i, s:i}", "name", &name, "active", &active,
                                 "active_since", &since, "home", &home, "mode", &mode, "votes_needed", &votes,
                                 "hold_ms", &hold),
                     0);
    assert_string_equal(name, "shop");
    assert_string_equal(active, "gra");
    assert_string_equal(since, "2023-11-14T22:13:20.000Z");
    assert_string_equal(home, "gra");
    assert_string_equal(mode, "automatic");
    assert_int_equal(votes, 2);
    assert_int_equal(hold, 30000);
    char id[ID_TEXT_SIZE];
    const char *kind, *of, *due;
    int count;
    assert_int_equal(json_unpack(at(shop, "timers", 0), "{s:s, s:s, s:i, s:s !}", "kind", &kind, "site", &of, "count",
                                 &count, "due_at", &due),
                     0);
    int64_t due_ms;
    assert_int_equal(time_parse(due, strlen(due), &due_ms), ERR_OK);
    assert_true(llabs(due_ms - clock_wall_ms() - 30000) < 20000);
    assert_string_equal(json_string_value(json_object_get(json_object_get(shop, "run"), "id")),
                        id_format(&runs[2], id));
    json_t *one = json_of(get(f, "/api/v1/services/shop", VIEWER), 200);
    assert_string_equal(json_string_value(json_object_get(one, "name")), "shop");
    json_decref(one);
    /* Configured, and nothing has happened to it yet. */
    assert_string_equal(json_string_value(json_object_get(wiki, "active")), "unknown");
    assert_true(json_is_null(json_object_get(wiki, "active_since")) && json_is_null(json_object_get(wiki, "run")));
    assert_string_equal(json_string_value(json_object_get(at(wiki, "sites", 1), "vote")), "unknown");
    json_decref(list);
    expect_error(get(f, "/api/v1/services/none", VIEWER), 404, "not_found", "no service none");
}

static void runs_in_pages(void **state)
{
    struct fixture *f = *state;
    char id[ID_TEXT_SIZE], target[128];
    json_t *page = json_of(get(f, "/api/v1/runs?limit=2", VIEWER), 200);
    assert_int_equal(json_array_size(json_object_get(page, "items")), 2);
    assert_string_equal(json_string_value(json_object_get(at(page, "items", 0), "id")), id_format(&runs[2], id));
    snprintf(target, sizeof target, "/api/v1/runs?limit=2&after=%s", json_string_value(json_object_get(page, "next")));
    json_decref(page);
    page = json_of(get(f, target, VIEWER), 200);
    assert_int_equal(json_array_size(json_object_get(page, "items")), 1);
    assert_null(json_object_get(page, "next"));
    json_decref(page);
    page = json_of(get(f, "/api/v1/runs?state=running&service=shop", VIEWER), 200);
    assert_int_equal(json_array_size(json_object_get(page, "items")), 1);
    json_decref(page);
    snprintf(target, sizeof target, "/api/v1/runs/%s", id_format(&runs[2], id));
    json_t *run = json_of(get(f, target, VIEWER), 200);
    assert_string_equal(json_string_value(json_object_get(at(run, "steps", 0), "name")), "DNS");
    json_decref(run);
    expect_error(get(f, "/api/v1/runs/00000000-0000-7000-8000-000000000000", VIEWER), 404, "not_found", "");
    expect_error(get(f, "/api/v1/runs/nonsense", VIEWER), 404, "not_found", "no run");
    expect_error(get(f, "/api/v1/runs?state=odd", VIEWER), 400, "invalid", "`odd`");
    expect_error(get(f, "/api/v1/runs?after=1", VIEWER), 400, "invalid", "`after`");
    expect_error(get(f, "/api/v1/runs?limit=0", VIEWER), 400, "invalid", "`limit`");
    expect_error(get(f, "/api/v1/runs?limit=501", VIEWER), 400, "invalid", "`limit`");
    expect_error(get(f, "/api/v1/runs?limit=1x", VIEWER), 400, "invalid", "`limit`");
    expect_error(get(f, "/api/v1/runs?stat=x", VIEWER), 400, "unknown_parameter", "`stat`");
    expect_error(get(f, "/api/v1/services?x=1", VIEWER), 400, "unknown_parameter", "there is none");
}

/* The sentences of an item as one text. */
static const char *explained(const json_t *item)
{
    static char text[4096];
    size_t i;
    const json_t *sentence;
    text[0] = '\0';
    json_array_foreach(json_object_get(item, "explanation"), i, sentence)
    {
        size_t len = strlen(text);
        snprintf(text + len, sizeof text - len, "%s%s", i ? " | " : "", json_string_value(sentence));
    }
    return text;
}

#define NEAREST "no rule matches; nearest: services.shop.alerts[0] (site gra): "

static void deliveries_in_pages(void **state)
{
    struct fixture *f = *state;
    json_t *page = json_of(get(f, "/api/v1/deliveries", VIEWER), 200);
    assert_int_equal(json_array_size(json_object_get(page, "items")), N_DELIVERIES);
    assert_null(json_object_get(page, "next"));
    assert_string_equal(explained(at(page, "items", 0)), "the body is too large to be read again here");
    assert_non_null(strstr(explained(at(page, "items", 1)), "the body cannot be read again: "));
    assert_string_equal(explained(at(page, "items", 2)), "source gone is no longer in the configuration");
    assert_string_equal(explained(at(page, "items", 3)),
                        NEAREST "service is \"shup\", expected \"shop\" | and 1 more alert");
    assert_null(json_object_get(at(page, "items", 4), "explanation"));
    char *item = json_dumps(at(page, "items", 4), JSON_SORT_KEYS | JSON_COMPACT);
    char expected[512], id[ID_TEXT_SIZE];
    snprintf(expected, sizeof expected,
             "{\"alerts\":1,\"body_bytes\":62,\"changed\":1,\"id\":\"%s\",\"received_at\":\"2023-11-14T22:13:20.000Z\","
             "\"services\":1,\"source\":\"prometheus\"}",
             id_format(&deliveries[0], id));
    assert_string_equal(item, expected);
    free(item);
    json_decref(page);
    page = json_of(get(f, "/api/v1/deliveries?unmatched=true&source=prometheus&limit=1", VIEWER), 200);
    assert_int_equal(json_array_size(json_object_get(page, "items")), 1);
    char target[128];
    snprintf(target, sizeof target, "/api/v1/deliveries?unmatched=true&source=prometheus&after=%" JSON_INTEGER_FORMAT,
             json_integer_value(json_object_get(page, "next")));
    json_decref(page);
    page = json_of(get(f, target, VIEWER), 200);
    assert_int_equal(json_array_size(json_object_get(page, "items")), 1);
    assert_string_equal(json_string_value(json_object_get(at(page, "items", 0), "id")), id_format(&deliveries[1], id));
    json_decref(page);
    expect_error(get(f, "/api/v1/deliveries", ""), 401, "unauthorized", "");
    expect_error(get(f, "/api/v1/deliveries?unmatched=yes", VIEWER), 400, "invalid", "`unmatched`");
    expect_error(get(f, "/api/v1/deliveries?after=x", VIEWER), 400, "invalid", "`after`");
    expect_error(get(f, "/api/v1/deliveries?limit=0", VIEWER), 400, "invalid", "`limit`");
}

static json_t *delivery_of(const struct fixture *f, int i)
{
    char target[128], id[ID_TEXT_SIZE];
    snprintf(target, sizeof target, "/api/v1/deliveries/%s", id_format(&deliveries[i], id));
    return json_of(get(f, target, VIEWER), 200);
}

static void one_delivery(void **state)
{
    struct fixture *f = *state;
    json_t *one = delivery_of(f, 1);
    assert_string_equal(json_string_value(json_object_get(one, "body")), UNMATCHED);
    assert_true(json_is_false(json_object_get(one, "is_cut")));
    assert_string_equal(explained(one),
                        "alert 1, firing: down vote for shop at gra by prometheus, 1 of 2; would hold 30 s | "
                        "alert 2, firing: " NEAREST "service is \"shup\", expected \"shop\"");
    const json_t *second = at(one, "read_again", 1);
    assert_string_equal(json_string_value(json_object_get(second, "identity")), "f1");
    assert_string_equal(json_string_value(json_object_get(json_object_get(second, "labels"), "service")), "shup");
    assert_true(json_is_null(json_object_get(at(one, "read_again", 0), "identity")));
    json_decref(one);
    one = delivery_of(f, 0);
    assert_string_equal(explained(one), "withdraws the down vote of prometheus for shop at gra");
    json_decref(one);
    one = delivery_of(f, 3);
    assert_string_equal(json_string_value(json_object_get(one, "body")), "<html>?");
    json_decref(one);
    one = delivery_of(f, 4);
    assert_true(json_is_true(json_object_get(one, "is_cut")));
    assert_int_equal(json_string_length(json_object_get(one, "body")), 64 * 1024);
    assert_memory_equal(json_string_value(json_object_get(one, "body")), "a??\"\n\xc3\xa9xxx", 10);
    json_decref(one);
    expect_error(get(f, "/api/v1/deliveries/00000000-0000-7000-8000-000000000000", VIEWER), 404, "not_found",
                 "no such delivery");
    expect_error(get(f, "/api/v1/deliveries/nonsense", VIEWER), 404, "not_found", "no delivery");
}

static void sources(void **state)
{
    struct fixture *f = *state;
    static const char *const from[] = {"192.0.2.0/24", "2001:db8::/32", "203.0.113.7", "0.0.0.0/0", "::/0"};
    static struct network networks[5];
    for (size_t i = 0; i < 5; i++)
        assert_true(network_parse(from[i], &networks[i]));
    f->sources[1].from = networks;
    f->sources[1].n_from = 5;
    struct answer answer = get(f, "/api/v1/sources", VIEWER);
    assert_null(strstr(answer.body, BEARER));
    assert_null(strstr(answer.body, "pa:ss"));
    answer_done(&answer);
    const char *body = "{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"service\":\"shop\"}}]}";
    const char *json = "Content-Type: application/json\r\nAuthorization: Bearer " BEARER "\r\n";
    for (int i = 0; i < 2; i++) { /* and its repeat */
        answer = ask(http_hooks_port(f->http), "POST", "/hooks/prometheus", json, body, strlen(body));
        assert_int_equal(answer.status, i ? 200 : 202);
        answer_done(&answer);
    }
    answer = ask(http_hooks_port(f->http), "POST", "/hooks/prometheus", json, "{}", 2);
    assert_int_equal(answer.status, 400);
    answer_done(&answer);
    json_t *list = json_of(get(f, "/api/v1/sources", VIEWER), 200);
    json_t *prometheus = at(list, "items", 0), *other = at(list, "items", 1);
    char *credentials = json_dumps(json_object_get(prometheus, "credentials"), JSON_SORT_KEYS | JSON_COMPACT);
    assert_string_equal(credentials, "[{\"count\":1,\"kind\":\"bearer\"},{\"count\":1,\"kind\":\"basic\"}]");
    free(credentials);
    const char *name, *kind, *heard_at, *other_at;
    int rules, open_alerts, n, refused;
    assert_int_equal(json_unpack(prometheus, "{s:s, s:s, s:i, s:i, s:i, s:i, s:s}", "name", &name, "kind", &kind,
                                 "rules", &rules, "open_alerts", &open_alerts, "deliveries", &n, "refused", &refused,
                                 "last_delivery_at", &heard_at),
                     0);
    assert_string_equal(name, "prometheus");
    assert_string_equal(kind, "alertmanager");
    assert_true(rules == 1 && open_alerts == 3 && n == 2 && refused == 1);
    int64_t at_ms;
    assert_int_equal(time_parse(heard_at, strlen(heard_at), &at_ms), ERR_OK);
    assert_true(llabs(at_ms - clock_wall_ms()) < 20000);
    /* Nothing since the start, but in the database. */
    assert_int_equal(json_unpack(other, "{s:i, s:s}", "deliveries", &n, "last_delivery_at", &other_at), 0);
    assert_int_equal(n, 0);
    assert_string_equal(other_at, "2023-11-14T22:13:20.004Z");
    assert_true(json_is_null(json_object_get(other, "rate")));
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(json_string_value(at(other, "from", i)), from[i]);
    json_decref(list);
}

static void audit_in_pages(void **state)
{
    struct fixture *f = *state;
    json_t *page = json_of(get(f, "/api/v1/audit?limit=500", VIEWER), 200);
    assert_int_equal(json_array_size(json_object_get(page, "items")), 500);
    assert_int_equal(json_integer_value(json_object_get(at(page, "items", 0), "seq")), N_ENTRIES);
    char target[128];
    snprintf(target, sizeof target, "/api/v1/audit?limit=500&after=%" JSON_INTEGER_FORMAT,
             json_integer_value(json_object_get(page, "next")));
    json_decref(page);
    page = json_of(get(f, target, VIEWER), 200);
    assert_int_equal(json_integer_value(json_object_get(at(page, "items", 0), "seq")), N_ENTRIES - 500);
    json_decref(page);
    page = json_of(get(f, "/api/v1/audit?kind=decision.&service=shop&limit=3", VIEWER), 200);
    assert_int_equal(json_array_size(json_object_get(page, "items")), 3);
    assert_string_equal(json_string_value(json_object_get(json_object_get(at(page, "items", 0), "entry"), "kind")),
                        "decision.vote");
    json_decref(page);
    expect_error(get(f, "/api/v1/audit?after=-1", VIEWER), 400, "invalid", "`after`");
    expect_error(get(f, "/api/v1/audit?after=99999999999999999999", VIEWER), 400, "invalid", "`after`");
}

static void the_whole_audit_log(void **state)
{
    struct fixture *f = *state;
    struct answer answer = get(f, "/api/v1/audit/export", VIEWER);
    assert_int_equal(answer.status, 200);
    char value[64];
    assert_string_equal(answer_header(&answer, "Content-Type", value, sizeof value), "application/x-ndjson");
    struct sha256 hash = {{0}};
    int seq = 0;
    for (char *line = answer.body; *line; seq++) {
        char *end = strchr(line, '\n');
        assert_non_null(end);
        *end = '\0';
        char hex[65];
        assert_int_equal(sscanf(line, "{\"hash\":\"%64[0-9a-f]\",\"entry\":{", hex), 1);
        /* The chain, from the exported bytes alone. */
        size_t head = strlen("{\"hash\":\"\",\"entry\":") + 64;
        hash = audit_hash(&hash, line + head, strlen(line) - head - 1);
        char expected[65];
        hex_encode(hash.bytes, sizeof hash.bytes, expected);
        assert_string_equal(hex, expected);
        line = end + 1;
    }
    assert_int_equal(seq, N_ENTRIES);
    answer_done(&answer);
    json_t *verdict = json_of(get(f, "/api/v1/audit/verify", VIEWER), 200);
    int is_intact = 0, first, last, count;
    const char *head, *text;
    json_t *broken;
    assert_int_equal(json_unpack(verdict, "{s:b, s:i, s:i, s:i, s:s, s:o, s:s !}", "intact", &is_intact, "first",
                                 &first, "last", &last, "count", &count, "head", &head, "broken_seq", &broken, "text",
                                 &text),
                     0);
    assert_true(is_intact && first == 1 && last == N_ENTRIES && count == N_ENTRIES && json_is_null(broken));
    json_decref(verdict);
}

/* Readers of the export who stop reading hold their place, and no more than a few do at a time. */
static void exports_are_limited(void **state)
{
    struct fixture *f = *state;
    int fds[5];
    struct answer answer;
    for (int i = 0; i < 4; i++) {
        fds[i] = connect_to(http_api_port(f->http));
        int small = 2048;
        setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        send_text(fds[i], "GET /api/v1/audit/export HTTP/1.1\r\nHost: x\r\n" VIEWER "\r\n");
    }
    sleep_ms(200);
    answer = get(f, "/api/v1/audit/export", VIEWER);
    assert_true(answer.status == 503 || answer.status == 200); /* 200: all of it fitted into the kernel's buffers */
    answer_done(&answer);
    json_decref(json_of(get(f, "/api/v1/services", VIEWER), 200));
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    for (int i = 0; i < 200; i++) {
        answer = get(f, "/api/v1/audit/export", VIEWER);
        int status = answer.status;
        answer_done(&answer);
        if (status == 200)
            return;
        sleep_ms(20);
    }
    fail_msg("the exports never ended");
}

static void no_commit_in_time(void **state)
{
    struct fixture *f = *state;
    fixture_done(f);
    fixture_init(f);
    f->settings.commit_deadline_ms = 300;
    f->settings.database = database;
    fixture_start(f);
    atomic_store(&f->is_holding, true);
    expect_error(call(f, "/api/v1/services/shop/failover", OPERATOR, "{\"reason\":\"x\"}"), 503, "unavailable",
                 "not known whether");
    json_decref(json_of(get(f, "/api/v1/services", VIEWER), 200));
    atomic_store(&f->is_holding, false);
}

static void pages(void **state)
{
    struct fixture *f = *state;
    struct answer answer = get(f, "/", "");
    char tag[64], value[256], headers[128];
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.body, "<html"));
    assert_string_equal(answer_header(&answer, "Content-Type", value, sizeof value), "text/html; charset=utf-8");
    assert_string_equal(answer_header(&answer, "Cache-Control", value, sizeof value), "no-cache");
    assert_string_equal(answer_header(&answer, "X-Content-Type-Options", value, sizeof value), "nosniff");
    assert_string_equal(answer_header(&answer, "Referrer-Policy", value, sizeof value), "no-referrer");
    assert_non_null(strstr(answer_header(&answer, "Content-Security-Policy", value, sizeof value),
                           "default-src 'none'; script-src 'self'"));
    assert_non_null(answer_header(&answer, "ETag", tag, sizeof tag));
    answer_done(&answer);
    snprintf(headers, sizeof headers, "If-None-Match: %s\r\n", tag);
    answer = get(f, "/index.html", headers);
    assert_int_equal(answer.status, 304);
    answer_done(&answer);
    answer = ask(http_api_port(f->http), "HEAD", "/", "", NULL, 0);
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.len, 0);
    answer_done(&answer);
    static const char *const none[] = {"/nothing.js", "/../server/main.c", "/static/", "/api", "/%2e%2e%2fetc", "//"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        expect_error(get(f, none[i], ""), 404, "not_found", "");
}

static void add_metric(void *context, struct strbuf *text)
{
    strbuf_addf(text, "turnout_test %d\n", *(const int *)context);
}

static void health(void **state)
{
    struct fixture *f = *state;
    expect_json(get(f, "/healthz", ""), 200, "{\"status\":\"ok\"}");
    expect_error(get(f, "/readyz", ""), 503, "not_ready", "starting");
    http_set_ready(f->http, true, NULL);
    expect_json(get(f, "/readyz", ""), 200, "{\"status\":\"ready\",\"holds\":[]}");
    /* deliveries are taken all the same */
    http_set_holds(f->http, (const char *const[]){"cut_off", "heartbeat_failing", NULL});
    expect_json(get(f, "/readyz", ""), 200, "{\"status\":\"ready\",\"holds\":[\"cut_off\",\"heartbeat_failing\"]}");
    http_set_holds(f->http, (const char *const[]){NULL});
    expect_json(get(f, "/readyz", ""), 200, "{\"status\":\"ready\",\"holds\":[]}");
    http_set_ready(f->http, false, "the disk is full");
    expect_error(get(f, "/readyz", ""), 503, "not_ready", "the disk is full");
    int seven = 7;
    http_set_metrics(f->http, add_metric, &seven);
    struct answer answer = get(f, "/metrics", "");
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.body, "turnout_http_answers_total{listener=\"api\",status=\"5xx\"} 2\n"));
    assert_non_null(strstr(answer.body, "turnout_http_connections{listener=\"hooks\"} 0\n"));
    assert_non_null(strstr(answer.body, "turnout_test 7\n"));
    answer_done(&answer);
    http_set_metrics(f->http, NULL, NULL);
}

static void a_database_that_cannot_be_read(void **state)
{
    struct fixture *f = *state;
    char aside[128];
    snprintf(aside, sizeof aside, "%s.aside", database);
    assert_int_equal(rename(database, aside), 0);
    expect_error(get(f, "/api/v1/services", VIEWER), 503, "unavailable", "cannot be read");
    expect_error(get(f, "/api/v1/audit/export", VIEWER), 503, "unavailable", "cannot be read");
    expect_error(get(f, "/api/v1/audit/verify", VIEWER), 503, "unavailable", "cannot be read");
    expect_error(get(f, "/api/v1/deliveries", VIEWER), 503, "unavailable", "cannot be read");
    expect_error(get(f, "/api/v1/deliveries/00000000-0000-7000-8000-000000000000", VIEWER), 503, "unavailable",
                 "cannot be read");
    expect_error(get(f, "/api/v1/sources", VIEWER), 503, "unavailable", "cannot be read");
    assert_int_equal(rename(aside, database), 0);
    json_decref(json_of(get(f, "/api/v1/services", VIEWER), 200));
}

static void many_connections_on_hooks_leave_the_api_alone(void **state)
{
    struct fixture *f = *state;
    int fds[200];
    for (int i = 0; i < 200; i++)
        fds[i] = connect_to(http_hooks_port(f->http));
    json_decref(json_of(get(f, "/api/v1/services", VIEWER), 200));
    for (int i = 0; i < 200; i++)
        close(fds[i]);
}

int main(void)
{
    clock_start();
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(tokens_and_roles),
        TEST(a_refused_call_says_whose_it_was),
        TEST(bytes_that_are_not_text),
        TEST(services),
        TEST(runs_in_pages),
        TEST(deliveries_in_pages),
        TEST(one_delivery),
        TEST(sources),
        TEST(audit_in_pages),
        TEST(the_whole_audit_log),
        TEST(exports_are_limited),
        TEST(no_commit_in_time),
        TEST(pages),
        TEST(health),
        TEST(a_database_that_cannot_be_read),
        TEST(many_connections_on_hooks_leave_the_api_alone),
    };
    return cmocka_run_group_tests(tests, make_database, remove_database);
}
