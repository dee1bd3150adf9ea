/* Readers: what they open and refuse, and the JSON of services and runs. */
#include "tests/unit/store_fixture.h"

#include <pthread.h>

/* Compares with JSON in which ' stands for ". Takes `got`. */
static void assert_json(json_t *got, const char *expected)
{
    char text[4096];
    snprintf(text, sizeof text, "%s", expected);
    for (char *p = text; *p; p++)
        if (*p == '\'')
            *p = '"';
    json_error_t error;
    json_t *want = json_loads(text, JSON_DECODE_ANY, &error);
    if (!want)
        fail_msg("%s: %s", error.text, text);
    if (!json_equal(got, want)) {
        char *got_text = json_dumps(got, JSON_DECODE_ANY | JSON_SORT_KEYS);
        char *want_text = json_dumps(want, JSON_DECODE_ANY | JSON_SORT_KEYS);
        fail_msg("got  %s\nwant %s", got_text, want_text);
    }
    json_decref(want);
    json_decref(got);
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static void reader_needs_no_daemon(void **state)
{
    struct fixture *f = *state;
    add_audit(f, "daemon.started", "");
    fixture_write(f);
    fixture_close(f);
    struct store_reader *reader = fixture_reader(f);
    struct audit_verdict verdict;
    assert_ok(f, store_audit_verify(reader, &verdict, &f->why));
    assert_int_equal(verdict.count, 1);
    fixture_open(f); /* and a daemon may start meanwhile */
    add_audit(f, "daemon.started", "");
    fixture_write(f);
    assert_ok(f, store_audit_verify(reader, &verdict, &f->why));
    assert_int_equal(verdict.count, 2);
    store_reader_close(reader);
}

static void reader_cannot_write(void **state)
{
    struct fixture *f = *state;
    struct store_reader *reader = fixture_reader(f);
    assert_int_equal(connection_exec(&reader->connection, "UPDATE epoch SET epoch = 9", &f->why), ERR_IO);
    assert_says(f, "readonly");
    store_reader_close(reader);
}

static void reader_refuses(void **state)
{
    struct fixture *f = *state;
    struct store_reader *reader = NULL;
    assert_int_equal(store_reader_open(f->path, &reader, &f->why), ERR_NOT_FOUND);
    assert_says(f, f->path);
    assert_false(is_there(f->path));
    tamper(f, "CREATE TABLE theirs (x)");
    assert_int_equal(store_reader_open(f->path, &reader, &f->why), ERR_INVALID);
    assert_says(f, "another program");
    unlink(f->path);
    assert_ok(f, lock_make_file(f->path, &f->why));
    assert_int_equal(store_reader_open(f->path, &reader, &f->why), ERR_INVALID);
    assert_says(f, "is empty");
    assert_int_not_equal(store_reader_open(f->folder, &reader, &f->why), ERR_OK);
    assert_null(reader);
}

static void set_mode(const struct fixture *f, mode_t folder, mode_t file)
{
    chmod(f->folder, folder);
    chmod(f->path, file);
}

/* In a child that is nobody. */
static int read_as_nobody(struct fixture *f, const char *path)
{
    pid_t child = fork();
    if (child == 0) {
        struct store_reader *reader = NULL;
        struct audit_verdict verdict;
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(100);
        enum err err = store_reader_open(path, &reader, &f->why);
        if (err == ERR_OK)
            err = store_audit_verify(reader, &verdict, &f->why);
        if (err != ERR_OK)
            _exit(strstr(f->why.text, "copy both files") ? 3 : strstr(f->why.text, "Permission") ? 4 : 5);
        _exit(verdict.is_intact && verdict.count == 1 ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 101;
}

static void file_of_another_is_read(void **state)
{
    struct fixture *f = *state;
    add_audit(f, "daemon.started", "");
    fixture_write(f);
    fixture_close(f);
    set_mode(f, 0555, 0444);
    assert_int_equal(read_as_nobody(f, f->path), 0);
    /* A name that means something in a URI. */
    char odd[160];
    set_mode(f, 0755, 0444);
    snprintf(odd, sizeof odd, "%s/a?b=c#%%20d.db", f->folder);
    assert_int_equal(rename(f->path, odd), 0);
    set_mode(f, 0555, 0444);
    assert_int_equal(read_as_nobody(f, odd), 0);
    set_mode(f, 0755, 0444);
    assert_int_equal(rename(odd, f->path), 0);
    set_mode(f, 0555, 0);
    assert_int_equal(read_as_nobody(f, f->path), 4);
    set_mode(f, 0755, 0600);
}

/* What stands in a WAL that nobody can open would be missing silently. */
static void wal_is_not_left_out(void **state)
{
    struct fixture *f = *state;
    char wal[160];
    char shm[160];
    snprintf(wal, sizeof wal, "%s-wal", f->path);
    snprintf(shm, sizeof shm, "%s-shm", f->path);
    fixture_close(f);
    FILE *file = fopen(wal, "w");
    assert_non_null(file);
    fputs("something", file);
    fclose(file);
    chmod(wal, 0444);
    set_mode(f, 0555, 0444);
    assert_int_equal(read_as_nobody(f, f->path), 3);
    set_mode(f, 0755, 0600);
    unlink(shm);
}

/* ---- services ---------------------------------------------------------------------------------------------------- */

static void services_are_empty_at_first(void **state)
{
    struct fixture *f = *state;
    struct store_reader *reader = fixture_reader(f);
    json_t *services = NULL;
    assert_ok(f, store_services(reader, &services, &f->why));
    assert_json(services, "[]");
    store_reader_close(reader);
}

static void services_with_everything(void **state)
{
    struct fixture *f = *state;
    batch_active(f->batch, &(struct active_row){.service = "shop", .since = NOW, .kind = ACTIVE_MOVING, .site = "gra"});
    batch_active(f->batch, &(struct active_row){.service = "blog", .since = NOW, .kind = ACTIVE_SPLIT, .site = ""});
    for (int i = 0; i < 4; i++)
        batch_match(f->batch, &(struct match_row){.key = key_of(i),
                                                  .service = "shop",
                                                  .site = "gra",
                                                  .source = i < 3 ? "one" : "two",
                                                  .says = i < 2 ? VOTE_DOWN : VOTE_UP});
    batch_vote(f->batch, &(struct vote_row){.service = "shop",
                                            .site = "gra",
                                            .source = "one",
                                            .vote = VOTE_DOWN,
                                            .heard_at = 77,
                                            .offset_ms = -3,
                                            .boot_id = "b"});
    batch_pause(f->batch, &(struct pause_row){.service = "wiki", .at = NOW, .who = "oncall", .reason = "work"});
    batch_timer(
        f->batch,
        &(struct timer_row){
            .service = "shop", .site = "gra", .kind = TIMER_HOLD, .due_at = NOW, .offset_ms = -3, .boot_id = "b"});
    batch_timer(f->batch, &(struct timer_row){
                              .service = "wiki", .site = "", .kind = TIMER_COOL_DOWN, .due_at = 5, .boot_id = "b"});
    batch_incident(f->batch, &(struct incident_row){.id = id_of(1),
                                                    .service = "shop",
                                                    .site = "gra",
                                                    .opened_at = NOW,
                                                    .is_standing = true,
                                                    .stood_at = NOW,
                                                    .most_votes = 2,
                                                    .last_reason = "cool_down",
                                                    .run = id_of(2)});
    batch_incident(
        f->batch,
        &(struct incident_row){
            .id = id_of(2), .service = "old", .site = "gra", .opened_at = NOW, .resolved_at = NOW, .last_reason = ""});
    struct run_row run = run_of(1, "shop", RUN_SUCCEEDED);
    batch_run(f->batch, &run);
    run = run_of(2, "shop", RUN_RUNNING);
    run.started_at = NOW;
    run.from = "";
    run.is_ours = true;
    run.incident = id_of(1);
    run.error = "half \xc3 a character";
    batch_run(f->batch, &run);
    fixture_write(f);
    struct store_reader *reader = fixture_reader(f);
    json_t *services = NULL;
    assert_ok(f, store_services(reader, &services, &f->why));
    assert_json(
        services,
        "[{'name': 'blog', 'active': 'split', 'active_site': null, 'active_since': '" NOW_TEXT "', 'votes': [], "
        "'timers': [], 'incidents': [], 'paused': null, 'run': null, 'debts': [], 'drills': [], 'readiness': "
        "{'failover': null, 'failback': null}}, "
        "{'name': 'shop', 'active': 'moving', 'active_site': 'gra', 'active_since': '" NOW_TEXT "', "
        "'votes': [{'site': 'gra', 'source': 'one', 'down': 2, 'up': 1, 'vote': 'down', 'heard_at': 77, "
        "'offset_ms': -3, 'boot_id': 'b'}, {'site': 'gra', 'source': 'two', 'down': 0, 'up': 1, 'vote': 'unknown', "
        "'heard_at': 0, 'offset_ms': 0, 'boot_id': ''}], "
        "'timers': [{'kind': 'hold', 'site': 'gra', 'count': 0, 'due_at': 1795227607123, 'offset_ms': -3, "
        "'boot_id': 'b'}], "
        "'incidents': [{'id': '01000000-0000-0000-0000-000000000001', 'service': 'shop', 'site': 'gra', "
        "'opened_at': '" NOW_TEXT "', 'resolved_at': null, 'is_standing': true, 'stood_at': '" NOW_TEXT "', "
        "'fell_at': null, 'most_votes': 2, 'would_at': null, 'would_to': null, 'reason': 'cool_down', "
        "'run': '01000000-0000-0000-0000-000000000002'}], 'paused': null, "
        "'run': {'id': '01000000-0000-0000-0000-000000000002', 'service': 'shop', 'kind': 'failover', "
        "'occasion': 'outage', 'is_ours': true, 'overrides': '', 'from': null, "
        "'to': 'rbx', 'state': 'running', 'has_effect': false, 'ending': null, 'is_undoing': false, 'plan': null, "
        "'reason': 'quorum', 'started_by': 'decision', "
        "'incident': '01000000-0000-0000-0000-000000000001', 'started_at': '" NOW_TEXT "', 'finished_at': null, "
        "'error': 'half ? a character'}, 'debts': [], 'drills': [], 'readiness': {'failover': null, 'failback': "
        "null}}, "
        "{'name': 'wiki', 'active': 'unknown', 'active_site': null, 'active_since': null, 'votes': [], "
        "'timers': [{'kind': 'cool_down', 'site': null, 'count': 0, 'due_at': 5, 'offset_ms': 0, 'boot_id': 'b'}], "
        "'incidents': [], 'paused': {'at': '" NOW_TEXT "', 'who': 'oncall', 'reason': 'work'}, 'run': null, "
        "'debts': [], 'drills': [], 'readiness': {'failover': null, 'failback': null}}]");
    store_reader_close(reader);
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

/* Goes through all pages; returns how many runs there were, newest first and all of them fitting. */
static int walk(struct fixture *f, const char *service, const char *state, int limit)
{
    struct store_reader *reader = fixture_reader(f);
    struct id before = {0};
    char last[ID_TEXT_SIZE] = "ffffffff";
    int n = 0;
    do {
        json_t *items = NULL;
        assert_ok(f, store_runs_page(reader, &before, limit, service, state, &items, &before, &f->why));
        assert_true(json_array_size(items) <= (size_t)limit);
        assert_true(id_is_nil(&before) || json_array_size(items) == (size_t)limit);
        size_t i;
        json_t *item;
        json_array_foreach(items, i, item)
        {
            const char *id = json_string_value(json_object_get(item, "id"));
            assert_true(strcmp(id, last) < 0);
            strcpy(last, id);
            if (service)
                assert_string_equal(json_string_value(json_object_get(item, "service")), service);
            if (state)
                assert_string_equal(json_string_value(json_object_get(item, "state")), state);
            assert_null(json_object_get(item, "steps"));
            n++;
        }
        json_decref(items);
    } while (!id_is_nil(&before));
    store_reader_close(reader);
    return n;
}

static void runs_by_pages(void **state)
{
    struct fixture *f = *state;
    for (int i = 1; i <= 60; i++) {
        struct run_row run = run_of(i, i % 3 ? "shop" : "blog", i % 2 ? RUN_SUCCEEDED : RUN_CANCELLED);
        batch_run(f->batch, &run);
    }
    fixture_write(f);
    static const int limits[] = {1, 7, 20, 60, 500};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        assert_int_equal(walk(f, NULL, NULL, limits[i]), 60);
        assert_int_equal(walk(f, "shop", NULL, limits[i]), 40);
        assert_int_equal(walk(f, NULL, "succeeded", limits[i]), 30);
        assert_int_equal(walk(f, "blog", "cancelled", limits[i]), 10);
        assert_int_equal(walk(f, "none", NULL, limits[i]), 0);
        assert_int_equal(walk(f, "shop", "nonsense", limits[i]), 0);
    }
    struct store_reader *reader = fixture_reader(f);
    struct id next;
    json_t *items = NULL;
    assert_int_equal(store_runs_page(reader, &(struct id){0}, 501, NULL, NULL, &items, &next, &f->why), ERR_INVALID);
    store_reader_close(reader);
}

/* ---- deliveries -------------------------------------------------------------------------------------------------- */

static void add_delivery_of(struct fixture *f, int n, const char *source, int services, const char *body)
{
    batch_delivery(f->batch, &(struct delivery_row){.seq = n,
                                                    .id = id_of(n),
                                                    .source = source,
                                                    .received_at = NOW + n,
                                                    .alerts = 2,
                                                    .changed = 1,
                                                    .services = services,
                                                    .body = body,
                                                    .body_len = strlen(body)});
}

/* Goes through all pages; returns how many there were, newest first and all of them fitting. */
static int walk_deliveries(struct fixture *f, const char *source, bool is_unmatched, int limit)
{
    struct store_reader *reader = fixture_reader(f);
    int64_t before = 0;
    char last[ID_TEXT_SIZE] = "ffffffff";
    int n = 0;
    do {
        json_t *items = NULL;
        assert_ok(f, store_deliveries_page(reader, before, limit, source, is_unmatched, &items, &before, &f->why));
        assert_true(before == 0 || json_array_size(items) == (size_t)limit);
        size_t i;
        json_t *item;
        json_array_foreach(items, i, item)
        {
            const char *id = json_string_value(json_object_get(item, "id"));
            assert_true(strcmp(id, last) < 0);
            strcpy(last, id);
            if (source)
                assert_string_equal(json_string_value(json_object_get(item, "source")), source);
            if (is_unmatched)
                assert_int_equal(json_integer_value(json_object_get(item, "services")), 0);
            n++;
        }
        json_decref(items);
    } while (before != 0);
    store_reader_close(reader);
    return n;
}

static void deliveries_by_pages(void **state)
{
    struct fixture *f = *state;
    for (int i = 1; i <= 60; i++)
        add_delivery_of(f, i, i % 3 ? "pingdom" : "robot", i % 2, "{}");
    fixture_write(f);
    static const int limits[] = {1, 7, 20, 60, 500};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        assert_int_equal(walk_deliveries(f, NULL, false, limits[i]), 60);
        assert_int_equal(walk_deliveries(f, NULL, true, limits[i]), 30);
        assert_int_equal(walk_deliveries(f, "pingdom", false, limits[i]), 40);
        assert_int_equal(walk_deliveries(f, "robot", true, limits[i]), 10);
        assert_int_equal(walk_deliveries(f, "none", false, limits[i]), 0);
    }
    struct store_reader *reader = fixture_reader(f);
    int64_t next;
    json_t *items = NULL;
    assert_int_equal(store_deliveries_page(reader, 0, 501, NULL, false, &items, &next, &f->why), ERR_INVALID);
    store_reader_close(reader);
}

static void delivery_with_its_body(void **state)
{
    struct fixture *f = *state;
    add_delivery_of(f, 7, "pingdom", 0, "{\"check_id\": 1}");
    add_delivery_of(f, 8, "pingdom", 1, "");
    fixture_write(f);
    struct store_reader *reader = fixture_reader(f);
    struct strbuf body = STRBUF_INIT;
    json_t *delivery = NULL;
    struct id id = id_of(7);
    assert_ok(f, store_delivery_get(reader, &id, 100, &delivery, &body, &f->why));
    assert_string_equal(strbuf_text(&body), "{\"check_id\": 1}");
    assert_json(delivery, "{'id': '01000000-0000-0000-0000-000000000007', 'source': 'pingdom', 'received_at': "
                          "'2026-11-21T02:20:07.130Z', 'alerts': 2, 'changed': 1, 'services': 0, 'body_bytes': 15}");
    strbuf_clear(&body);
    assert_ok(f, store_delivery_get(reader, &id, 4, &delivery, &body, &f->why));
    assert_string_equal(strbuf_text(&body), "{\"ch");
    json_decref(delivery);
    strbuf_clear(&body);
    id = id_of(8);
    assert_ok(f, store_delivery_get(reader, &id, 4, &delivery, &body, &f->why));
    assert_int_equal(body.len, 0);
    json_decref(delivery);
    id = id_of(9);
    assert_int_equal(store_delivery_get(reader, &id, 4, &delivery, &body, &f->why), ERR_NOT_FOUND);
    strbuf_done(&body);
    store_reader_close(reader);
}

static void what_is_known_of_a_source(void **state)
{
    struct fixture *f = *state;
    add_delivery_of(f, 1, "pingdom", 1, "{}");
    add_delivery_of(f, 2, "pingdom", 1, "{}");
    add_delivery_of(f, 3, "robot", 1, "{}");
    batch_source(f->batch, &(struct source_row){.name = "pingdom", .open_alerts = 5});
    fixture_write(f);
    struct store_reader *reader = fixture_reader(f);
    int64_t open_alerts = -1, last_at = -1;
    assert_ok(f, store_source_get(reader, "pingdom", &open_alerts, &last_at, &f->why));
    assert_true(open_alerts == 5 && last_at == NOW + 2);
    assert_ok(f, store_source_get(reader, "robot", &open_alerts, &last_at, &f->why));
    assert_true(open_alerts == 0 && last_at == NOW + 3);
    assert_ok(f, store_source_get(reader, "none", &open_alerts, &last_at, &f->why));
    assert_true(open_alerts == 0 && last_at == 0);
    store_reader_close(reader);
}

/* ---- incidents --------------------------------------------------------------------------------------------------- */

static void add_incident(struct fixture *f, int n, const char *service, bool is_open)
{
    batch_incident(f->batch, &(struct incident_row){.id = id_of(n),
                                                    .service = service,
                                                    .site = "gra",
                                                    .opened_at = NOW + n,
                                                    .resolved_at = is_open ? 0 : NOW + n + 1,
                                                    .last_reason = "none"});
}

/* Goes through all pages; returns how many there were, newest first and all of them fitting. */
static int walk_incidents(struct fixture *f, const char *service, bool is_open, int limit)
{
    struct store_reader *reader = fixture_reader(f);
    struct id before = {0};
    char last[ID_TEXT_SIZE] = "ffffffff";
    int n = 0;
    do {
        json_t *items = NULL;
        assert_ok(f, store_incidents_page(reader, &before, limit, service, is_open, &items, &before, &f->why));
        assert_true(id_is_nil(&before) || json_array_size(items) == (size_t)limit);
        size_t i;
        json_t *item;
        json_array_foreach(items, i, item)
        {
            const char *id = json_string_value(json_object_get(item, "id"));
            assert_true(strcmp(id, last) < 0);
            strcpy(last, id);
            if (service)
                assert_string_equal(json_string_value(json_object_get(item, "service")), service);
            if (is_open)
                assert_true(json_is_null(json_object_get(item, "resolved_at")));
            n++;
        }
        json_decref(items);
    } while (!id_is_nil(&before));
    store_reader_close(reader);
    return n;
}

static void incidents_by_pages(void **state)
{
    struct fixture *f = *state;
    for (int i = 1; i <= 60; i++)
        add_incident(f, i, i % 3 ? "shop" : "blog", i % 2);
    fixture_write(f);
    static const int limits[] = {1, 7, 20, 60, 500};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        assert_int_equal(walk_incidents(f, NULL, false, limits[i]), 60);
        assert_int_equal(walk_incidents(f, NULL, true, limits[i]), 30);
        assert_int_equal(walk_incidents(f, "shop", false, limits[i]), 40);
        assert_int_equal(walk_incidents(f, "blog", true, limits[i]), 10);
        assert_int_equal(walk_incidents(f, "none", false, limits[i]), 0);
    }
    struct store_reader *reader = fixture_reader(f);
    struct id next;
    json_t *items = NULL;
    assert_int_equal(store_incidents_page(reader, &(struct id){0}, 501, NULL, false, &items, &next, &f->why),
                     ERR_INVALID);
    store_reader_close(reader);
}

static void add_link(struct fixture *f, int incident)
{
    char text[ID_TEXT_SIZE];
    struct id id = id_of(incident);
    json_t *entry = json_pack("{s:s, s:s}", "text", "a vote", "incident", id_format(&id, text));
    assert_int_equal(audit_append(&f->chain, f->batch, entry, NOW, "decision.vote", "shop"), ERR_OK);
}

static int64_t seq_at(const json_t *incident, size_t i)
{
    return json_integer_value(json_object_get(json_array_get(json_object_get(incident, "chain"), i), "seq"));
}

static void incident_with_its_chain(void **state)
{
    struct fixture *f = *state;
    add_incident(f, 1, "shop", true);
    add_incident(f, 2, "shop", true);
    add_link(f, 1);
    add_link(f, 2);
    add_audit(f, "run.started", "shop"); /* names none */
    add_link(f, 1);
    fixture_write(f);
    struct store_reader *reader = fixture_reader(f);
    json_t *got = NULL;
    struct id id = id_of(1);
    assert_ok(f, store_incident_get(reader, &id, &got, &f->why));
    assert_string_equal(json_string_value(json_object_get(got, "id")), "01000000-0000-0000-0000-000000000001");
    assert_int_equal(json_array_size(json_object_get(got, "chain")), 2);
    assert_int_equal(seq_at(got, 0), 1);
    assert_int_equal(seq_at(got, 1), 4);
    json_t *entry = json_object_get(json_array_get(json_object_get(got, "chain"), 1), "entry");
    assert_string_equal(json_string_value(json_object_get(entry, "text")), "a vote");
    assert_int_equal(json_integer_value(json_object_get(got, "left_out")), 0);
    json_decref(got);
    id = id_of(3);
    assert_int_equal(store_incident_get(reader, &id, &got, &f->why), ERR_NOT_FOUND);
    assert_true(sqlite3_get_autocommit(reader->connection.db));
    store_reader_close(reader);
}

/* How it began and how it stands are shown, and how much is not. */
static void long_chain_has_both_ends(void **state)
{
    struct fixture *f = *state;
    static const int lengths[] = {STORE_MAX_CHAIN / 2, STORE_MAX_CHAIN / 2 + 1, STORE_MAX_CHAIN, STORE_MAX_CHAIN + 7};
    add_incident(f, 1, "shop", true);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        while (f->chain.seq < lengths[i])
            add_link(f, 1);
        fixture_write(f);
        struct store_reader *reader = fixture_reader(f);
        json_t *got = NULL;
        struct id id = id_of(1);
        assert_ok(f, store_incident_get(reader, &id, &got, &f->why));
        int shown = lengths[i] < STORE_MAX_CHAIN ? lengths[i] : STORE_MAX_CHAIN;
        assert_int_equal(json_array_size(json_object_get(got, "chain")), shown);
        assert_int_equal(json_integer_value(json_object_get(got, "left_out")), lengths[i] - shown);
        for (int k = 0; k < shown; k++)
            assert_int_equal(seq_at(got, (size_t)k), k < STORE_MAX_CHAIN / 2 ? k + 1 : lengths[i] - shown + k + 1);
        json_decref(got);
        store_reader_close(reader);
    }
}

static void add_step(struct fixture *f, int n, enum step_state step_state, int n_attempts)
{
    batch_step(f->batch, &(struct step_row){.run = id_of(1),
                                            .n = n,
                                            .name = "Linode DNS",
                                            .action = "linode.dns_record",
                                            .state = step_state,
                                            .n_attempts = n_attempts,
                                            .boot_id = "b",
                                            .started_at = n_attempts ? NOW : 0,
                                            .error = n_attempts ? "busy" : "",
                                            .token = "",
                                            .observed = ""});
}

static void add_attempt(struct fixture *f, int step, int n, enum outcome outcome, const char *detail)
{
    batch_attempt(f->batch, &(struct attempt_row){.run = id_of(1),
                                                  .step = step,
                                                  .n = n,
                                                  .phase = PHASE_APPLY,
                                                  .outcome = outcome,
                                                  .started_at = NOW,
                                                  .finished_at = outcome == OUTCOME_STARTED ? 0 : NOW,
                                                  .text = "429",
                                                  .detail = detail});
}

static void run_with_steps_and_attempts(void **state)
{
    struct fixture *f = *state;
    struct run_row run = run_of(1, "shop", RUN_ATTENTION);
    run.started_at = NOW;
    run.has_effect = true;
    run.occasion = OCCASION_PLANNED;
    run.overrides = "preflight";
    batch_run(f->batch, &run);
    add_step(f, 1, STEP_PENDING, 0);
    add_step(f, 0, STEP_FAILED, 2);
    add_attempt(f, 0, 1, OUTCOME_TEMPORARY, "{\"current\":[\"a\"],\"is_right\":false}");
    add_attempt(f, 0, 2, OUTCOME_STARTED, "");
    fixture_write(f);
    struct store_reader *reader = fixture_reader(f);
    json_t *got = NULL;
    struct id id = id_of(1);
    assert_ok(f, store_run_get(reader, &id, &got, &f->why));
    assert_json(
        got,
        "{'id': '01000000-0000-0000-0000-000000000001', 'service': 'shop', 'kind': 'failover', "
        "'occasion': 'planned', 'is_ours': false, 'overrides': 'preflight', 'from': 'gra', 'to': 'rbx', "
        "'state': 'attention', 'has_effect': true, 'ending': null, 'is_undoing': false, 'plan': null, "
        "'reason': 'quorum', "
        "'started_by': 'decision', 'incident': null, 'started_at': '" NOW_TEXT "', 'finished_at': null, "
        "'error': '', 'debts': 0, 'timing': {'alert_at': null, 'decided_at': '" NOW_TEXT "', 'finished_at': null, "
        "'measured_at': null, 'decision_ms': null, 'steps_ms': null, 'felt_ms': null, 'steps': [{'n': 0, "
        "'name': 'Linode DNS', 'is_measure': false, 'after_ms': 0, 'took_ms': null}]}, 'steps': ["
        "{'n': 0, 'name': 'Linode DNS', 'action': 'linode.dns_record', 'state': 'failed', "
        "'group': 0, 'on_failure': 'attention', 'is_measure': false, 'is_point_of_no_return': false, "
        "'is_undoing': false, 'previous': null, "
        "'error': 'busy', 'started_at': '" NOW_TEXT "', 'finished_at': null, 'n_attempts': 2, 'attempts': ["
        "{'n': 1, 'phase': 'apply', 'is_undo': false, 'outcome': 'temporary', 'text': '429', 'started_at': '" NOW_TEXT
        "', "
        "'finished_at': '" NOW_TEXT "', 'detail': {'current': ['a'], 'is_right': false}}, "
        "{'n': 2, 'phase': 'apply', 'is_undo': false, 'outcome': 'started', 'text': '429', 'started_at': '" NOW_TEXT
        "', "
        "'finished_at': null, 'detail': null}]}, "
        "{'n': 1, 'name': 'Linode DNS', 'action': 'linode.dns_record', 'state': 'pending', "
        "'group': 0, 'on_failure': 'attention', 'is_measure': false, 'is_point_of_no_return': false, "
        "'is_undoing': false, 'previous': null, 'error': '', "
        "'started_at': null, 'finished_at': null, 'n_attempts': 0, 'attempts': []}]}");
    id = id_of(2);
    assert_int_equal(store_run_get(reader, &id, &got, &f->why), ERR_NOT_FOUND);
    id = (struct id){0};
    assert_int_equal(store_run_get(reader, &id, &got, &f->why), ERR_NOT_FOUND);
    assert_true(sqlite3_get_autocommit(reader->connection.db));
    store_reader_close(reader);
}

static void only_the_last_attempts_are_shown(void **state)
{
    struct fixture *f = *state;
    struct run_row run = run_of(1, "shop", RUN_RUNNING);
    batch_run(f->batch, &run);
    add_step(f, 0, STEP_RUNNING, 250);
    for (int i = 1; i <= 250; i++)
        add_attempt(f, 0, i, OUTCOME_NOT_YET, "");
    fixture_write(f);
    struct store_reader *reader = fixture_reader(f);
    json_t *got = NULL;
    struct id id = id_of(1);
    assert_ok(f, store_run_get(reader, &id, &got, &f->why));
    json_t *step = json_array_get(json_object_get(got, "steps"), 0);
    json_t *attempts = json_object_get(step, "attempts");
    assert_int_equal(json_integer_value(json_object_get(step, "n_attempts")), 250);
    assert_int_equal(json_array_size(attempts), STORE_MAX_ATTEMPTS);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(attempts, 0), "n")), 151);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(attempts, 99), "n")), 250);
    json_decref(got);
    store_reader_close(reader);
}

static bool is_current(struct fixture *f, struct store_reader *reader, int step, int attempt)
{
    bool is = false;
    struct id id = id_of(1);
    assert_ok(f, store_attempt_is_current(reader, &id, step, attempt, &is, &f->why));
    return is;
}

static void put_run(struct fixture *f, const struct run_row *run)
{
    batch_run(f->batch, run);
    fixture_write(f);
}

static void attempt_is_current_while_all_stands(void **state)
{
    struct fixture *f = *state;
    struct run_row run = run_of(1, "shop", RUN_RUNNING);
    add_step(f, 0, STEP_DONE, 1);
    add_step(f, 1, STEP_RUNNING, 2);
    add_attempt(f, 0, 1, OUTCOME_STARTED, "");
    add_attempt(f, 1, 1, OUTCOME_TEMPORARY, "");
    add_attempt(f, 1, 2, OUTCOME_STARTED, "");
    put_run(f, &run);
    struct store_reader *reader = fixture_reader(f);
    assert_true(is_current(f, reader, 1, 2));
    assert_false(is_current(f, reader, 1, 1)); /* has ended */
    assert_false(is_current(f, reader, 0, 1)); /* the step has ended */
    assert_false(is_current(f, reader, 1, 3)); /* not journaled */
    run.ending = ENDING_CANCEL;
    put_run(f, &run);
    assert_false(is_current(f, reader, 1, 2));
    run.ending = ENDING_NONE;
    run.state = RUN_ATTENTION; /* since another step of its group failed */
    put_run(f, &run);
    assert_true(is_current(f, reader, 1, 2));
    run.state = RUN_SUCCEEDED;
    put_run(f, &run);
    assert_false(is_current(f, reader, 1, 2));
    add_step(f, 1, STEP_OWED, 2);
    fixture_write(f);
    assert_true(is_current(f, reader, 1, 2));
    struct id id = id_of(9);
    bool is = true;
    assert_ok(f, store_attempt_is_current(reader, &id, 1, 2, &is, &f->why));
    assert_false(is);
    store_reader_close(reader);
}

/* A run that is rejected before it began, and a drill, end nothing. */
static void an_older_run_writes_nothing_once_another_has_begun(void **state)
{
    struct fixture *f = *state;
    struct run_row run = run_of(1, "shop", RUN_SUCCEEDED);
    batch_run(f->batch, &run);
    add_step(f, 1, STEP_OWED, 1);
    add_attempt(f, 1, 1, OUTCOME_STARTED, "");
    struct run_row rejected = run_of(2, "shop", RUN_CANCELLED);
    batch_run(f->batch, &rejected);
    struct run_row drill = run_of(3, "shop", RUN_RUNNING);
    drill.occasion = OCCASION_DRILL;
    batch_attempt(f->batch,
                  &(struct attempt_row){.run = id_of(3), .n = 1, .started_at = NOW, .text = "", .detail = ""});
    batch_attempt(f->batch,
                  &(struct attempt_row){.run = id_of(4), .n = 1, .started_at = NOW, .text = "", .detail = ""});
    struct run_row other = run_of(4, "blog", RUN_RUNNING);
    batch_run(f->batch, &other);
    put_run(f, &drill);
    struct store_reader *reader = fixture_reader(f);
    assert_true(is_current(f, reader, 1, 1));
    struct run_row newer = run_of(5, "shop", RUN_CANCELLED);
    batch_attempt(f->batch,
                  &(struct attempt_row){.run = id_of(5), .n = 1, .started_at = NOW, .text = "", .detail = ""});
    put_run(f, &newer);
    assert_false(is_current(f, reader, 1, 1));
    store_reader_close(reader);
}

/* A state that this version does not know is an error with its name, and no guess. */
static void unknown_state_is_refused(void **state)
{
    struct fixture *f = *state;
    struct run_row run = run_of(1, "shop", RUN_RUNNING);
    batch_run(f->batch, &run);
    fixture_write(f);
    tamper(f, "PRAGMA ignore_check_constraints = ON; UPDATE run SET state = 'reversed'");
    struct store_reader *reader = fixture_reader(f);
    json_t *got = NULL;
    struct id id = id_of(1);
    struct id next;
    assert_int_equal(store_run_get(reader, &id, &got, &f->why), ERR_INVALID);
    assert_says(f, "state is 'reversed', which this version does not know");
    assert_int_equal(store_runs_page(reader, &(struct id){0}, 5, NULL, NULL, &got, &next, &f->why), ERR_INVALID);
    assert_int_equal(store_services(reader, &got, &f->why), ERR_INVALID);
    assert_true(sqlite3_get_autocommit(reader->connection.db));
    store_reader_close(reader);
}

/* ---- at the same time -------------------------------------------------------------------------------------------- */

struct poll {
    struct fixture *f;
    atomic_bool *is_over;
    int n;
    bool is_broken;
};

static void *poll_pages(void *context)
{
    struct poll *poll = context;
    struct store_reader *reader = NULL;
    struct errmsg why = {0};
    if (store_reader_open(poll->f->path, &reader, &why) != ERR_OK)
        poll->is_broken = true;
    while (!poll->is_broken && !atomic_load(poll->is_over)) {
        json_t *items = NULL;
        json_t *services = NULL;
        int64_t next = 0;
        struct store_stats stats;
        if (store_audit_page(reader, 0, 50, "shop", "run.", &items, &next, &why) != ERR_OK ||
            store_services(reader, &services, &why) != ERR_OK)
            poll->is_broken = true;
        store_stats_get(poll->f->store, &stats);
        json_decref(items);
        json_decref(services);
        poll->n++;
    }
    store_reader_close(reader);
    return NULL;
}

static void readers_beside_the_writer(void **state)
{
    struct fixture *f = *state;
    atomic_bool is_over = false;
    struct poll polls[3];
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        polls[i] = (struct poll){.f = f, .is_over = &is_over};
        assert_int_equal(pthread_create(&threads[i], NULL, poll_pages, &polls[i]), 0);
    }
    for (int i = 0; i < 300; i++) {
        add_audit(f, "run.step", "shop");
        add_delivery(f, i + 1, 20000);
        batch_active(f->batch,
                     &(struct active_row){.service = "shop", .since = NOW + i, .kind = ACTIVE_SITE, .site = "gra"});
        fixture_write(f);
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_false(polls[i].is_broken);
        assert_true(polls[i].n > 0);
    }
    struct store_stats stats;
    store_stats_get(f->store, &stats);
    assert_true(stats.wal_bytes < 40 << 20);
}

int main(void)
{
#define DATABASE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
#define FOLDER(test) cmocka_unit_test_setup_teardown(test, fixture_folder, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        DATABASE(reader_needs_no_daemon),
        DATABASE(reader_cannot_write),
        FOLDER(reader_refuses),
        DATABASE(file_of_another_is_read),
        DATABASE(wal_is_not_left_out),
        DATABASE(services_are_empty_at_first),
        DATABASE(services_with_everything),
        DATABASE(deliveries_by_pages),
        DATABASE(delivery_with_its_body),
        DATABASE(what_is_known_of_a_source),
        DATABASE(incidents_by_pages),
        DATABASE(incident_with_its_chain),
        DATABASE(long_chain_has_both_ends),
        DATABASE(runs_by_pages),
        DATABASE(run_with_steps_and_attempts),
        DATABASE(only_the_last_attempts_are_shown),
        DATABASE(attempt_is_current_while_all_stands),
        DATABASE(an_older_run_writes_nothing_once_another_has_begun),
        DATABASE(unknown_state_is_refused),
        DATABASE(readers_beside_the_writer),
    };
    return cmocka_run_group_tests_name("store_read", tests, NULL, NULL);
}
