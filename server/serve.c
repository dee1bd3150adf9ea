/* The daemon: everything is made here, in order, and taken down in the opposite one. */
#include "base/cleanup.h"
#include "base/crash_point.h"
#include "base/log.h"
#include "cli.h"
#include "config/config.h"
#include "executor/executor.h"
#include "exporter/exporter.h"
#include "http/http.h"
#include "needs.h"
#include "orchestrator/orchestrator.h"
#include "prober/prober.h"
#include "watch/watch.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define MAX_COMMANDS 4096
#define MAX_ATTEMPT_THREADS 48
#define MAX_LOOK_THREADS 32
#define STOP_GRACE_MS 5000
#define EXPORT_EVERY_MS 5000

struct daemon {
    struct config *config;
    struct ballast *ballast;
    struct store *store;
    struct command_queue *commands;
    struct job_queue *jobs;
    struct http_operator *operators;
    struct http_tls tls;
    struct needs *needs;
    struct http *http;
    struct watch *watch;
    struct exporter *exporter;
    struct orchestrator *orchestrator;
    struct executor *executor;
    struct prober *prober;
    pthread_mutex_t asked_mutex; /* guards `asked`, which HTTP threads use before there is an orchestrator, and after */
    struct orchestrator *asked;
};

/* Secrets came in through the environment: they must not stand in /proc/PID/environ, in a child or in a core dump. What
 * libraries need later stays. */
static void forget_environment(void)
{
    static const char *const KEEP[] = {
        "PATH=",         "HOME=",         "LANG=",          "LC_",          "TZ=",       "https_proxy=", "http_proxy=",
        "HTTPS_PROXY=",  "HTTP_PROXY=",   "no_proxy=",      "NO_PROXY=",    "SSL_CERT_", "LOCALDOMAIN=", "RES_OPTIONS=",
        "ASAN_OPTIONS=", "TSAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS="};
    extern char **environ;
    for (char **entry = environ; entry && *entry; entry++) {
        bool is_kept = false;
        for (size_t i = 0; i < COUNT_OF(KEEP); i++)
            is_kept |= strncmp(*entry, KEEP[i], strlen(KEEP[i])) == 0;
        char *value = strchr(*entry, '=');
        if (!is_kept && value)
            secret_wipe(value + 1, strlen(value + 1));
    }
}

static void on_ready(void *context, bool is_ready, const char *why)
{
    struct daemon *daemon = context;
    http_set_ready(daemon->http, is_ready, why);
    watch_set_ready(daemon->watch, is_ready);
}

static void on_holds(void *context, const struct watch_holds *holds)
{
    struct daemon *daemon = context;
    const char *names[HTTP_MAX_HOLDS + 1] = {NULL};
    int n = 0;
    if (holds->is_cut_off)
        names[n++] = "cut_off";
    if (holds->is_killed)
        names[n++] = "kill_switch";
    if (holds->is_heartbeat_failing)
        names[n++] = "heartbeat_failing";
    http_set_holds(daemon->http, names);
}

static void add_metrics(void *context, struct strbuf *text)
{
    struct daemon *daemon = context;
    orchestrator_metrics(daemon->orchestrator, text);
    prober_metrics(daemon->prober, text);
    watch_metrics(daemon->watch, text);
}

/* What the orchestrator does not know: that nobody hears of us, and, beside what it goes by, what was found outside. */
static void add_outside(const struct daemon *daemon, json_t *status)
{
    json_t *outside = watch_status(daemon->watch);
    const json_t *heartbeat = json_object_get(outside, "heartbeat");
    const char *state = json_string_value(json_object_get(heartbeat, "state"));
    bool is_failing = state && strcmp(state, "failing") == 0;
    json_object_set_new(status, "heartbeat",
                        is_failing ? json_incref(json_object_get(heartbeat, "text")) : json_null());
    json_object_set_new(status, "outside", outside);
}

static json_t *status(void *context)
{
    struct daemon *daemon = context;
    pthread_mutex_lock(&daemon->asked_mutex);
    json_t *status = daemon->asked ? orchestrator_status(daemon->asked) : json_object();
    if (daemon->asked)
        add_outside(daemon, status);
    pthread_mutex_unlock(&daemon->asked_mutex);
    return status;
}

static void set_asked(struct daemon *daemon, struct orchestrator *orchestrator)
{
    pthread_mutex_lock(&daemon->asked_mutex);
    daemon->asked = orchestrator;
    pthread_mutex_unlock(&daemon->asked_mutex);
}

static enum err start_http(struct daemon *daemon, struct errmsg *why)
{
    const struct config *config = daemon->config;
    daemon->operators = calloc((size_t)config->n_operators + 1, sizeof *daemon->operators);
    if (!daemon->operators)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    for (int i = 0; i < config->n_operators; i++)
        daemon->operators[i] = (struct http_operator){
            .name = config->operators[i].name, .role = config->operators[i].role, .token = &config->operators[i].token};
    struct http_settings settings;
    http_settings_init(&settings);
    settings.hooks_address = (const struct sockaddr *)&config->hooks.address;
    settings.hooks_text = config->hooks.text;
    settings.api_address = (const struct sockaddr *)&config->api.address;
    settings.api_text = config->api.text;
    if (config->tls.certificate)
        settings.tls = &daemon->tls;
    daemon->tls = http_tls_of(&config->tls);
    settings.trusted_proxies = config->trusted_proxies;
    settings.n_trusted_proxies = config->n_trusted_proxies;
    settings.hooks_rate = config->hooks_rate;
    settings.api_rate = config->api_rate;
    settings.sources = config->sources;
    settings.n_sources = config->model.n_sources;
    settings.operators = daemon->operators;
    settings.n_operators = config->n_operators;
    settings.model = &config->model;
    settings.queue = daemon->commands;
    settings.needs = daemon->needs;
    settings.database = config->database;
    settings.status = status;
    settings.status_context = daemon;
    return http_start(&settings, &daemon->http, why);
}

static enum err start_watch(struct daemon *daemon, struct errmsg *why)
{
    const struct config *config = daemon->config;
    const struct watch_settings settings = {.commands = daemon->commands,
                                            .site = config->site,
                                            .kill_switch = config->kill_switch,
                                            .urls = config->self_check.urls,
                                            .n_urls = config->self_check.n_urls,
                                            .need = config->self_check.need,
                                            .every_ms = config->self_check.every_ms,
                                            .timeout_ms = config->self_check.timeout_ms,
                                            .heartbeat = &config->heartbeat.url,
                                            .heartbeat_every_ms = config->heartbeat.every_ms,
                                            .on_change = on_holds,
                                            .context = daemon};
    return watch_start(&settings, &daemon->watch, why);
}

static enum err start_workers(struct daemon *daemon, struct errmsg *why)
{
    struct config *config = daemon->config;
    const struct executor_settings executor = {.jobs = daemon->jobs,
                                               .commands = daemon->commands,
                                               .providers = config->providers,
                                               .n_providers = config->model.n_providers,
                                               .database = config->database,
                                               .kill_switch = config->kill_switch,
                                               .n_attempt_threads = MAX_ATTEMPT_THREADS,
                                               .n_look_threads = MAX_LOOK_THREADS};
    const struct exporter_settings exporter = {
        .folder = config->export, .database = config->database, .model = &config->model, .every_ms = EXPORT_EVERY_MS};
    const struct orchestrator_settings orchestrator = {.model = &config->model,
                                                       .store = daemon->store,
                                                       .ballast = daemon->ballast,
                                                       .commands = daemon->commands,
                                                       .jobs = daemon->jobs,
                                                       .keep = config->keep,
                                                       .config_path = config->path,
                                                       .config_digest = config->digest,
                                                       .has_self_check = config->self_check.n_urls > 0,
                                                       .kill_switch = config->kill_switch,
                                                       .on_ready = on_ready,
                                                       .context = daemon};
    enum err err = orchestrator_start(&orchestrator, &daemon->orchestrator, why);
    if (err != ERR_OK)
        return err;
    set_asked(daemon, daemon->orchestrator);
    err = executor_start(&executor, &daemon->executor, why);
    if (err == ERR_OK && config->export)
        err = exporter_start(&exporter, &daemon->exporter, why);
    if (err == ERR_OK)
        err = prober_start(&config->model, daemon->commands, &daemon->prober, why);
    if (err == ERR_OK)
        http_set_metrics(daemon->http, add_metrics, daemon);
    return err;
}

static enum err start(struct daemon *daemon, struct errmsg *why)
{
    daemon->ballast = ballast_new(daemon->config->database, daemon->config->ballast_bytes);
    if (!daemon->ballast)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    enum err err = store_open(daemon->config->database, &daemon->store, why);
    if (err == ERR_FULL && ballast_drop(daemon->ballast)) {
        log_error("the disk is full (%s): the ballast is given up, so that the daemon can start", why->text);
        err = store_open(daemon->config->database, &daemon->store, why);
    }
    if (err != ERR_OK)
        return err;
    daemon->commands = command_queue_new(MAX_COMMANDS);
    daemon->jobs = job_queue_new();
    if (!daemon->commands || !daemon->jobs)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    err = needs_start(&daemon->needs, why);
    if (err == ERR_OK)
        err = start_http(daemon, why);
    if (err == ERR_OK)
        err = start_watch(daemon, why);
    return err == ERR_OK ? start_workers(daemon, why) : err;
}

/* New work is refused first; what is under way ends or stays resumable; everything accepted is answered. */
static void stop(struct daemon *daemon)
{
    if (daemon->http)
        http_stop_accepting(daemon->http);
    needs_stop(daemon->needs);
    watch_stop(daemon->watch);
    prober_stop(daemon->prober);
    exporter_stop(daemon->exporter);
    executor_stop(daemon->executor, STOP_GRACE_MS);
    if (daemon->commands)
        command_queue_close(daemon->commands);
    if (daemon->http)
        http_set_metrics(daemon->http, NULL, NULL);
    set_asked(daemon, NULL);
    orchestrator_stop(daemon->orchestrator);
    http_stop(daemon->http);
    prober_free(daemon->prober);
    watch_free(daemon->watch);
    needs_free(daemon->needs);
    command_queue_free(daemon->commands);
    job_queue_free(daemon->jobs);
    store_close(daemon->store);
    ballast_free(daemon->ballast);
    free(daemon->operators);
    config_free(daemon->config);
}

static struct config *load(const char *path)
{
    struct config *config = NULL;
    struct strbuf errors = STRBUF_INIT;
    struct strbuf warnings = STRBUF_INIT;
    enum err err = config_load(path, &config, &errors, &warnings);
    fputs(strbuf_text(&warnings), stderr);
    fputs(strbuf_text(&errors), stderr);
    strbuf_done(&errors);
    strbuf_done(&warnings);
    return err == ERR_OK ? config : NULL;
}

/* Certificates are changed every few weeks, by programs that cannot restart a daemon at night. */
static void reload(struct daemon *daemon)
{
    struct errmsg why = {0};
    if (!daemon->config->tls.certificate)
        log_warning("the configuration is read at start only: restart to change it");
    else if (http_reload_tls(daemon->http, &why) == ERR_OK)
        log_info("the files of server.tls were read again; all else of the configuration is read at start only: "
                 "restart to change it");
    else
        log_error("%s; the certificate in use stays, and all else of the configuration is read at start only",
                  why.text);
}

static int wait_for_signal(struct daemon *daemon, const sigset_t *signals)
{
    int number = 0;
    for (;;) {
        if (sigwait(signals, &number) != 0)
            continue;
        if (number != SIGHUP)
            return number;
        reload(daemon);
    }
}

/* Connections of two listeners, and of as many probes as sites may hang at once, are more than the usual 1024. */
static void allow_many_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warning("the limit of open files stays as it is");
}

int command_serve(const struct options *options)
{
    if (!options->config) {
        fprintf(stderr, "Usage: turnout serve -c FILE\n");
        return EXIT_USAGE;
    }
    crash_points_start();
    prctl(PR_SET_DUMPABLE, 0);
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    allow_many_files();
    /* A full file system by quota or limit is an error of write(), not the end. */
    signal(SIGXFSZ, SIG_IGN);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);

    struct daemon daemon = {.config = load(options->config), .asked_mutex = PTHREAD_MUTEX_INITIALIZER};
    if (!daemon.config)
        return EXIT_FAILED;
    forget_environment();
    struct errmsg why = {0};
    int code = EXIT_DONE;
    if (start(&daemon, &why) == ERR_OK) {
        log_info("turnout %s serves: hooks on %s (port %d), api and page on %s (port %d)", TURNOUT_VERSION,
                 daemon.config->hooks.text, http_hooks_port(daemon.http), daemon.config->api.text,
                 http_api_port(daemon.http));
        int number = wait_for_signal(&daemon, &signals);
        log_info("stopping on signal %d", number);
    } else {
        fprintf(stderr, "turnout: %s\n", why.text);
        code = EXIT_FAILED;
    }
    stop(&daemon);
    return code;
}
