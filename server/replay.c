/* `turnout replay`: what was decided about an incident is decided again, from its record and by a configuration, and
 * where the two part is shown. It asks a daemon for the record, and does nothing else there. */
#include "replay.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "client/client.h"
#include "core/scenario.h"
#include "core/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SAME_TIME_MS 3000 /* a timer that was looked at so much later was late, and no other decision */

/* ---- what is decided now ----------------------------------------------------------------------------------------- */

struct replaying {
    const struct replay_record *record;
    struct replay_acts acts;
};

static const char *site_name(const struct service *service, int site)
{
    return site >= 0 && site < service->n_sites ? service->sites[site].name : "";
}

/* The keys are those of replay_record.c. */
static void take(void *context, const struct scenario_told *told)
{
    struct replaying *replaying = context;
    const struct replay_record *record = replaying->record;
    struct replay_acts *acts = &replaying->acts;
    const struct thing *thing = told->thing;
    if (!thing || told->service != record->service)
        return;
    const struct service *service = &told->model->services[told->service];
    const char *reason = reason_text(thing->reason);
    if (thing->kind == THING_INCIDENT_STANDING && thing->site == record->site)
        replay_acts_add(acts, told->at, thing->text, "%s", thing->flag ? "stands" : "falls");
    else if (thing->kind == THING_NOT_ACTED && thing->site == record->site)
        replay_acts_add(acts, told->at, thing->text, "not_acted %s %s", reason, site_name(service, thing->site_to));
    else if (thing->kind == THING_RUN_START)
        replay_acts_add(acts, told->at, thing->text, "run %s %s %s", site_name(service, thing->from),
                        site_name(service, thing->site), run_state_text(thing->run_state));
    else if (thing->kind == THING_RUN_APPROVED)
        replay_acts_add(acts, told->at, thing->text, "approved");
    else if (thing->kind == THING_RUN_CANCEL)
        replay_acts_add(acts, told->at, thing->text, "cancel %s", reason);
    else if (thing->kind == THING_RUN_HALT)
        replay_acts_add(acts, told->at, thing->text, "halt %s", reason);
}

/* A monitor's repeats are on no record, and other services are not in this one: what needs them is left out. */
static void keep_to_the_record(struct model *model, int service)
{
    for (int i = 0; model->voter_rules && i < model->n_sources; i++) {
        model->voter_rules[i].expires_ms = 0;
        model->voter_rules[i].stale_after_ms = 0;
    }
    for (int i = 0; model->provider_max_parallel && i < model->n_providers; i++)
        model->provider_max_parallel[i] = 0;
    model->services[service].n_after = 0;
}

static enum err decide_again(const struct replay_record *record, const struct model *model, struct replaying *ret)
{
    CLEANUP(strbuf_done) struct strbuf errors = STRBUF_INIT;
    struct scenario *scenario = NULL;
    enum err err =
        scenario_read("the record", strbuf_text(&record->scenario), record->scenario.len, model, &scenario, &errors);
    fputs(strbuf_text(&errors), stderr);
    if (err != ERR_OK)
        return err;
    /* What does not hold in it is that a run goes on which was not started this time. */
    err = scenario_play(scenario, 0, SCENARIO_MAX_LOOKS, take, ret, &errors);
    scenario_free(scenario);
    return err == ERR_CONFLICT ? ERR_OK : err;
}

/* ---- where they part --------------------------------------------------------------------------------------------- */

static bool is_same(const struct replay_act *then, const struct replay_act *now)
{
    int64_t apart = then->at - now->at;
    return strcmp(then->key, now->key) == 0 && apart <= SAME_TIME_MS && apart >= -SAME_TIME_MS;
}

static size_t count_same(const struct replay_acts *then, const struct replay_acts *now)
{
    size_t n = 0;
    while (n < then->n && n < now->n && is_same(&then->items[n], &now->items[n]))
        n++;
    return n;
}

static void print_act(const struct replay_record *record, const char *which, const struct replay_act *act)
{
    int64_t at = act->at - record->opened_at;
    printf("  %12s  %-8s  %s\n", scenario_time(at - at % 1000).text, which, act->text);
}

/* From where they part each goes its own way: in order of time. */
static void print_parted(const struct replay_record *record, const struct replay_acts *now, size_t first)
{
    const struct replay_acts *then = &record->acts;
    size_t i = first;
    size_t k = first;
    while (i < then->n || k < now->n) {
        bool is_then = k >= now->n || (i < then->n && then->items[i].at <= now->items[k].at);
        if (is_then)
            print_act(record, "recorded", &then->items[i++]);
        else
            print_act(record, "now", &now->items[k++]);
    }
}

static void print_notes(const struct replay_record *record)
{
    if (record->is_about_others)
        printf("note: something of this was decided because of other services, sites or providers, which this record "
               "does not hold; it parts there\n");
    if (record->n_unknown > 0)
        printf("note: %d entr%s about voters or sites that the configuration does not have: left out\n",
               record->n_unknown, record->n_unknown == 1 ? "y is" : "ies are");
    if (record->left_out > 0)
        printf("note: %" PRId64 " entries of the record are too many for one answer: it may part for that alone\n",
               record->left_out);
}

static void print_comparison(const struct options *options, const json_t *incident, const struct replay_record *record,
                             const struct replay_acts *now, size_t n_same)
{
    bool has_parted = n_same < record->acts.n || n_same < now->n;
    printf("%s of %s, %s (incident %s), decided again with %s\n", text_of(incident, "site"),
           text_of(incident, "service"), text_of(incident, "opened_at"), text_of(incident, "id"), options->config);
    for (size_t i = 0; i < n_same; i++)
        print_act(record, "both", &record->acts.items[i]);
    if (!has_parted)
        printf("the same is decided\n");
    else
        printf("here the two part:\n");
    print_parted(record, now, n_same);
    print_notes(record);
}

static json_t *acts_json(const struct replay_record *record, const struct replay_acts *acts)
{
    json_t *list = json_array();
    for (size_t i = 0; i < acts->n; i++)
        json_array_append_new(list, json_pack("{s:I, s:s, s:s}", "after_ms",
                                              (json_int_t)(acts->items[i].at - record->opened_at), "what",
                                              acts->items[i].key, "text", acts->items[i].text));
    return list;
}

static void print_json(const json_t *incident, const struct replay_record *record, const struct replay_acts *now,
                       size_t n_same)
{
    bool has_parted = n_same < record->acts.n || n_same < now->n;
    json_t *answer =
        json_pack("{s:s, s:b, s:I, s:o, s:o, s:b, s:i, s:I}", "incident", text_of(incident, "id"), "same",
                  (int)!has_parted, "same_decisions", (json_int_t)n_same, "recorded", acts_json(record, &record->acts),
                  "now", acts_json(record, now), "about_others", (int)record->is_about_others, "unknown",
                  record->n_unknown, "left_out", (json_int_t)record->left_out);
    (void)json_dumpf(answer, stdout, JSON_COMPACT);
    printf("\n");
    json_decref(answer);
}

/* ---- the subcommand ---------------------------------------------------------------------------------------------- */

static int compare(const struct options *options, const json_t *incident, struct config *config)
{
    CLEANUP(replay_record_done) struct replay_record record = {.service = -1};
    struct replaying replaying = {.record = &record};
    struct errmsg why = {""};
    if (!replay_record_read(incident, &config->model, &record, &why)) {
        fprintf(stderr, "turnout: %s\n", why.text);
        return EXIT_FAILED;
    }
    keep_to_the_record(&config->model, record.service);
    enum err err = decide_again(&record, &config->model, &replaying);
    size_t n_same = count_same(&record.acts, &replaying.acts);
    bool has_parted = n_same < record.acts.n || n_same < replaying.acts.n;
    if (err != ERR_OK || replaying.acts.is_broken)
        fprintf(stderr, "turnout: the record could not be played to its end: %s\n", err_name(err));
    else if (options->is_json)
        print_json(incident, &record, &replaying.acts, n_same);
    else
        print_comparison(options, incident, &record, &replaying.acts, n_same);
    bool is_broken = err != ERR_OK || replaying.acts.is_broken;
    replay_acts_done(&replaying.acts);
    return is_broken ? EXIT_FAILED : has_parted ? EXIT_REFUSED : EXIT_DONE;
}

static void config_cleanup(struct config **config)
{
    config_free(*config);
}

static void json_cleanup(json_t **json)
{
    json_decref(*json);
}

int command_replay(const struct options *options)
{
    CLEANUP(strbuf_done) struct strbuf errors = STRBUF_INIT;
    CLEANUP(strbuf_done) struct strbuf warnings = STRBUF_INIT; /* what is doubted is for `check` to say */
    CLEANUP(config_cleanup) struct config *config = NULL;
    CLEANUP(json_cleanup) json_t *incident = NULL;
    char path[MAX_PATH];
    if (!is_plain(options->words[0]))
        return EXIT_USAGE;
    if (!options->config) {
        fprintf(stderr, "turnout: which configuration is to decide? --config FILE: the one that the daemon has, or "
                        "another one\n");
        return EXIT_USAGE;
    }
    enum err err = config_load_for_trial(options->config, &config, &errors, &warnings);
    fputs(strbuf_text(&errors), stderr);
    if (err != ERR_OK)
        return EXIT_FAILED;
    struct options quiet = *options;
    quiet.is_json = false;
    snprintf(path, sizeof path, "/api/v1/incidents/%s", options->words[0]);
    int code = client_call(&quiet, "GET", path, NULL, &incident);
    return code == EXIT_DONE ? compare(options, incident, config) : code;
}
