#include "standalone/standalone.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/kill_switch.h"
#include "base/random.h"
#include "core/decide.h"
#include "executor/executor.h"
#include "standalone/internal.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GRACE_MS 10000
#define THREADS 32

static volatile sig_atomic_t n_interrupts;

static void on_interrupt(int number)
{
    (void)number;
    n_interrupts = 1;
}

bool standalone_is_interrupted(void)
{
    return n_interrupts != 0;
}

const char *standalone_step_text(const struct standalone *s, int step, const char *key)
{
    const char *text = json_string_value(json_object_get(s->steps[step].text, key));
    return text ? text : "";
}

/* ---- the journal ------------------------------------------------------------------------------------------------- */

void standalone_note(struct standalone *s, const char *kind, json_t *entry)
{
    char at[TIME_TEXT_SIZE];
    json_t *line = json_pack("{s:s, s:s}", "at", time_format(clock_wall_ms(), at), "kind", kind);
    json_object_update_missing(line, entry);
    if (s->journal && line) {
        (void)json_dumpf(line, s->journal, JSON_COMPACT);
        fputc('\n', s->journal);
        fflush(s->journal);
    }
    json_decref(line);
    json_decref(entry);
}

/* Beside the configuration, which is where people look. A folder that cannot be written to is no reason not to go. */
static FILE *journal_open(const char *config, char **ret_path)
{
    char at[TIME_TEXT_SIZE], stamp[TIME_TEXT_SIZE];
    time_format(clock_wall_ms(), at);
    size_t len = 0;
    for (const char *c = at; *c; c++)
        if (*c != ':' && *c != '-' && *c != '.')
            stamp[len++] = *c;
    stamp[len] = '\0';
    const char *slash = strrchr(config, '/');
    int folder_len = slash ? (int)(slash - config + 1) : 0;
    if (asprintf(ret_path, "%.*sturnout-standalone-%s.jsonl", folder_len, config, stamp) < 0) {
        *ret_path = NULL;
        return NULL;
    }
    int fd = open(*ret_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file)
        fprintf(stderr, "turnout: warning: no record can be written to %s: %s; keep what stands here\n", *ret_path,
                strerror(errno));
    return file;
}

/* ---- what is to be done ------------------------------------------------------------------------------------------ */

static int usage(const char *text)
{
    fprintf(stderr, "turnout: %s\n", text);
    return EXIT_USAGE;
}

static int find_site(const struct service *service, const char *name)
{
    int site = service_site_find(service, name);
    if (site == SITE_NONE)
        fprintf(stderr, "turnout: %s has no site %s\n", service->name, name);
    return site;
}

/* Of two sites it is the other; of more a person has to say. */
static int find_places(struct standalone *s)
{
    const struct options *options = s->options;
    const struct service *service = s->service;
    if (!options->to && s->direction == DIRECTION_FAILOVER)
        return usage("--to SITE is needed");
    s->to = options->to ? find_site(service, options->to) : 0;
    if (s->to == SITE_NONE)
        return EXIT_FAILED;
    s->from = service->n_sites == 2 ? 1 - s->to : SITE_NONE;
    if (options->from && (s->from = find_site(service, options->from)) == SITE_NONE)
        return EXIT_FAILED;
    if (s->from == SITE_NONE)
        return usage("--from SITE is needed: the service has more than two sites");
    return s->from == s->to ? usage("--from and --to are the same site") : EXIT_DONE;
}

static enum occasion occasion_of(const struct standalone *s)
{
    if (s->direction == DIRECTION_FAILBACK)
        return OCCASION_FAILBACK;
    return s->options->is_planned ? OCCASION_PLANNED : OCCASION_OUTAGE;
}

static int make_run(struct standalone *s)
{
    const struct service *service = s->service;
    struct errmsg why = {0};
    s->run = (struct run){
        .id = id_new(clock_wall_ms()), .direction = s->direction, .from = s->from, .to = s->to, .state = RUN_RUNNING};
    for (int i = 0; i < s->options->n_overrides; i++)
        s->run.is_forced |= strcmp(s->options->overrides[i], reason_text(REASON_PREFLIGHT)) == 0;
    s->run.steps = calloc((size_t)service->n_steps + 1, sizeof *s->run.steps);
    s->steps = calloc((size_t)service->n_steps + 1, sizeof *s->steps);
    for (int i = 0; s->run.steps && s->steps && i < service->n_steps; i++) {
        if (!step_is_part_of(&service->steps[i], occasion_of(s)))
            continue;
        int n = s->run.n_steps++;
        s->run.steps[n] = step_run_new(&service->steps[i]);
        s->steps[n].text = step_resolve(&s->config->model, service, &service->steps[i], s->from, s->to, &why);
        if (!s->steps[n].text) {
            fprintf(stderr, "turnout: step %s cannot be resolved: %s\n", service->steps[i].name, why.text);
            return EXIT_FAILED;
        }
    }
    if (s->run.n_steps > 0)
        return EXIT_DONE;
    fprintf(stderr, "turnout: the playbook of %s has no step for this\n", service->name);
    return EXIT_FAILED;
}

static int load(struct standalone *s)
{
    struct strbuf errors = STRBUF_INIT, warnings = STRBUF_INIT;
    enum err err = config_load(s->options->config, &s->config, &errors, &warnings); /* doubts are for `check` to say */
    fputs(strbuf_text(&errors), stderr);
    strbuf_done(&errors);
    strbuf_done(&warnings);
    if (err != ERR_OK)
        return EXIT_FAILED;
    int service = model_service_find(&s->config->model, s->options->words[0]);
    if (service < 0) {
        fprintf(stderr, "turnout: there is no service %s in %s\n", s->options->words[0], s->options->config);
        return EXIT_FAILED;
    }
    s->service = &s->config->model.services[service];
    int code = find_places(s);
    return code == EXIT_DONE ? make_run(s) : code;
}

/* A database that is broken or cannot be written to is one of the days this is for. */
static int keep_daemon_out(const char *database, int *ret_lock)
{
    struct errmsg why = {0};
    long pid = 0;
    enum err err = store_hold(database, ret_lock, &why);
    if (err == ERR_OK)
        return EXIT_DONE;
    if (err == ERR_BUSY || store_is_held(database, &pid)) {
        fprintf(stderr,
                "turnout: a daemon may be at work: %s\n"
                "Ask it to do this (the same command without --standalone), or stop it first.\n",
                err == ERR_BUSY ? why.text : "its lock is held");
        return EXIT_REFUSED;
    }
    fprintf(stderr,
            "turnout: warning: %s\n"
            "So nothing keeps a daemon from starting meanwhile: see that none does.\n",
            why.text);
    return EXIT_DONE;
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static bool is_agreed(const struct standalone *s)
{
    char line[16] = "";
    if (standalone_is_interrupted())
        return false;
    if (s->options->is_yes)
        return true;
    printf("Type yes to do this: ");
    fflush(stdout);
    bool is_read = fgets(line, sizeof line, stdin) != NULL;
    return is_read && !standalone_is_interrupted() && strcmp(line, "yes\n") == 0;
}

static int plan_and_go(struct standalone *s)
{
    struct errmsg why = {0};
    printf("%s of %s from %s to %s:\n", direction_text(s->direction), s->service->name, s->service->sites[s->from].name,
           s->service->sites[s->to].name);
    standalone_tell_of_daemon(s);
    standalone_plan(s);
    if (kill_switch_is_on(s->config->kill_switch, &why)) {
        fprintf(stderr, "turnout: %s\n", why.text);
        return EXIT_REFUSED;
    }
    if (!is_agreed(s)) {
        fprintf(stderr, "turnout: nothing was changed\n");
        return EXIT_REFUSED;
    }
    return standalone_run(s);
}

static int with_threads(struct standalone *s)
{
    struct errmsg why = {0};
    struct executor *executor = NULL;
    s->jobs = job_queue_new();
    s->commands = command_queue_new(MAX_STEPS);
    const struct executor_settings settings = {.jobs = s->jobs,
                                               .commands = s->commands,
                                               .providers = s->config->providers,
                                               .n_providers = s->config->model.n_providers,
                                               .kill_switch = s->config->kill_switch,
                                               .n_attempt_threads = THREADS,
                                               .n_look_threads = THREADS};
    int code = EXIT_FAILED;
    if (s->jobs && s->commands && executor_start(&settings, &executor, &why) == ERR_OK)
        code = plan_and_go(s);
    else
        fprintf(stderr, "turnout: %s\n", why.text[0] ? why.text : "out of memory");
    executor_stop(executor, GRACE_MS);
    command_queue_free(s->commands);
    job_queue_free(s->jobs);
    return code;
}

static void done(struct standalone *s)
{
    for (int i = 0; s->steps && i < s->run.n_steps; i++) {
        json_decref(s->steps[i].text);
        json_decref(s->steps[i].observed);
        json_decref(s->steps[i].applied);
        json_decref(s->steps[i].previous);
        job_free(s->steps[i].job);
    }
    free(s->steps);
    free(s->run.steps);
    config_free(s->config);
}

static int locked(struct standalone *s)
{
    AUTO_FREE char *path = NULL;
    AUTO_FCLOSE FILE *journal = journal_open(s->options->config, &path);
    s->journal = journal;
    standalone_note(s, "started",
                    json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "direction", direction_text(s->direction), "service",
                              s->service->name, "from", s->service->sites[s->from].name, "to",
                              s->service->sites[s->to].name, "reason", s->options->reason, "config",
                              s->config->digest));
    int code = with_threads(s);
    standalone_note(s, "finished",
                    json_pack("{s:s, s:i}", "state", code == EXIT_REFUSED ? "refused" : run_state_text(s->run.state),
                              "exit", code));
    if (journal)
        printf("The record is in %s\n", path);
    return code;
}

int standalone_move(const struct options *options, enum direction direction)
{
    if (!options->config)
        return usage("--standalone needs -c FILE");
    if (!options->reason)
        return usage("--reason is needed: it stands in the record");
    struct standalone s = {.options = options, .direction = direction};
    const struct sigaction interrupt = {.sa_handler = on_interrupt}; /* ends a read of the answer, too */
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGTERM, &interrupt, NULL);
    signal(SIGPIPE, SIG_IGN);
    int lock = -1;
    int code = load(&s);
    if (code == EXIT_DONE)
        code = keep_daemon_out(s.config->database, &lock);
    if (code == EXIT_DONE)
        code = locked(&s);
    store_let_go(lock);
    done(&s);
    return code;
}
