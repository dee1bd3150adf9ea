/* The whole configuration from hostile bytes: YAML, rows, secrets from the environment, templates. No file is opened:
 * ${file:...} is refused, whatever path it names. */
#include "config/reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char secret[] = "fuzz-secret-0123456789abcdef";

#define expect(condition) expect_true((condition), #condition)

static void expect_true(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "not so: %s\n", what);
    abort();
}

/* Each problem is one line with its place. */
static void check_lines(const char *text)
{
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        expect(strncmp(line, "t:", 2) == 0);
        expect(strchr(line, '\n'));
    }
}

/* A group is neighbours, and at most MAX_GROUP of them; what a drill takes in place is known to the action. */
static void check_steps(const struct service *service)
{
    int n_together = 0;
    for (int i = 0; i < service->n_steps; i++) {
        const struct step *step = &service->steps[i];
        n_together = i > 0 && step->group == step[-1].group ? n_together + 1 : 1;
        expect(step->group == 0 || (n_together <= MAX_GROUP && !step->is_point_of_no_return));
        expect(step->action && step->args && step->timeout_ms > 0 && step->deadline_ms > 0 && step->backoff_ms > 0);
        expect((step->provider >= 0) == (step->action->provider_kind != NULL));
        expect(!step->drill || json_object_size(step->drill) > 0);
    }
    expect(service->n_steps + service->objective.n_measures <= MAX_STEPS);
    for (int i = 0; i < service->objective.n_measures; i++)
        expect(!service->objective.measures[i].can_apply && !service->objective.measures[i].drill);
}

static void check_freezes(const struct freeze *freezes, int n)
{
    for (int i = 0; i < n; i++) {
        const struct freeze *freeze = &freezes[i];
        expect(freeze->reason);
        expect(freeze->is_weekly ? freeze->days > 0 && freeze->days < 1U << 7 : freeze->from < freeze->until);
        expect(freeze->from_minute >= 0 && freeze->from_minute < 24 * 60);
        expect(freeze->until_minute >= 0 && freeze->until_minute < 24 * 60);
    }
}

static void check_deciding(const struct service *service)
{
    const struct probe_rule *probe = &service->probe;
    bool has_no_return = false;
    for (int i = 0; i < service->n_steps; i++)
        has_no_return |= service->steps[i].is_point_of_no_return;
    expect(service->votes >= 1 && service->hold_ms >= 0 && service->cool_down_ms >= 0 && service->settle_ms >= 0);
    expect(service->flap.changes >= 0 && service->flap.within_ms > 0 && service->approval.deadline_ms >= 0);
    expect(service->failback_mode == MODE_MANUAL || (probe->check && !has_no_return));
    expect(!probe->check || (probe->check->action->is_check && probe->check->args && probe->check->timeout_ms > 0 &&
                             probe->check->timeout_ms <= probe->every_ms && probe->fall > 0 && probe->rise > 0));
    expect(probe->check || !probe->is_required);
    check_freezes(service->freezes, service->n_freezes);
}

/* Each service once in the order in which they go, and nobody waits for himself. */
static void check_order(const struct model *model)
{
    int64_t sum = 0;
    for (int i = 0; i < model->n_services; i++) {
        const struct service *service = &model->services[i];
        sum += model->by_priority[i] - i;
        expect(i == 0 ||
               model->services[model->by_priority[i - 1]].priority <= model->services[model->by_priority[i]].priority);
        for (int k = 0; k < service->n_after; k++)
            expect(service->after[k] >= 0 && service->after[k] < model->n_services && service->after[k] != i);
        for (int k = 0; k < service->n_sites; k++)
            expect(strcmp(model->place_names[service->sites[k].place], service->sites[k].name) == 0);
    }
    expect(sum == 0);
}

/* What the rest of the daemon relies on without looking. */
static void check_config(const struct config *config)
{
    const struct model *model = &config->model;
    expect(model->n_services > 0);
    expect(config->hooks.address_len > 0 && config->api.address_len > 0 && config->database);
    for (int i = 0; i < model->n_sources; i++) {
        const struct source *source = &config->sources[i];
        expect(source->handler && model->source_trust[i] == source->trust);
        expect(source->trust == TRUST_SIGNED || source->bearer.n + source->n_basic + source->path_token.n > 0);
        expect(source->path_token.n == 0 || source->trust != TRUST_SECRET);
        expect(model->voter_rules[i].weight > 0 && model->voter_rules[i].expires_ms >= 0);
        for (size_t j = 0; j < source->n_basic; j++)
            expect(source->basic[j].user && secret_is_set(&source->basic[j].password));
    }
    for (int i = 0; i < model->n_services; i++) {
        const struct service *service = &model->services[i];
        expect(service->n_sites >= 2 && service->n_sites <= MAX_SITES && service->n_steps > 0);
        check_deciding(service);
        check_steps(service);
        for (size_t j = 0; j < service->n_rules; j++)
            expect(service->rules[j].n_matches > 0 && service->rules[j].source >= 0 &&
                   service->rules[j].site != SITE_NONE && service->rules[j].site < service->n_sites);
    }
    for (int i = 0; i < model->n_providers; i++)
        expect(model->provider_max_parallel[i] > 0);
    check_freezes(model->freezes, model->n_freezes);
    check_order(model);
    expect(config->self_check.n_urls == 0 ||
           (config->self_check.need > 0 && config->self_check.need <= config->self_check.n_urls));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    setenv("T", secret, 1);
    struct config *config = NULL;
    struct strbuf errors = STRBUF_INIT;
    struct strbuf warnings = STRBUF_INIT;
    enum err err = config_load_bytes("t", (const char *)data, size, false, &config, &errors, &warnings);
    expect(err == ERR_OK || err == ERR_INVALID);
    expect((err == ERR_OK) == (config != NULL) && (err == ERR_OK) == (errors.len == 0));
    check_lines(strbuf_text(&errors));
    check_lines(strbuf_text(&warnings));
    if (!(size >= sizeof(secret) - 1 && memmem(data, size, secret, sizeof(secret) - 1)))
        expect(!strstr(strbuf_text(&errors), secret) && !strstr(strbuf_text(&warnings), secret));
    if (config)
        check_config(config);
    config_free(config);
    strbuf_done(&errors);
    strbuf_done(&warnings);
    return 0;
}
