/* The orchestrator on a real database, with the test in the place of the HTTP servers and of the executor. */
#ifndef TURNOUT_TESTS_ORCHESTRATOR_FIXTURE_H
#define TURNOUT_TESTS_ORCHESTRATOR_FIXTURE_H

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "orchestrator/orchestrator.h"
#include "tests/unit/test.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define WAIT_S 20

/* ---- a world by hand --------------------------------------------------------------------------------------------- */

static char prometheus[] = "prometheus", second[] = "second", linode[] = "linode";
static char *source_names[] = {prometheus, second};
static enum trust source_trust[] = {TRUST_SECRET, TRUST_OPEN};
static char *provider_names[] = {linode};
static char place_gra[] = "gra", place_rbx[] = "rbx";
static char *place_names[] = {place_gra, place_rbx};

struct fixture {
    char folder[64];
    char database[128];
    struct ballast *ballast; /* NULL: there is none; freed at the end */
    struct site sites[2];
    struct step step;
    struct service service;
    struct model model;
    struct store *store;
    struct command_queue *commands;
    struct job_queue *jobs;
    struct orchestrator *orchestrator;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct command *done; /* finished commands, newest first */
    bool is_ready, has_self_check;
    const char *kill_switch;
};

static struct fixture *the; /* one at a time: `done` functions have no other way to it */

static inline void on_done(struct command *command)
{
    pthread_mutex_lock(&the->mutex);
    command->next = the->done;
    the->done = command;
    pthread_cond_broadcast(&the->cond);
    pthread_mutex_unlock(&the->mutex);
}

static inline void on_ready(void *context, bool is_ready, const char *why)
{
    (void)why;
    struct fixture *f = context;
    pthread_mutex_lock(&f->mutex);
    f->is_ready = is_ready;
    pthread_cond_broadcast(&f->cond);
    pthread_mutex_unlock(&f->mutex);
}

static inline enum err try_start(struct fixture *f, struct errmsg *why)
{
    enum err err = store_open(f->database, &f->store, why);
    if (err != ERR_OK)
        return err;
    f->commands = command_queue_new(1000);
    f->jobs = job_queue_new();
    const struct orchestrator_settings settings = {
        .model = &f->model,
        .store = f->store,
        .commands = f->commands,
        .jobs = f->jobs,
        .keep = {30 * 24 * (int64_t)3600 * 1000, 30 * 24 * (int64_t)3600 * 1000},
        .config_path = "test.yaml",
        .config_digest = "00",
        .has_self_check = f->has_self_check,
        .kill_switch = f->kill_switch,
        .ballast = f->ballast,
        .on_ready = on_ready,
        .context = f};
    err = orchestrator_start(&settings, &f->orchestrator, why);
    if (err == ERR_OK)
        return ERR_OK;
    command_queue_free(f->commands);
    job_queue_free(f->jobs);
    store_close(f->store);
    return err;
}

static inline void start(struct fixture *f)
{
    struct errmsg why = {0};
    if (try_start(f, &why) != ERR_OK)
        fail_msg("%s", why.text);
}

static inline void stop(struct fixture *f)
{
    if (!f->orchestrator)
        return;
    job_queue_close(f->jobs);
    command_queue_close(f->commands);
    orchestrator_stop(f->orchestrator);
    f->orchestrator = NULL;
    command_queue_free(f->commands);
    job_queue_free(f->jobs);
    store_close(f->store);
}

static inline int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    the = f;
    *state = f;
    snprintf(f->folder, sizeof f->folder, "/tmp/turnout-orchestrator-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->database, sizeof f->database, "%s/turnout.db", f->folder);
    pthread_mutex_init(&f->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&f->cond, &attributes);
    static char gra[] = "gra", rbx[] = "rbx", shop[] = "shop", step[] = "the record";
    f->sites[0] = (struct site){.name = gra, .values = json_pack("{s:s}", "address", "192.0.2.10")};
    f->sites[1] = (struct site){.name = rbx, .place = 1, .values = json_pack("{s:s}", "address", "198.51.100.20")};
    f->step = (struct step){.name = step,
                            .action_name = "linode.dns_record",
                            .can_observe = true,
                            .can_apply = true,
                            .can_settle = false,
                            .provider = 0,
                            .timeout_ms = 1000,
                            .deadline_ms = 60000,
                            .args = json_pack("{s:s}", "target", "${to.address}")};
    f->service = (struct service){.name = shop,
                                  .sites = f->sites,
                                  .n_sites = 2,
                                  .mode = MODE_AUTOMATIC,
                                  .votes = 1,
                                  .hold_ms = 0,
                                  .cool_down_ms = 3600000,
                                  .steps = &f->step,
                                  .n_steps = 1};
    f->model = (struct model){.services = &f->service,
                              .n_services = 1,
                              .source_names = source_names,
                              .source_trust = source_trust,
                              .n_sources = 2,
                              .place_names = place_names,
                              .n_places = 2,
                              .provider_names = provider_names,
                              .n_providers = 1};
    return 0; /* it starts with the first command: until then a test may change the configuration */
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    stop(f);
    ballast_free(f->ballast);
    while (f->done) {
        struct command *next = f->done->next;
        command_free(f->done);
        f->done = next;
    }
    json_decref(f->sites[0].values);
    json_decref(f->sites[1].values);
    json_decref(f->step.args);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", f->folder);
    assert_int_equal(system(command), 0);
    free(f);
    the = NULL;
    return 0;
}

/* ---- what senders and operators do ------------------------------------------------------------------------------- */

static inline struct command *send(struct fixture *f, struct command *command)
{
    command->done = on_done;
    if (!f->orchestrator)
        start(f);
    enum err err;
    for (int i = 0; (err = command_queue_push(f->commands, command)) == ERR_BUSY && i < WAIT_S * 500; i++)
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL); /* intake is closed: a sender comes again */
    assert_int_equal(err, ERR_OK);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock(&f->mutex);
    for (;;) {
        for (struct command *done = f->done; done; done = done->next)
            if (done == command) {
                pthread_mutex_unlock(&f->mutex);
                return command;
            }
        if (pthread_cond_timedwait(&f->cond, &f->mutex, &until) != 0)
            fail_msg("a command was not answered");
    }
}

#define HOUR ((int64_t)3600 * 1000)

static inline struct command *delivery(int source, int site, enum alert_state state, int64_t starts_at, int64_t ends_at)
{
    struct command *command = command_new(COMMAND_DELIVERY);
    struct command_delivery *d = &command->as.delivery;
    d->source = source;
    d->received_at = clock_wall_ms();
    d->id = id_new(d->received_at);
    d->body = strdup("{}");
    d->body_len = 2;
    d->n_alerts = 1;
    d->alerts = calloc(1, sizeof *d->alerts);
    d->alerts[0] = (struct alert){.state = state, .starts_at = starts_at, .ends_at = ends_at, .n_targets = 1};
    d->alerts[0].key.bytes[0] = (uint8_t)(1 + source);
    d->alerts[0].key.bytes[8] = (uint8_t)(1 + (site < 0 ? 100 : site));
    d->alerts[0].targets = calloc(1, sizeof(struct alert_target));
    d->alerts[0].targets[0] = (struct alert_target){.service = 0, .site = site};
    return command;
}

static inline const struct command_delivery *deliver(struct fixture *f, int source, int site, enum alert_state state,
                                                     int64_t starts_at, int64_t ends_at)
{
    struct command *command = send(f, delivery(source, site, state, starts_at, ends_at));
    assert_int_equal(command->err, ERR_OK);
    return &command->as.delivery;
}

static inline struct command *operator_call(enum command_kind kind, const char *site)
{
    struct command *command = command_new(kind);
    struct command_operator *call = &command->as.operator_call;
    snprintf(call->who, sizeof call->who, "oncall");
    call->service = strdup("shop");
    call->site = site ? strdup(site) : NULL;
    call->reason = strdup("a test");
    call->direction = DIRECTION_FAILOVER;
    return command;
}

static inline void adopt(struct fixture *f, const char *site)
{
    assert_int_equal(send(f, operator_call(COMMAND_ADOPT, site))->err, ERR_OK);
}

static inline struct job *next_attempt(struct fixture *f)
{
    struct job *job = job_queue_take(f->jobs);
    while (job && job->kind == JOB_OBSERVE) /* the round for the unknown active site: answered with "cannot tell" */
    {
        struct command *command = command_new(COMMAND_OBSERVED);
        command->context = job;
        command->as.observed.site = SITE_NONE;
        command->as.observed.text = strdup("cannot tell");
        assert_int_equal(command_queue_push(f->commands, command), ERR_OK);
        job = job_queue_take(f->jobs);
    }
    assert_non_null(job);
    return job;
}

static inline void answer(struct fixture *f, struct job *job, enum outcome outcome, bool is_right)
{
    struct command *command = command_new(COMMAND_RESULT);
    command->context = job;
    command->as.result = (struct command_result){.run = job->run,
                                                 .step = job->step,
                                                 .attempt = job->attempt,
                                                 .phase = job->phase,
                                                 .outcome = outcome,
                                                 .is_right = is_right,
                                                 .retry_after_ms = -1,
                                                 .requests = json_array()};
    assert_int_equal(command_queue_push(f->commands, command), ERR_OK);
}

/* ---- what can be read afterwards --------------------------------------------------------------------------------- */

static inline json_t *service_now(struct fixture *f)
{
    struct store_reader *reader = NULL;
    struct errmsg why = {0};
    json_t *services = NULL;
    assert_int_equal(store_reader_open(f->database, &reader, &why), ERR_OK);
    assert_int_equal(store_services(reader, &services, &why), ERR_OK);
    store_reader_close(reader);
    json_t *service = json_incref(json_array_get(services, 0));
    json_decref(services);
    return service;
}

static inline void wait_active(struct fixture *f, const char *kind, const char *site)
{
    for (int i = 0; i < WAIT_S * 100; i++) {
        json_t *service = service_now(f);
        const char *active = json_string_value(json_object_get(service, "active"));
        const char *at = json_string_value(json_object_get(service, "active_site"));
        bool is_so = active && strcmp(active, kind) == 0 && strcmp(at ? at : "", site) == 0;
        json_decref(service);
        if (is_so)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    fail_msg("the service did not become %s %s", kind, site);
}

static inline int64_t count(struct fixture *f, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open_v2(f->database, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

static inline void assert_chain_intact(struct fixture *f)
{
    struct store_reader *reader = NULL;
    struct errmsg why = {0};
    struct audit_verdict verdict;
    assert_int_equal(store_reader_open(f->database, &reader, &why), ERR_OK);
    assert_int_equal(store_audit_verify(reader, &verdict, &why), ERR_OK);
    if (!verdict.is_intact)
        fail_msg("entry %lld: %s", (long long)verdict.broken_seq, verdict.text);
    assert_true(verdict.count > 0);
    store_reader_close(reader);
}

static inline void wait_ready(struct fixture *f, bool is_ready)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock(&f->mutex);
    while (f->is_ready != is_ready)
        if (pthread_cond_timedwait(&f->cond, &f->mutex, &until) != 0)
            fail_msg("did not become %s", is_ready ? "ready" : "unready");
    pthread_mutex_unlock(&f->mutex);
}

#endif
