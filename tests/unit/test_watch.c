#include "watch/watch.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "canned_server.h"
#include "fetch/fetch.h"
#include "test.h"

#define HEARTBEAT_PATH "/ping/hunter2-hunter2"

struct rig {
    struct canned server;
    struct canned_answer answers[4]; /* by the number at the end of the path; [3]: the heartbeat */
    atomic_int n_asked[4];
    char urls[3][80], heartbeat_url[96], folder[40], kill_switch[64];
    char *url_list[3];
    struct secret heartbeat;
    struct command_queue *commands;
    struct watch_settings settings;
    struct watch *watch;
    pthread_t taker; /* stands in for the orchestrator */
    pthread_mutex_t mutex;
    struct command_outside told; /* the last */
    int n_told;
    struct watch_holds holds;
    int n_changes;
    enum err answer; /* of the orchestrator */
    bool has_taker;
};

static void give(void *context, const struct canned_request *request, struct canned_answer *ret)
{
    struct rig *rig = context;
    int i = strcmp(request->target, HEARTBEAT_PATH) == 0 ? 3 : request->target[1] - '0';
    atomic_fetch_add(&rig->n_asked[i], 1);
    *ret = rig->answers[i];
}

static void *take(void *context)
{
    struct rig *rig = context;
    struct command *command;
    while (!command_queue_is_closed(rig->commands)) {
        if (command_queue_take(rig->commands, &command, 1, clock_steady_ms() + 50) != 1)
            continue;
        pthread_mutex_lock(&rig->mutex);
        rig->told = command->as.outside;
        rig->n_told++;
        command->err = rig->answer;
        pthread_mutex_unlock(&rig->mutex);
        command->done(command);
    }
    return NULL;
}

static void on_change(void *context, const struct watch_holds *holds)
{
    struct rig *rig = context;
    pthread_mutex_lock(&rig->mutex);
    rig->holds = *holds;
    rig->n_changes++;
    pthread_mutex_unlock(&rig->mutex);
}

/* Everything is configured; a test takes away what it does not want. */
static struct rig *rig_new(void)
{
    struct rig *rig = calloc(1, sizeof *rig);
    canned_start(&rig->server, give, rig);
    pthread_mutex_init(&rig->mutex, NULL);
    for (int i = 0; i < 3; i++) {
        snprintf(rig->urls[i], sizeof rig->urls[i], "%s/%d?key=hunter2", rig->server.url, i);
        rig->url_list[i] = rig->urls[i];
        rig->answers[i].status = 503 - 100 * i; /* any answer will do */
    }
    rig->answers[3].status = 200;
    snprintf(rig->heartbeat_url, sizeof rig->heartbeat_url, "%s%s", rig->server.url, HEARTBEAT_PATH);
    assert_int_equal(secret_set(&rig->heartbeat, rig->heartbeat_url, strlen(rig->heartbeat_url)), ERR_OK);
    snprintf(rig->folder, sizeof rig->folder, "/tmp/turnout-test-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    snprintf(rig->kill_switch, sizeof rig->kill_switch, "%s/stop", rig->folder);
    rig->commands = command_queue_new(10);
    rig->settings = (struct watch_settings){.commands = rig->commands,
                                            .site = "paris",
                                            .kill_switch = rig->kill_switch,
                                            .urls = rig->url_list,
                                            .n_urls = 3,
                                            .need = 2,
                                            .every_ms = 1000,
                                            .timeout_ms = 400,
                                            .heartbeat = &rig->heartbeat,
                                            .heartbeat_every_ms = 1000,
                                            .on_change = on_change,
                                            .context = rig};
    return rig;
}

static void rig_go(struct rig *rig)
{
    struct errmsg why = {""};
    rig->has_taker = pthread_create(&rig->taker, NULL, take, rig) == 0;
    assert_int_equal(watch_start(&rig->settings, &rig->watch, &why), ERR_OK);
    watch_set_ready(rig->watch, true);
}

static void rig_free(struct rig *rig)
{
    watch_stop(rig->watch);
    command_queue_close(rig->commands);
    if (rig->has_taker)
        pthread_join(rig->taker, NULL);
    struct command *command;
    while (command_queue_take(rig->commands, &command, 1, 0) == 1)
        command->done(command);
    watch_free(rig->watch);
    command_queue_free(rig->commands);
    canned_stop(&rig->server);
    secret_done(&rig->heartbeat);
    pthread_mutex_destroy(&rig->mutex);
    unlink(rig->kill_switch);
    rmdir(rig->folder);
    free(rig);
}

static void rig_spoil(struct rig *rig, int i, int status, enum canned_fault fault)
{
    pthread_mutex_lock(&rig->server.lock);
    rig->answers[i].status = status;
    rig->answers[i].fault = fault;
    pthread_mutex_unlock(&rig->server.lock);
}

/* The value in the status, as text; "null" where it is. Lasts until the next call. */
static const char *value(struct rig *rig, const char *part, const char *key)
{
    static char text[300];
    json_t *status = watch_status(rig->watch);
    const json_t *found = json_object_get(json_object_get(status, part), key);
    assert_non_null(found);
    snprintf(text, sizeof text, "%s", json_is_null(found) ? "null" : json_string_value(found));
    json_decref(status);
    return text;
}

static void wait_value(struct rig *rig, const char *part, const char *key, const char *wanted, int64_t timeout_ms)
{
    int64_t until = clock_steady_ms() + timeout_ms;
    while (strcmp(value(rig, part, key), wanted) != 0) {
        if (clock_steady_ms() > until)
            fail_msg("%s is \"%s\" and did not become \"%s\"", part, value(rig, part, key), wanted);
        usleep(10000);
    }
}

/* What the orchestrator knows, once it has been told. */
static struct command_outside wait_told(struct rig *rig, bool is_cut_off, bool is_killed)
{
    int64_t until = clock_steady_ms() + 8000;
    for (;;) {
        pthread_mutex_lock(&rig->mutex);
        struct command_outside told = rig->told;
        bool is_right = rig->n_told > 0 && told.is_cut_off == is_cut_off && told.is_killed == is_killed;
        pthread_mutex_unlock(&rig->mutex);
        if (is_right)
            return told;
        if (clock_steady_ms() > until)
            fail_msg("the orchestrator was not told");
        usleep(10000);
    }
}

static bool metrics_have(struct rig *rig, const char *line)
{
    struct strbuf text = STRBUF_INIT;
    watch_metrics(rig->watch, &text);
    bool has = strstr(strbuf_text(&text), line) != NULL;
    strbuf_done(&text);
    return has;
}

/* ---- the self-check ---------------------------------------------------------------------------------------------- */

static void test_any_answer_counts(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    rig_go(rig);
    wait_value(rig, "self_check", "state", "ok", 3000); /* at once, not after `every` */
    assert_string_equal(value(rig, "self_check", "text"), "the daemon itself is not cut off: 3 of 3 answered");
    assert_string_not_equal(value(rig, "self_check", "at"), "null");
    assert_true(metrics_have(rig, "\nturnout_self_check_ok 1\n"));
    rig_spoil(rig, 0, 200, CANNED_HANG); /* two are enough */
    usleep(1800000);
    assert_string_equal(value(rig, "self_check", "state"), "ok");
    char wanted[160];
    snprintf(wanted, sizeof wanted,
             "the daemon itself is not cut off: 2 of 3 answered (127.0.0.1:%d: no answer within 400 ms)",
             rig->server.port);
    assert_string_equal(value(rig, "self_check", "text"), wanted);
    assert_false(wait_told(rig, false, false).is_cut_off);
    rig_free(rig);
}

static void test_cut_off_and_back(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    rig_go(rig);
    wait_value(rig, "self_check", "state", "ok", 3000);
    rig_spoil(rig, 0, 200, CANNED_CLOSE);
    rig_spoil(rig, 1, 200, CANNED_CLOSE);
    struct command_outside told = wait_told(rig, true, false);
    assert_non_null(
        strstr(told.cut_off_text, "the daemon itself seems to be cut off: 1 of 3 answered, 2 are needed (127"));
    assert_null(strstr(told.cut_off_text, "hunter2"));
    assert_true(metrics_have(rig, "\nturnout_self_check_ok 0\n"));
    pthread_mutex_lock(&rig->mutex);
    assert_true(rig->holds.is_cut_off);
    pthread_mutex_unlock(&rig->mutex);
    rig_spoil(rig, 1, 200, CANNED_NONE);
    told = wait_told(rig, false, false);
    assert_non_null(strstr(told.cut_off_text, "the daemon itself is not cut off: 2 of 3 answered"));
    wait_value(rig, "self_check", "state", "ok", 100);
    rig_free(rig);
}

/* A miss is looked at again after two seconds, long before the next round. */
static void test_one_miss_alone(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    rig->settings.every_ms = 60000;
    for (int i = 0; i < 3; i++)
        rig_spoil(rig, i, 200, CANNED_CLOSE);
    int64_t began_at = clock_steady_ms();
    rig_go(rig);
    while (atomic_load(&rig->n_asked[0]) == 0 && clock_steady_ms() < began_at + 2000)
        usleep(5000);
    usleep(200000);
    assert_string_equal(value(rig, "self_check", "state"), "unknown");
    assert_non_null(strstr(value(rig, "self_check", "text"), "may be cut off: 0 of 3 answered"));
    pthread_mutex_lock(&rig->mutex);
    assert_string_equal(rig->told.cut_off_text, ""); /* nothing is known so far */
    pthread_mutex_unlock(&rig->mutex);
    for (int i = 0; i < 3; i++)
        rig_spoil(rig, i, 200, CANNED_NONE);
    wait_value(rig, "self_check", "state", "ok", 6000);
    assert_in_range(clock_steady_ms() - began_at, 1900, 6000);
    rig_free(rig);
}

/* ---- the kill switch --------------------------------------------------------------------------------------------- */

static void test_kill_switch(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    rig_go(rig);
    wait_value(rig, "kill_switch", "state", "absent", 3000);
    assert_true(metrics_have(rig, "\nturnout_kill_switch 0\n"));
    FILE *file = fopen(rig->kill_switch, "we");
    fclose(file);
    struct command_outside told = wait_told(rig, false, true);
    assert_non_null(strstr(told.killed_text, "/stop is there: nothing is written"));
    assert_string_not_equal(value(rig, "kill_switch", "since"), "null");
    assert_true(metrics_have(rig, "\nturnout_kill_switch 1\n"));
    unlink(rig->kill_switch);
    told = wait_told(rig, false, false);
    assert_non_null(strstr(told.killed_text, "/stop is not there"));
    assert_string_equal(value(rig, "kill_switch", "since"), "null");
    rig_free(rig);
}

/* ---- the heartbeat ----------------------------------------------------------------------------------------------- */

static void test_heartbeat(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    rig_go(rig);
    wait_value(rig, "heartbeat", "state", "ok", 3000);
    assert_string_not_equal(value(rig, "heartbeat", "last_ok_at"), "null");
    assert_string_equal(value(rig, "heartbeat", "text"), "heard: HTTP 200");
    rig_spoil(rig, 3, 404, CANNED_NONE);
    wait_value(rig, "heartbeat", "state", "failing", 4000);
    assert_string_equal(value(rig, "heartbeat", "text"),
                        "the heartbeat is not heard by the dead man's switch outside: HTTP 404");
    assert_string_not_equal(value(rig, "heartbeat", "failing_since"), "null");
    usleep(50000);
    pthread_mutex_lock(&rig->mutex);
    assert_true(rig->holds.is_heartbeat_failing);
    pthread_mutex_unlock(&rig->mutex);
    rig_spoil(rig, 3, 200, CANNED_CLOSE);
    wait_value(rig, "heartbeat", "text",
               "the heartbeat is not heard by the dead man's switch outside: the connection ends without an answer",
               4000);
    json_t *status = watch_status(rig->watch);
    char *shown = json_dumps(status, 0);
    assert_null(strstr(shown, "hunter2"));
    free(shown);
    json_decref(status);
    rig_spoil(rig, 3, 204, CANNED_NONE);
    wait_value(rig, "heartbeat", "state", "ok", 4000);
    assert_string_equal(value(rig, "heartbeat", "failing_since"), "null");
    rig_free(rig);
}

/* A process that lives but does not do its work must not keep the switch quiet. */
static void test_no_heartbeat_of_a_stuck_daemon(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    rig->answer = ERR_BUSY; /* the store is down, say */
    rig_go(rig);
    wait_value(rig, "heartbeat", "state", "failing", 15000);
    assert_non_null(strstr(value(rig, "heartbeat", "text"), "does not get its own work done"));
    assert_int_equal(atomic_load(&rig->n_asked[3]), 0);
    pthread_mutex_lock(&rig->mutex);
    rig->answer = ERR_OK;
    pthread_mutex_unlock(&rig->mutex);
    watch_set_ready(rig->watch, false);
    wait_value(rig, "heartbeat", "text", "the heartbeat is held back: the daemon takes no deliveries", 15000);
    assert_int_equal(atomic_load(&rig->n_asked[3]), 0);
    watch_set_ready(rig->watch, true);
    wait_value(rig, "heartbeat", "state", "ok", 4000);
    rig_free(rig);
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

static void test_what_is_lost_is_told_again(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    rig->settings.heartbeat = &(struct secret){0};
    rig->answer = ERR_BUSY;
    FILE *file = fopen(rig->kill_switch, "we");
    fclose(file);
    rig_go(rig);
    wait_told(rig, false, true);
    pthread_mutex_lock(&rig->mutex);
    rig->answer = ERR_OK;
    int before = rig->n_told;
    pthread_mutex_unlock(&rig->mutex);
    usleep(2500000);
    pthread_mutex_lock(&rig->mutex);
    int after = rig->n_told;
    assert_in_range(after, before + 1, before + 4); /* once a second while it fails, and then no more */
    pthread_mutex_unlock(&rig->mutex);
    usleep(2000000);
    pthread_mutex_lock(&rig->mutex);
    assert_int_equal(rig->n_told, after);
    pthread_mutex_unlock(&rig->mutex);
    rig_free(rig);
}

static void test_nothing_configured_and_a_quick_end(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    rig->settings.heartbeat = &(struct secret){0};
    rig->settings.kill_switch = NULL;
    rig->settings.n_urls = 0;
    rig->settings.site = NULL;
    rig_go(rig);
    struct command_outside told = wait_told(rig, false, false);
    assert_string_equal(told.cut_off_text, "");
    assert_string_equal(told.killed_text, "");
    static const char *const parts[] = {"self_check", "kill_switch", "heartbeat"};
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        assert_string_equal(value(rig, parts[i], "state"), "off");
    assert_false(metrics_have(rig, "turnout_"));
    rig_free(rig);

    rig = rig_new();
    rig->settings.timeout_ms = 60000;
    for (int i = 0; i < 4; i++)
        rig_spoil(rig, i, 200, CANNED_HANG);
    rig_go(rig);
    usleep(300000);
    int64_t began_at = clock_steady_ms();
    watch_stop(rig->watch);
    assert_in_range(clock_steady_ms() - began_at, 0, 2000);
    rig_free(rig);
    watch_stop(NULL);
    watch_free(NULL);
    watch_set_ready(NULL, true);
    watch_metrics(NULL, NULL);
}

int main(void)
{
    clock_start();
    fetch_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_answer_counts),
        cmocka_unit_test(test_cut_off_and_back),
        cmocka_unit_test(test_one_miss_alone),
        cmocka_unit_test(test_kill_switch),
        cmocka_unit_test(test_heartbeat),
        cmocka_unit_test(test_no_heartbeat_of_a_stuck_daemon),
        cmocka_unit_test(test_what_is_lost_is_told_again),
        cmocka_unit_test(test_nothing_configured_and_a_quick_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
