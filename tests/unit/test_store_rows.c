/* Every row comes back as it was written, after another opening too. */
#include "tests/unit/store_fixture.h"

#define BOOT "0f3b9c1e-6a5d-4c1e-9f0a-1b2c3d4e5f60"

/* ---- what intake looks up ---------------------------------------------------------------------------------------- */

static void alerts_come_back(void **state)
{
    struct fixture *f = *state;
    struct alert_row rows[3] = {
        {.key = key_of(7),
         .state = ALERT_FIRING,
         .starts_at = 0,
         .ends_at = TIME_UNKNOWN,
         .first_seen_at = NOW,
         .last_seen_at = NOW + 1,
         .changed_at = NOW + 2,
         .count = 3,
         .delivery = id_of(99),
         .n_matches = 2},
        {.key = key_of(5),
         .state = ALERT_RESOLVED,
         .starts_at = -62135596800000,
         .ends_at = NOW - 5,
         .first_seen_at = NOW,
         .last_seen_at = NOW,
         .changed_at = NOW,
         .count = INT64_C(1) << 40,
         .delivery = id_of(98)},
        {.key = key_of(6)},
    };
    batch_alert(f->batch, &rows[0], "prometheus");
    batch_alert(f->batch, &rows[1], "prometheus");
    fixture_write(f);
    fixture_close(f);
    fixture_open(f);
    struct alert_row got[3] = {
        {.key = key_of(7), .source = 4}, {.key = key_of(5), .source = 5}, {.key = key_of(6), .exists = true}};
    assert_ok(f, store_alerts_get(f->store, got, 3, &f->why));
    for (int i = 0; i < 2; i++) {
        assert_true(got[i].exists);
        assert_int_equal(got[i].source, 4 + i);
        assert_int_equal(got[i].state, rows[i].state);
        assert_int_equal(got[i].starts_at, rows[i].starts_at);
        assert_int_equal(got[i].ends_at, rows[i].ends_at);
        assert_int_equal(got[i].first_seen_at, rows[i].first_seen_at);
        assert_int_equal(got[i].last_seen_at, rows[i].last_seen_at);
        assert_int_equal(got[i].changed_at, rows[i].changed_at);
        assert_int_equal(got[i].count, rows[i].count);
        assert_true(id_equal(&got[i].delivery, &rows[i].delivery));
        assert_int_equal(got[i].n_matches, rows[i].n_matches);
    }
    assert_false(got[2].exists);
    /* Again: the row is replaced as a whole. */
    got[0].state = ALERT_RESOLVED;
    got[0].starts_at = TIME_UNKNOWN;
    batch_alert(f->batch, &got[0], "prometheus");
    fixture_write(f);
    assert_ok(f, store_alerts_get(f->store, got, 1, &f->why));
    assert_int_equal(got[0].state, ALERT_RESOLVED);
    assert_int_equal(got[0].starts_at, TIME_UNKNOWN);
    assert_int_equal(ask(f, "SELECT count(*) FROM alert"), 2);
    assert_ok(f, store_alerts_get(f->store, NULL, 0, &f->why));
}

static void deliveries_are_kept_as_received(void **state)
{
    struct fixture *f = *state;
    struct delivery_row row = {.seq = 41,
                               .id = id_of(3),
                               .source = "prometheus",
                               .received_at = NOW,
                               .alerts = 2,
                               .changed = 1,
                               .sha256 = {0xab, 0xcd},
                               .body = "{\"a\":\0\xff}",
                               .body_len = 8};
    batch_delivery(f->batch, &row);
    row = (struct delivery_row){.seq = 42, .id = id_of(4), .source = "prometheus", .body = NULL, .body_len = 0};
    batch_delivery(f->batch, &row);
    fixture_write(f);
    assert_int_equal(ask(f, "SELECT hex(body) = '7B2261223A00FF7D' AND received_at = 1795227607123 AND alerts = 2 AND "
                            "changed = 1 AND substr(hex(sha256), 1, 6) = 'ABCD00' AND source = 'prometheus' "
                            "FROM delivery WHERE seq = 41"),
                     1);
    assert_int_equal(ask(f, "SELECT length(body) FROM delivery WHERE seq = 42"), 0);
    int64_t seq = -1;
    int64_t audit = -1;
    struct sha256 hash;
    assert_ok(f, store_audit_head(f->store, &audit, &hash, &seq, &f->why));
    assert_int_equal(seq, 42);
    assert_int_equal(audit, 0);
}

struct ages {
    int64_t seen[8];
    int n, most;
};

static bool take_alert_age(void *context, const struct alert_age *age)
{
    struct ages *ages = context;
    ages->seen[ages->n++] = (age->is_needed ? -1 : 1) * (age->last_seen_at + (age->has_matches ? 1000 : 0));
    return ages->n < ages->most;
}

static bool take_delivery_age(void *context, const struct delivery_age *age)
{
    struct ages *ages = context;
    assert_int_equal(age->received_at, NOW);
    assert_int_equal(age->body_len, 10 * age->seq);
    ages->seen[ages->n++] = age->seq;
    return ages->n < ages->most;
}

/* What pruning looks at: in order, from a place on, as many as it wants; and what it removes, and nothing else. */
static void ages_in_order(void **state)
{
    struct fixture *f = *state;
    static const enum alert_state states[] = {ALERT_RESOLVED, ALERT_FIRING, ALERT_UNKNOWN, ALERT_RESOLVED};
    for (int i = 0; i < 4; i++) {
        batch_alert(
            f->batch,
            &(struct alert_row){.key = key_of(4 - i), .state = states[i], .last_seen_at = 40 - i, .n_matches = i == 3},
            "one");
        add_delivery(f, 4 - i, (size_t)(10 * (4 - i)));
    }
    fixture_write(f);
    struct ages ages = {.most = 8};
    struct alert_key after = {{0}};
    assert_ok(f, store_alert_ages(f->store, &after, 10, take_alert_age, &ages, &f->why));
    assert_int_equal(ages.n, 4);
    assert_int_equal(ages.seen[0], -1037); /* votes, and does not say up */
    assert_int_equal(ages.seen[1], 38);
    assert_int_equal(ages.seen[2], -39); /* fires */
    assert_int_equal(ages.seen[3], 40);
    ages = (struct ages){.most = 8};
    after = key_of(1);
    assert_ok(f, store_alert_ages(f->store, &after, 2, take_alert_age, &ages, &f->why));
    assert_int_equal(ages.n, 2);
    assert_int_equal(ages.seen[0], 38);
    ages = (struct ages){.most = 1};
    assert_ok(f, store_alert_ages(f->store, &after, 10, take_alert_age, &ages, &f->why));
    assert_int_equal(ages.n, 1);
    ages = (struct ages){.most = 2};
    assert_ok(f, store_delivery_ages(f->store, 1, 10, take_delivery_age, &ages, &f->why));
    assert_int_equal(ages.n, 2);
    assert_int_equal(ages.seen[0], 2);
    assert_int_equal(ages.seen[1], 3);
    after = key_of(4);
    batch_alert_remove(f->batch, &after);
    batch_delivery_remove(f->batch, 1);
    batch_delivery_remove(f->batch, 99);
    fixture_write(f);
    assert_int_equal(ask(f, "SELECT count(*) FROM alert"), 3);
    assert_int_equal(ask(f, "SELECT count(*) FROM alert WHERE last_seen_at = 40"), 0);
    assert_int_equal(ask(f, "SELECT count(*) FROM delivery"), 3);
    assert_int_equal(ask(f, "SELECT min(seq) FROM delivery"), 2);
}

/* Each time as many pages as fit into a slice, until none is free. */
static void pages_go_back_in_portions(void **state)
{
    struct fixture *f = *state;
    add_delivery(f, 1, 400000);
    fixture_write(f);
    batch_delivery_remove(f->batch, 1);
    fixture_write(f);
    int64_t n_free = 0;
    int64_t all = 0;
    assert_ok(f, store_pages(f->store, &n_free, &all, &f->why));
    assert_true(n_free >= 96 && n_free < all);
    batch_give_back(f->batch);
    fixture_write(f);
    int64_t less = 0;
    int64_t fewer = 0;
    assert_ok(f, store_pages(f->store, &less, &fewer, &f->why));
    assert_int_equal(less, n_free - 32);
    assert_int_equal(fewer, all - 32);
    for (int i = 0; i < 4; i++) {
        batch_give_back(f->batch);
        fixture_write(f);
    }
    assert_ok(f, store_pages(f->store, &less, &fewer, &f->why));
    assert_int_equal(less, 0);
    assert_true(store_commit_ms(f->store) >= 0);
}

static void newest_entries(void **state)
{
    struct fixture *f = *state;
    int64_t at = 0;
    assert_ok(f, store_audit_last(f->store, NULL, &at, &f->why));
    assert_int_equal(at, TIME_UNKNOWN);
    add_audit(f, "clock.doubted", "");
    add_audit(f, "clock.doubted", "");
    add_audit(f, "run.started", "shop");
    fixture_write(f);
    assert_ok(f, store_audit_last(f->store, NULL, &at, &f->why));
    assert_int_equal(at, NOW + 2);
    assert_ok(f, store_audit_last(f->store, "clock.doubted", &at, &f->why));
    assert_int_equal(at, NOW + 1);
    assert_ok(f, store_audit_last(f->store, "clock", &at, &f->why));
    assert_int_equal(at, TIME_UNKNOWN);
}

static void take_match(void *context, const struct match_row *row)
{
    char *text = context;
    size_t len = strlen(text);
    snprintf(text + len, 256 - len, "%s/%s/%s %s ", row->service, row->site, row->source, vote_text(row->says));
}

/* The votes are counted along: exactly the match rows, each for what it says, whatever is repeated. */
static void matches_and_their_counts(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 5; i++) {
        const struct match_row row = {.key = key_of(i),
                                      .service = "shop",
                                      .site = i < 4 ? "gra" : "rbx",
                                      .source = i < 3 ? "one" : "two",
                                      .says = i == 2 || i == 4 ? VOTE_UP : VOTE_DOWN};
        batch_match(f->batch, &row);
        batch_match(f->batch, &row);
    }
    batch_match(f->batch, &(struct match_row){
                              .key = key_of(0), .service = "blog", .site = "gra", .source = "one", .says = VOTE_UP});
    fixture_write(f);
    char text[256] = "";
    struct alert_key key = key_of(0);
    assert_ok(f, store_matches_get(f->store, &key, take_match, text, &f->why));
    assert_string_equal(text, "blog/gra/one up shop/gra/one down ");
    static const char difference[] =
        "SELECT count(*) FROM (SELECT service, site, source, down, up FROM vote WHERE down + up > 0 EXCEPT "
        "SELECT service, site, source, sum(says = 'down'), sum(says = 'up') FROM match GROUP BY 1, 2, 3)";
    assert_int_equal(ask(f, difference), 0);
    static const char of_one[] =
        "SELECT 10 * down + up FROM vote WHERE service = 'shop' AND site = 'gra' AND source = 'one'";
    assert_int_equal(ask(f, of_one), 21);
    batch_match_remove(f->batch, &key);
    key = key_of(2); /* changes its opinion */
    batch_match_remove(f->batch, &key);
    batch_match(f->batch,
                &(struct match_row){.key = key, .service = "shop", .site = "gra", .source = "one", .says = VOTE_DOWN});
    key = key_of(77);
    batch_match_remove(f->batch, &key);
    fixture_write(f);
    assert_int_equal(ask(f, difference), 0);
    assert_int_equal(ask(f, of_one), 20);
    assert_int_equal(ask(f, "SELECT sum(10 * down + up) FROM vote"), 31);
    assert_int_equal(ask(f, "SELECT down + up FROM vote WHERE service = 'blog'"), 0);
}

/* What the decision took an opinion for is written apart from what is counted, and neither touches the other. */
static void votes_beside_their_counts(void **state)
{
    struct fixture *f = *state;
    struct vote_row vote = {.service = "shop",
                            .site = "gra",
                            .source = "one",
                            .down = 99, /* only read */
                            .up = 99,
                            .vote = VOTE_DOWN,
                            .heard_at = 50,
                            .offset_ms = -3,
                            .boot_id = BOOT};
    batch_vote(f->batch, &vote);
    batch_match(f->batch, &(struct match_row){
                              .key = key_of(1), .service = "shop", .site = "gra", .source = "one", .says = VOTE_DOWN});
    fixture_write(f);
    static const char all[] =
        "SELECT down || ' ' || up || ' ' || vote || ' ' || coalesce(heard_at, '-') || ' ' || offset_ms || "
        "boot_id = '1 0 down 50 -3" BOOT "' FROM vote";
    assert_int_equal(ask(f, all), 1);
    vote.vote = VOTE_UNKNOWN; /* it has expired */
    vote.heard_at = 0;
    batch_vote(f->batch, &vote);
    fixture_write(f);
    assert_int_equal(ask(f, "SELECT down = 1 AND vote = 'unknown' AND heard_at IS NULL FROM vote"), 1);
    struct alert_key key = key_of(1);
    batch_match_remove(f->batch, &key);
    fixture_write(f);
    assert_int_equal(ask(f, "SELECT down = 0 AND vote = 'unknown' AND offset_ms = -3 FROM vote"), 1);
}

static void idempotency_keys(void **state)
{
    struct fixture *f = *state;
    struct sha256 request = sha256_of("x", 1);
    struct id run = id_of(8);
    batch_idempotency(f->batch, "operator oncall", "k1", &request, &run, NOW);
    fixture_write(f);
    struct sha256 got_request = {0};
    struct id got_run = {0};
    assert_ok(f, store_idempotency_get(f->store, "operator oncall", "k1", &got_request, &got_run, &f->why));
    assert_memory_equal(&got_request, &request, sizeof request);
    assert_true(id_equal(&got_run, &run));
    assert_int_equal(store_idempotency_get(f->store, "operator other", "k1", &got_request, &got_run, &f->why),
                     ERR_NOT_FOUND);
    batch_idempotency(f->batch, "operator oncall", "k1", &request, &run, NOW);
    assert_int_equal(fixture_try_write(f), ERR_CONFLICT);
}

/* ---- what is loaded at start ------------------------------------------------------------------------------------- */

/* Everything taken, as one line per row. */
struct taken {
    char text[8192];
};

static PRINTF_LIKE(2, 3) void say(struct taken *taken, const char *format, ...)
{
    size_t len = strlen(taken->text);
    va_list args;
    va_start(args, format);
    vsnprintf(taken->text + len, sizeof taken->text - len, format, args);
    va_end(args);
}

static void on_vote(void *context, const struct vote_row *row)
{
    say(context, "vote %s %s %s %d %d %s %d %d %s\n", row->service, row->site, row->source, (int)row->down,
        (int)row->up, vote_text(row->vote), (int)row->heard_at, (int)row->offset_ms, row->boot_id);
}

static void on_source(void *context, const struct source_row *row)
{
    say(context, "source %s %d %d %d %d %s\n", row->name, (int)row->open_alerts, (int)row->heard_at, (int)row->beat_at,
        (int)row->offset_ms, row->boot_id);
}

static void on_pause(void *context, const struct pause_row *row)
{
    say(context, "pause %s %d %s '%s'\n", row->service, (int)row->at, row->who, row->reason);
}

static void on_timer(void *context, const struct timer_row *row)
{
    say(context, "timer %s '%s' %s %d %d %d %s\n", row->service, row->site, timer_kind_text(row->kind), row->count,
        (int)row->due_at, (int)row->offset_ms, row->boot_id);
}

static void on_incident(void *context, const struct incident_row *row)
{
    say(context, "incident %d %s %s %d %d %d %d %d %d %d '%s' %s run %d\n", row->id.bytes[15], row->service, row->site,
        (int)row->opened_at, (int)row->resolved_at, row->is_standing, (int)row->stood_at, (int)row->fell_at,
        row->most_votes, (int)row->would_at, row->would_to, row->last_reason, row->run.bytes[15]);
}

static void on_active(void *context, const struct active_row *row)
{
    say(context, "active %s %d %s '%s'\n", row->service, (int)row->since, active_kind_text(row->kind), row->site);
}

static void on_run(void *context, const struct run_row *row)
{
    say(context, "run %d %s %s %s %d '%s' '%s' %s %s %d %d %d '%s' '%s' incident %d %d %d '%s' %s\n", row->id.bytes[15],
        row->service, direction_text(row->direction), occasion_text(row->occasion), row->is_ours, row->overrides,
        row->from, row->to, run_state_text(row->state), row->has_effect, row->ending == ENDING_CANCEL, row->current,
        row->reason, row->started_by, row->incident.bytes[15], (int)row->started_at, (int)row->finished_at, row->error,
        row->playbook);
}

static void on_step(void *context, const struct step_row *row)
{
    say(context, "step %d %d '%s' %s %s %s %d %d %d %d %d %d %d %d %s %d %d '%s' '%s' '%s'\n", row->run.bytes[15],
        row->n, row->name, row->action, step_state_text(row->state), phase_text(row->phase), row->tries,
        row->n_attempts, (int)row->attempt_at, row->has_applied, row->has_unknown_apply, (int)row->began_at,
        (int)row->next_at, (int)row->offset_ms, row->boot_id, (int)row->started_at, (int)row->finished_at, row->error,
        row->token, row->observed);
}

static void load(struct fixture *f, int64_t active_since, struct taken *taken)
{
    const struct store_state_taker taker = {.context = taken,
                                            .vote = on_vote,
                                            .source = on_source,
                                            .pause = on_pause,
                                            .timer = on_timer,
                                            .incident = on_incident,
                                            .active = on_active,
                                            .run = on_run,
                                            .step = on_step};
    taken->text[0] = '\0';
    assert_ok(f, store_load(f->store, active_since, &taker, &f->why));
}

static void add_small_rows(struct fixture *f)
{
    batch_match(f->batch, &(struct match_row){
                              .key = key_of(1), .service = "shop", .site = "gra", .source = "one", .says = VOTE_DOWN});
    batch_match(f->batch, &(struct match_row){
                              .key = key_of(2), .service = "shop", .site = "gra", .source = "one", .says = VOTE_UP});
    static const struct vote_row votes[] = {
        {.site = "gra", .source = "one", .vote = VOTE_DOWN, .heard_at = 40, .offset_ms = -7},
        {.site = "gra", .source = "two", .vote = VOTE_UNKNOWN, .heard_at = 41}, /* nothing is left of it */
        {.site = "rbx", .source = "two", .vote = VOTE_UP, .heard_at = 42},      /* by its heartbeat */
    };
    for (size_t i = 0; i < sizeof votes / sizeof votes[0]; i++) {
        struct vote_row vote = votes[i];
        vote.service = "shop";
        vote.boot_id = BOOT;
        batch_vote(f->batch, &vote);
    }
    batch_source(f->batch, &(struct source_row){.name = "one", .open_alerts = 5, .heard_at = 60});
    batch_source(f->batch,
                 &(struct source_row){
                     .name = "one", .open_alerts = 6, .heard_at = 70, .beat_at = 71, .offset_ms = 2, .boot_id = BOOT});
    batch_source(f->batch, &(struct source_row){.name = "two"});
    batch_pause(f->batch, &(struct pause_row){.service = "blog", .at = 80, .who = "oncall", .reason = "x"});
    batch_pause(f->batch, &(struct pause_row){.service = "shop", .at = 81, .who = "oncall", .reason = "work on gra"});
    batch_pause_remove(f->batch, "blog");
    batch_timer(
        f->batch,
        &(struct timer_row){
            .service = "shop", .site = "gra", .kind = TIMER_HOLD, .due_at = 500, .offset_ms = -7, .boot_id = BOOT});
    batch_timer(f->batch, &(struct timer_row){
                              .service = "shop", .site = "", .kind = TIMER_COOL_DOWN, .due_at = 900, .boot_id = BOOT});
    batch_timer(f->batch, &(struct timer_row){
                              .service = "shop", .site = "rbx", .kind = TIMER_HOLD, .due_at = 1, .boot_id = BOOT});
    batch_timer_remove(f->batch, "shop", "rbx", TIMER_HOLD);
    batch_timer(f->batch,
                &(struct timer_row){
                    .service = "shop", .site = "rbx", .kind = TIMER_FLAP, .count = 3, .due_at = 700, .boot_id = BOOT});
    batch_incident(f->batch, &(struct incident_row){.id = id_of(1),
                                                    .service = "shop",
                                                    .site = "gra",
                                                    .opened_at = 10,
                                                    .resolved_at = 20,
                                                    .last_reason = "none"});
    batch_incident(f->batch, &(struct incident_row){.id = id_of(2),
                                                    .service = "shop",
                                                    .site = "gra",
                                                    .opened_at = 30,
                                                    .is_standing = true,
                                                    .stood_at = 31,
                                                    .fell_at = 32,
                                                    .most_votes = 2,
                                                    .would_at = 33,
                                                    .would_to = "rbx",
                                                    .last_reason = "cool_down",
                                                    .run = id_of(3)});
}

static void add_steps(struct fixture *f)
{
    batch_step(f->batch, &(struct step_row){.run = id_of(3),
                                            .n = 1,
                                            .name = "second",
                                            .action = "http.check",
                                            .state = STEP_PENDING,
                                            .boot_id = BOOT,
                                            .error = "",
                                            .token = "",
                                            .observed = ""});
    batch_step(f->batch, &(struct step_row){.run = id_of(3),
                                            .n = 0,
                                            .name = "Linode DNS",
                                            .action = "linode.dns_record",
                                            .state = STEP_ALREADY_DONE,
                                            .phase = PHASE_SETTLE,
                                            .tries = 2,
                                            .n_attempts = 3,
                                            .attempt_at = 4,
                                            .has_applied = true,
                                            .has_unknown_apply = true,
                                            .began_at = 5,
                                            .next_at = 6,
                                            .offset_ms = 7,
                                            .boot_id = BOOT,
                                            .started_at = 8,
                                            .finished_at = 9,
                                            .error = "busy",
                                            .token = "{\"t\":1}",
                                            .observed = "{\"o\":2}"});
    batch_step(f->batch, &(struct step_row){.run = id_of(4),
                                            .n = 0,
                                            .name = "waits",
                                            .action = "x",
                                            .boot_id = BOOT,
                                            .error = "",
                                            .token = "",
                                            .observed = ""});
    batch_step(f->batch, &(struct step_row){.run = id_of(2),
                                            .n = 0,
                                            .name = "of a finished run",
                                            .action = "x",
                                            .boot_id = "",
                                            .error = "",
                                            .token = "",
                                            .observed = ""});
    batch_step(f->batch, &(struct step_row){.run = id_of(1),
                                            .n = 0,
                                            .name = "owed behind the end",
                                            .action = "x",
                                            .state = STEP_OWED,
                                            .boot_id = BOOT,
                                            .error = "",
                                            .token = "",
                                            .observed = ""});
}

static void add_runs(struct fixture *f)
{
    struct run_row row = run_of(1, "shop", RUN_SUCCEEDED);
    batch_run(f->batch, &row);
    row = run_of(2, "shop", RUN_RUNNING);
    batch_run(f->batch, &row);
    row.state = RUN_CANCELLED;
    row.finished_at = NOW + 1;
    batch_run(f->batch, &row);
    batch_run(f->batch, &(struct run_row){.id = id_of(3),
                                          .service = "shop",
                                          .direction = DIRECTION_FAILBACK,
                                          .occasion = OCCASION_PLANNED,
                                          .is_ours = true,
                                          .overrides = "target_down preflight",
                                          .from = "",
                                          .to = "gra",
                                          .state = RUN_ATTENTION,
                                          .has_effect = true,
                                          .ending = ENDING_CANCEL,
                                          .current = 1,
                                          .reason = "it's \"down\"",
                                          .started_by = "operator oncall",
                                          .incident = id_of(2),
                                          .started_at = 100,
                                          .error = "401",
                                          .playbook = "[{},{}]"});
    row = run_of(4, "blog", RUN_WAITING);
    batch_run(f->batch, &row);
}

static void state_is_loaded(void **state)
{
    struct fixture *f = *state;
    add_small_rows(f);
    add_runs(f);
    add_steps(f);
    batch_active(f->batch, &(struct active_row){.service = "shop", .since = 50, .kind = ACTIVE_SITE, .site = "gra"});
    fixture_write(f);
    fixture_close(f);
    fixture_open(f);
    struct taken taken;
    load(f, 0, &taken);
    char expected[4096];
    snprintf(expected, sizeof expected,
             "vote shop gra one 1 1 down 40 -7 " BOOT "\n"
             "vote shop rbx two 0 0 up 42 0 " BOOT "\n"
             "source one 6 70 71 2 " BOOT "\n"
             "source two 0 0 0 0 \n"
             "pause shop 81 oncall 'work on gra'\n"
             "timer shop '' cool_down 0 900 0 " BOOT "\n"
             "timer shop 'gra' hold 0 500 -7 " BOOT "\n"
             "timer shop 'rbx' flap 3 700 0 " BOOT "\n"
             "incident 2 shop gra 30 0 1 31 32 2 33 'rbx' cool_down run 3\n"
             "active shop 50 site 'gra'\n"
             "run 1 shop failover outage 0 '' 'gra' rbx succeeded 0 0 0 'quorum' 'decision' incident 0 %d %d '' []\n"
             "run 3 shop failback planned 1 'target_down preflight' '' gra attention 1 1 1 'it's \"down\"' "
             "'operator oncall' incident 2 100 0 '401' [{},{}]\n"
             "run 4 blog failover outage 0 '' 'gra' rbx waiting 0 0 0 'quorum' 'decision' incident 0 %d 0 '' []\n"
             "step 1 0 'owed behind the end' x owed observe 0 0 0 0 0 0 0 0 " BOOT " 0 0 '' '' ''\n"
             "step 3 0 'Linode DNS' linode.dns_record already done settle 2 3 4 1 1 5 6 7 " BOOT
             " 8 9 'busy' '{\"t\":1}' '{\"o\":2}'\n"
             "step 3 1 'second' http.check pending observe 0 0 0 0 0 0 0 0 " BOOT " 0 0 '' '' ''\n"
             "step 4 0 'waits' x pending observe 0 0 0 0 0 0 0 0 " BOOT " 0 0 '' '' ''\n",
             (int)(NOW + 1), (int)(NOW + 5001), (int)(NOW + 4));
    assert_string_equal(taken.text, expected);
}

static void add_active(struct fixture *f, const char *service, int64_t since, enum active_kind kind, const char *site)
{
    batch_active(f->batch, &(struct active_row){.service = service, .since = since, .kind = kind, .site = site});
}

static void active_history(void **state)
{
    struct fixture *f = *state;
    add_active(f, "shop", 10, ACTIVE_SITE, "gra");
    add_active(f, "shop", 20, ACTIVE_MOVING, "gra");
    add_active(f, "blog", 5, ACTIVE_SPLIT, "");
    add_active(f, "shop", 30, ACTIVE_SITE, "rbx");
    add_active(f, "shop", 40, ACTIVE_MOVING, "rbx");
    fixture_write(f);
    struct taken taken;
    load(f, 25, &taken);
    assert_string_equal(taken.text, "active blog 5 split ''\n"
                                    "active shop 20 moving 'gra'\n"
                                    "active shop 30 site 'rbx'\n"
                                    "active shop 40 moving 'rbx'\n");
    load(f, 1000, &taken);
    assert_string_equal(taken.text, "active blog 5 split ''\nactive shop 40 moving 'rbx'\n");
    /* The wall clock steps back: what was written last is what is so. */
    add_active(f, "shop", 35, ACTIVE_SITE, "gra");
    fixture_write(f);
    load(f, 1000, &taken);
    assert_string_equal(taken.text, "active blog 5 split ''\nactive shop 40 moving 'rbx'\nactive shop 35 site 'gra'\n");
    /* Twice in one millisecond: the later is what was so. */
    add_active(f, "blog", 6, ACTIVE_MOVING, "gra");
    add_active(f, "blog", 6, ACTIVE_SITE, "gra");
    fixture_write(f);
    load(f, 6, &taken);
    assert_non_null(strstr(taken.text, "active blog 5 split ''\nactive blog 6 site 'gra'\n"));
    assert_int_equal(ask(f, "SELECT count(*) FROM active_history WHERE service = 'blog'"), 2);
}

/* The schema's lists and those of vocabulary.h are the same: each word is taken. */
static void every_word_is_taken(void **state)
{
    struct fixture *f = *state;
    int n = 0;
#define X(name, text)                                                                                                  \
    batch_active(f->batch, &(struct active_row){.service = "s", .since = n++, .kind = name, .site = ""});
    ACTIVE_LIST(X)
#undef X
#define X(name, text)                                                                                                  \
    batch_timer(f->batch, &(struct timer_row){.service = "s", .site = "", .kind = name, .boot_id = ""});
    TIMER_LIST(X)
#undef X
#define X(name, text) batch_alert(f->batch, &(struct alert_row){.key = key_of(n++), .state = name}, "one");
    ALERT_STATE_LIST(X)
#undef X
    struct run_row run;
#define X(name, text)                                                                                                  \
    run = run_of(n++, "s", name);                                                                                      \
    batch_run(f->batch, &run);
    RUN_STATE_LIST(X)
#undef X
#define X(name, text)                                                                                                  \
    run.direction = name;                                                                                              \
    batch_run(f->batch, &run);
    DIRECTION_LIST(X)
#undef X
#define X(name, text)                                                                                                  \
    run.occasion = name;                                                                                               \
    batch_run(f->batch, &run);
    OCCASION_LIST(X)
#undef X
#define X(name, text)                                                                                                  \
    batch_vote(f->batch, &(struct vote_row){.service = "s", .site = text, .source = "", .vote = name, .boot_id = ""});
    VOTE_LIST(X)
#undef X
    struct step_row step = {
        .run = id_of(1), .name = "", .action = "", .boot_id = "", .error = "", .token = "", .observed = ""};
#define X(name_, text)                                                                                                 \
    step.n = n++;                                                                                                      \
    step.state = name_;                                                                                                \
    batch_step(f->batch, &step);
    STEP_STATE_LIST(X)
#undef X
    struct attempt_row attempt = {.run = id_of(1), .text = "", .detail = ""};
#define X(name, text_)                                                                                                 \
    attempt.n = n++;                                                                                                   \
    attempt.phase = name;                                                                                              \
    batch_attempt(f->batch, &attempt);
    PHASE_LIST(X)
#undef X
#define X(name, text_)                                                                                                 \
    attempt.n = n++;                                                                                                   \
    attempt.outcome = name;                                                                                            \
    batch_attempt(f->batch, &attempt);
    OUTCOME_LIST(X)
#undef X
    fixture_write(f);
    struct taken taken;
    load(f, 0, &taken);
}

/* ---- the batch --------------------------------------------------------------------------------------------------- */

static void batch_keeps_texts(void **state)
{
    struct fixture *f = *state;
    char text[] = "reason";
    char big[200000];
    memset(big, 'p', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    struct run_row row = run_of(1, "shop", RUN_RUNNING);
    row.reason = batch_keep(f->batch, text);
    row.playbook = batch_keep(f->batch, big);
    row.error = batch_keep(f->batch, NULL);
    memset(text, 'z', sizeof text - 1);
    memset(big, 'z', sizeof big - 1);
    for (int i = 0; i < 5000; i++)
        row.started_by = batch_keep(f->batch, "decision");
    batch_run(f->batch, &row);
    assert_int_equal(batch_size(f->batch), 1);
    assert_ok(f, store_write(f->store, f->batch, &f->why));
    assert_int_equal(batch_size(f->batch), 1); /* not cleared */
    batch_clear(f->batch);
    assert_int_equal(batch_size(f->batch), 0);
    assert_int_equal(ask(f,
                         "SELECT reason = 'reason' AND playbook = replace(hex(zeroblob(199999 / 2)), '0', 'p') || 'p' "
                         "AND error = '' AND started_by = 'decision' FROM run"),
                     1);
    fixture_write(f); /* an empty batch is a commit as well */
}

int main(void)
{
#define DATABASE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        DATABASE(alerts_come_back),
        DATABASE(deliveries_are_kept_as_received),
        DATABASE(matches_and_their_counts),
        DATABASE(votes_beside_their_counts),
        DATABASE(idempotency_keys),
        DATABASE(state_is_loaded),
        DATABASE(active_history),
        DATABASE(every_word_is_taken),
        DATABASE(batch_keeps_texts),
        DATABASE(ages_in_order),
        DATABASE(pages_go_back_in_portions),
        DATABASE(newest_entries),
    };
    return cmocka_run_group_tests_name("store_rows", tests, NULL, NULL);
}
