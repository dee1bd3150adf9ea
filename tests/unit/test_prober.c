#include "prober/prober.h"

#include "actions/action.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "canned_server.h"
#include "prober/opinion.h"
#include "test.h"

/* ---- opinions ---------------------------------------------------------------------------------------------------- */

/* Each letter a probe: d(own), u(p), n(ot made). The answer has for each what is said then (capital: changed; small:
 * again), or '.'. */
static void assert_said(const char *seen, const char *wanted)
{
    const struct probe_rule rule = {.fall = 3, .rise = 2};
    struct opinion opinion = {0};
    char said[64] = "";
    for (size_t i = 0; seen[i]; i++) {
        enum vote vote = seen[i] == 'd' ? VOTE_DOWN : seen[i] == 'u' ? VOTE_UP : VOTE_UNKNOWN;
        bool is_changed = opinion_take(&opinion, &rule, vote);
        said[i] = '.';
        if (opinion_is_due(&opinion)) {
            const char *letters = is_changed ? "NDU" : "ndu";
            said[i] = letters[opinion.says];
            opinion_said(&opinion);
        } else {
            assert_false(is_changed);
        }
    }
    assert_string_equal(said, wanted);
}

static void test_opinions(void **state)
{
    (void)state;
    assert_said("ddd", "..D");
    assert_said("uu", ".U");
    assert_said("nnn", "..N");
    assert_said("dduddudd", "........");     /* neither is in a row: nothing is known */
    assert_said("uudduddudd", ".U..u..u.."); /* it is up; and said when the latest probe sees it so */
    assert_said("uudddd", ".U..D.");
    assert_said("dddddddddd", "..D..d..d.");
    assert_said("uuuuuuuuu", ".U..u..u.");
    assert_said("dddudddu", "..D..d.."); /* one good answer of `rise` */
    assert_said("ddduu", "..D.U");
    assert_said("dddnnnnnn", "..D..N..n"); /* what cannot be seen is not kept alive */
    assert_said("dddndndndn", "..D...d...");
    assert_said("dddunununun", "..D........");
}

static void test_what_did_not_get_out_is_said_next_time(void **state)
{
    (void)state;
    const struct probe_rule rule = {.fall = 1, .rise = 1};
    struct opinion opinion = {0};
    assert_true(opinion_take(&opinion, &rule, VOTE_DOWN));
    assert_true(opinion_is_due(&opinion));
    assert_false(opinion_take(&opinion, &rule, VOTE_DOWN));
    assert_true(opinion_is_due(&opinion));
    opinion_said(&opinion);
    assert_false(opinion_is_due(&opinion));
    assert_false(opinion_take(&opinion, &rule, VOTE_DOWN));
    assert_false(opinion_is_due(&opinion));
}

/* ---- the real one, with servers of the test ---------------------------------------------------------------------- */

#define MAX_RIG_SITES 4

struct rig {
    struct canned server;
    struct canned_answer answers[MAX_RIG_SITES]; /* by the number at the end of the path */
    atomic_int n_probes[MAX_RIG_SITES];
    int64_t first_at[MAX_RIG_SITES];
    struct model model;
    struct service services[2];
    struct site sites[MAX_RIG_SITES];
    struct step check;
    char names[MAX_RIG_SITES][16];
    char service_name[8];
    struct command_queue *commands;
    struct prober *prober;
};

static void give(void *context, const struct canned_request *request, struct canned_answer *ret)
{
    struct rig *rig = context;
    int site = request->target[strlen(request->target) - 1] - '0';
    if (atomic_fetch_add(&rig->n_probes[site], 1) == 0)
        rig->first_at[site] = clock_steady_ms();
    *ret = rig->answers[site];
}

static struct rig *rig_new(int n_sites, int64_t every_ms, int64_t timeout_ms)
{
    struct rig *rig = calloc(1, sizeof *rig);
    char url[128];
    canned_start(&rig->server, give, rig);
    snprintf(url, sizeof url, "%s/${to.name}", rig->server.url);
    snprintf(rig->service_name, sizeof rig->service_name, "shop");
    for (int i = 0; i < n_sites; i++) {
        snprintf(rig->names[i], sizeof rig->names[i], "s%d", i);
        rig->sites[i] = (struct site){.name = rig->names[i]};
        rig->answers[i].status = 200;
    }
    rig->check = (struct step){.action_name = "http.check",
                               .action = action_find("http.check"),
                               .timeout_ms = timeout_ms,
                               .provider = -1,
                               .args = json_pack("{s:s}", "url", url)};
    /* the first has no probe */
    rig->services[0] = (struct service){.name = rig->service_name, .sites = rig->sites, .n_sites = n_sites};
    rig->services[1] = rig->services[0];
    rig->services[1].probe = (struct probe_rule){.check = &rig->check, .every_ms = every_ms, .fall = 3, .rise = 2};
    rig->model = (struct model){.services = rig->services, .n_services = 2};
    rig->commands = command_queue_new(100);
    return rig;
}

static void rig_go(struct rig *rig)
{
    struct errmsg why = {""};
    if (prober_start(&rig->model, rig->commands, &rig->prober, &why) != ERR_OK)
        fail_msg("%s", why.text);
}

static void rig_spoil(struct rig *rig, int site, int status, enum canned_fault fault)
{
    pthread_mutex_lock(&rig->server.lock);
    rig->answers[site].status = status;
    rig->answers[site].fault = fault;
    pthread_mutex_unlock(&rig->server.lock);
}

static void rig_free(struct rig *rig)
{
    prober_stop(rig->prober);
    struct command *command;
    command_queue_close(rig->commands);
    while (command_queue_take(rig->commands, &command, 1, 0) == 1)
        command->done(command);
    prober_free(rig->prober);
    command_queue_free(rig->commands);
    canned_stop(&rig->server);
    json_decref(rig->check.args);
    free(rig);
}

/* The next thing said, within five seconds; `err` is how its commit ends. */
static struct command_probed next_said(struct rig *rig, enum err err)
{
    struct command *command = NULL;
    assert_int_equal(command_queue_take(rig->commands, &command, 1, clock_steady_ms() + 5000), 1);
    assert_int_equal(command->kind, COMMAND_PROBED);
    struct command_probed probed = command->as.probed;
    command->err = err;
    command->done(command);
    return probed;
}

static long long metric(struct rig *rig, const char *name)
{
    struct strbuf text = STRBUF_INIT;
    char line[64];
    prober_metrics(rig->prober, &text);
    snprintf(line, sizeof line, "\nturnout_probe_%s ", name);
    const char *at = strstr(strbuf_text(&text), line);
    assert_non_null(at);
    long long value = atoll(at + strlen(line));
    strbuf_done(&text);
    return value;
}

static void test_up_then_down_then_up(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1, 100, 1000);
    rig_go(rig);
    struct command_probed said = next_said(rig, ERR_OK);
    assert_int_equal(said.service, 1);
    assert_int_equal(said.site, 0);
    assert_int_equal(said.says, VOTE_UP);
    assert_non_null(strstr(said.text, "2 in a row: 200 in "));
    assert_int_equal(next_said(rig, ERR_OK).says, VOTE_UP); /* again, so that it does not grow old */
    rig_spoil(rig, 0, 500, CANNED_NONE);
    do
        said = next_said(rig, ERR_OK);
    while (said.says == VOTE_UP);
    assert_int_equal(said.says, VOTE_DOWN);
    assert_non_null(strstr(said.text, "3 in a row: 500 in "));
    assert_non_null(strstr(said.text, "expected 200"));
    rig_spoil(rig, 0, 200, CANNED_NONE);
    do
        said = next_said(rig, ERR_OK);
    while (said.says == VOTE_DOWN);
    assert_int_equal(said.says, VOTE_UP);
    assert_int_equal(metric(rig, "opinion_changes_total"), 3);
    assert_true(metric(rig, "runs_total") >= 8);
    assert_true(metric(rig, "failures_total") >= 3);
    rig_free(rig);
}

/* Those that hang have threads enough, are asked one at a time, and nobody waits for them; nor does the end. */
static void test_who_hangs_holds_nobody_up(void **state)
{
    (void)state;
    struct rig *rig = rig_new(4, 200, 1000);
    for (int i = 0; i < 3; i++)
        rig_spoil(rig, i, 200, CANNED_HANG);
    rig_go(rig);
    int64_t began_at = clock_steady_ms();
    while (atomic_load(&rig->n_probes[3]) < 10 && clock_steady_ms() < began_at + 10000)
        usleep(10000);
    int64_t took_ms = clock_steady_ms() - began_at;
    assert_in_range(took_ms, 1700, 9000);
    for (int i = 0; i < 3; i++)
        assert_in_range(atomic_load(&rig->n_probes[i]), 1, took_ms / 1000 + 1);
    bool has_down = false, has_up = false;
    while (!has_down || !has_up) {
        struct command_probed said = next_said(rig, ERR_OK);
        assert_int_equal(said.says, said.site == 3 ? VOTE_UP : VOTE_DOWN);
        has_up |= said.says == VOTE_UP;
        has_down |= said.says == VOTE_DOWN;
    }
    began_at = clock_steady_ms();
    prober_stop(rig->prober);
    assert_in_range(clock_steady_ms() - began_at, 0, 900);
    rig_free(rig);
}

static void test_starts_are_spread(void **state)
{
    (void)state;
    struct rig *rig = rig_new(4, 1200, 1000);
    int64_t began_at = clock_steady_ms();
    rig_go(rig);
    while (atomic_load(&rig->n_probes[3]) == 0 && clock_steady_ms() < began_at + 5000)
        usleep(5000);
    pthread_mutex_lock(&rig->server.lock);
    for (int i = 0; i < 4; i++)
        assert_in_range(rig->first_at[i] - began_at, 300 * i, 300 * i + 1000);
    pthread_mutex_unlock(&rig->server.lock);
    rig_free(rig);
}

static void test_a_full_queue(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1, 50, 1000);
    command_queue_free(rig->commands);
    rig->commands = command_queue_new(1);
    rig_go(rig);
    usleep(700000);
    assert_true(metric(rig, "dropped_total") >= 1);
    assert_int_equal(metric(rig, "opinion_changes_total"), 1);
    assert_int_equal(next_said(rig, ERR_OK).says, VOTE_UP);
    assert_int_equal(next_said(rig, ERR_OK).says, VOTE_UP);
    rig_free(rig);
}

/* What the orchestrator could not commit is said at the next probe, and not at the third from it. */
static void test_what_was_not_committed(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1, 400, 1000);
    rig_go(rig);
    assert_non_null(strstr(next_said(rig, ERR_BUSY).text, "2 in a row: "));
    assert_non_null(strstr(next_said(rig, ERR_OK).text, "3 in a row: "));
    assert_non_null(strstr(next_said(rig, ERR_OK).text, "6 in a row: "));
    rig_free(rig);
}

static void test_what_cannot_be_probed_is_unknown(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1, 50, 2000);
    json_object_set_new(rig->check.args, "url", json_string("http://nobody.invalid/${to.name}"));
    rig_go(rig);
    struct command_probed said = next_said(rig, ERR_OK);
    assert_int_equal(said.says, VOTE_UNKNOWN);
    assert_non_null(strstr(said.text, "3 in a row: it cannot be tried from here"));
    assert_int_equal(metric(rig, "failures_total"), 0);
    assert_true(metric(rig, "not_made_total") >= 3);
    rig_free(rig);
}

/* A prober that hangs leaves no stuck vote, and one that works is never late: it says it again in three intervals. */
static void test_what_is_said_grows_old(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1, 15000, 5000);
    rig->model.probe_expires_ms = model_probe_patience(&rig->model);
    assert_int_equal(model_voter_rule(&rig->model, model_voter_probe(&rig->model)).expires_ms, 150000);
    assert_int_equal(model_voter_rule(&rig->model, model_voter_probe(&rig->model)).weight, 1);
    rig->services[1].probe.every_ms = 1000;
    assert_int_equal(model_probe_patience(&rig->model), 60000);
    rig_free(rig);
}

static void test_start(void **state)
{
    (void)state;
    struct errmsg why = {""};
    struct rig *rig = rig_new(2, 50, 1000);
    json_object_set_new(rig->check.args, "url", json_string("http://127.0.0.1/${from.name}"));
    assert_int_equal(prober_start(&rig->model, rig->commands, &rig->prober, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "the probe of shop at s0"));
    assert_null(rig->prober);
    rig->model.n_services = 1; /* none has a probe: nothing to do */
    rig_go(rig);
    usleep(50000);
    assert_true(command_queue_is_idle(rig->commands));
    assert_int_equal(metric(rig, "runs_total"), 0);
    rig_free(rig);
    struct strbuf text = STRBUF_INIT;
    prober_stop(NULL);
    prober_free(NULL);
    prober_metrics(NULL, &text);
    assert_int_equal(text.len, 0);
}

int main(void)
{
    clock_start();
    fetch_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opinions),
        cmocka_unit_test(test_what_did_not_get_out_is_said_next_time),
        cmocka_unit_test(test_up_then_down_then_up),
        cmocka_unit_test(test_who_hangs_holds_nobody_up),
        cmocka_unit_test(test_starts_are_spread),
        cmocka_unit_test(test_a_full_queue),
        cmocka_unit_test(test_what_was_not_committed),
        cmocka_unit_test(test_what_cannot_be_probed_is_unknown),
        cmocka_unit_test(test_what_is_said_grows_old),
        cmocka_unit_test(test_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
