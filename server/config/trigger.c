/* When a service is moved by itself, and when back; and whether what is asked for can ever come about.
 *
 * The rows are read before anything else of the service, so that mistakes in them are told whatever else is wrong. What
 * depends on its sites, rules, probe and playbook is looked at behind those, in check_trigger(). */
#include "base/cleanup.h"
#include "config/rows.h"
#include "config/value.h"

#include <stdlib.h>
#include <string.h>

#define MINUTE ((int64_t)60 * 1000)
#define DAY (24 * 60 * MINUTE)

static const struct row flap_rows[] = {
    {.name = "changes",
     .type = ROW_INT,
     .default_text = "4",
     .min = 0,
     .max = 1000,
     .help = "from so many broken quorums on, each one more doubles the hold; 0: never"},
    {.name = "within",
     .type = ROW_DURATION,
     .default_text = "15m",
     .min = 1000,
     .max = DAY,
     .help = "how long after the last of them they are forgotten"},
    {.name = "limit",
     .type = ROW_DURATION,
     .default_text = "10m",
     .min = 0,
     .max = DAY,
     .help = "the longest hold that comes of it"},
    {.name = NULL},
};

static const struct row approval_rows[] = {
    {.name = "deadline",
     .type = ROW_DURATION,
     .default_text = "30m",
     .min = 0,
     .max = 7 * DAY,
     .help = "how long a run waits for a yes; 0s: for ever"},
    {.name = "then",
     .type = ROW_CHOICE,
     .default_text = "reject",
     .choices = "reject|approve",
     .help = "what the deadline answers when nobody does"},
    {.name = "remind",
     .type = ROW_DURATION,
     .default_text = "5m",
     .min = 0,
     .max = DAY,
     .help = "how often people are reminded meanwhile; 0s: never"},
    {.name = NULL},
};

static const struct row trigger_rows[] = {
    {.name = "mode",
     .type = ROW_CHOICE,
     .default_text = "shadow",
     .choices = "automatic|approval|manual|shadow",
     .help =
         "automatic starts the run, approval asks a person first, manual only says why it would, shadow decides and "
         "records everything and does nothing"},
    {.name = "votes",
     .type = ROW_INT,
     .default_text = "1",
     .min = 1,
     .max = MAX_SOURCES,
     .help = "how many votes, by the weight of the sources, must say that the site is down"},
    {.name = "trusted_votes",
     .type = ROW_INT,
     .default_text = "0",
     .min = 0,
     .max = MAX_SOURCES,
     .help = "how many of them must come from sources whose trust is secret or signed, or from the probe"},
    {.name = "hold",
     .type = ROW_DURATION,
     .default_text = "30s",
     .min = 0,
     .max = DAY,
     .help = "how long they must say so without a break"},
    {.name = "cool_down",
     .type = ROW_DURATION,
     .default_text = "30m",
     .min = 0,
     .max = 7 * DAY,
     .help = "how long nothing starts by itself after the end of a run"},
    {.name = "flap", .type = ROW_MAP, .rows = flap_rows, .help = "what a check that comes and goes does to the hold"},
    {.name = "approval", .type = ROW_MAP, .rows = approval_rows, .help = "how a run waits for a person's yes"},
    {.name = NULL},
};

static const struct row failback_rows[] = {
    {.name = "mode",
     .type = ROW_CHOICE,
     .default_text = "manual",
     .choices = "automatic|approval|manual|shadow",
     .help = "what leads back home: as of the trigger; manual leaves it to people"},
    {.name = "after",
     .type = ROW_DURATION,
     .default_text = "30m",
     .min = 0,
     .max = 7 * DAY,
     .help = "how long the probe must have found home well without a break, and nobody said that it is down"},
    {.name = NULL},
};

static const struct node nothing = {.kind = NODE_NULL};

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static int64_t number_of(const json_t *values, const char *key)
{
    return json_integer_value(json_object_get(values, key));
}

/* The row lets nothing pass that is no mode. */
static void take_mode(const json_t *values, enum mode *ret)
{
    const char *mode = json_string_value(json_object_get(values, "mode"));
    if (mode)
        (void)mode_parse(mode, ret);
}

static void take_trigger(const json_t *values, struct service *service)
{
    take_mode(values, &service->mode);
    service->votes = (int)number_of(values, "votes");
    service->trusted_votes = (int)number_of(values, "trusted_votes");
    service->hold_ms = number_of(values, "hold");
    service->cool_down_ms = number_of(values, "cool_down");
    const json_t *flap = json_object_get(values, "flap"), *approval = json_object_get(values, "approval");
    service->flap = (struct flap_rule){.changes = (int)number_of(flap, "changes"),
                                       .within_ms = number_of(flap, "within"),
                                       .limit_ms = number_of(flap, "limit")};
    const char *then = json_string_value(json_object_get(approval, "then"));
    service->approval = (struct approval_rule){.deadline_ms = number_of(approval, "deadline"),
                                               .is_yes = then && strcmp(then, "approve") == 0,
                                               .remind_ms = number_of(approval, "remind")};
}

/* A mode where the mapping belongs that holds it is told how to write it. */
static bool expect_modes(struct reading *r, const struct node *node, const char *key)
{
    enum mode mode;
    if (node->kind != NODE_TEXT || !mode_parse(node->text, &mode))
        return expect_kind(r, node, NODE_MAP, key);
    complain(r, node, "\"%s\" cannot be text; it must be a mapping: write {mode: %s}", key, mode_text(mode));
    return false;
}

static void check_failback_keys(struct reading *r, const struct node *failback)
{
    static const char *const names[] = {"approval", NULL};
    keys_check(r, failback,
               &(struct keys){.rows = {failback_rows}, .names = child(failback, "approval") ? names : NULL});
    if (child(failback, "approval"))
        complain(r, child(failback, "approval"),
                 "a failback is approved as the \"approval\" of the trigger says; write it there");
}

void read_trigger(struct reading *r, const struct node *map, struct service *service)
{
    static const char *const names[] = {"probe", NULL};
    service->mode = MODE_SHADOW;
    service->failback_mode = MODE_MANUAL;
    const struct node *trigger = child(map, "trigger"), *failback = child(map, "failback");
    if (!trigger || expect_modes(r, trigger, "trigger")) {
        if (trigger)
            keys_check(r, trigger, &(struct keys){.rows = {trigger_rows}, .names = names});
        json_t *values = rows_read(&(struct row_reader){.reading = r}, trigger ? trigger : &nothing, trigger_rows);
        take_trigger(values, service);
        json_decref(values);
    }
    if (!failback || expect_modes(r, failback, "failback")) {
        if (failback)
            check_failback_keys(r, failback);
        json_t *values = rows_read(&(struct row_reader){.reading = r}, failback ? failback : &nothing, failback_rows);
        take_mode(values, &service->failback_mode);
        service->failback_after_ms = number_of(values, "after");
        json_decref(values);
    }
}

/* ---- votes ------------------------------------------------------------------------------------------------------- */

static bool may_speak(const struct service *service, int source, int site)
{
    for (size_t i = 0; i < service->n_rules; i++) {
        const struct alert_rule *rule = &service->rules[i];
        if (rule->source == source && (rule->site == site || rule->site == SITE_OF_ALERT_TIME))
            return true;
    }
    return false;
}

/* Votes that the site can have at most, from voters of at least this trust. People can always vote, and are left out.
 */
static int possible_votes(const struct reading *r, const struct service *service, int site, enum trust least)
{
    const struct model *model = &r->config->model;
    int sum = service->probe.check ? 1 : 0; /* its trust is the highest */
    for (int source = 0; source < model->n_sources; source++) {
        if (model->source_trust[source] >= least && may_speak(service, source, site))
            sum += model_voter_rule(model, source).weight;
    }
    return sum;
}

static void doubt_site_votes(struct reading *r, const struct node *map, const struct service *service, int site)
{
    const struct node *trigger = child(map, "trigger");
    const struct node *votes = trigger ? child(trigger, "votes") : NULL;
    const struct node *trusted = trigger ? child(trigger, "trusted_votes") : NULL;
    const char *name = service->sites[site].name, *probe = service->probe.check ? " and the probe" : "";
    const int count = possible_votes(r, service, site, TRUST_OPEN);
    const int n_trusted = possible_votes(r, service, site, TRUST_SECRET);
    if (count < service->votes)
        doubt(r,
              votes     ? votes
              : trigger ? trigger
                        : map,
              "site %s can never be found down: \"votes\" is %d, but the sources named for it in \"alerts\"%s have %d "
              "together; name more of them there, or ask for fewer votes",
              shown(name).text, service->votes, probe, count);
    if (n_trusted < service->trusted_votes)
        doubt(r,
              trusted   ? trusted
              : trigger ? trigger
                        : map,
              "site %s can never be found down: \"trusted_votes\" is %d, but those of the sources named for it in "
              "\"alerts\" whose trust is secret or signed%s have %d together; give a source a credential that no URL "
              "holds, or ask for fewer",
              shown(name).text, service->trusted_votes, probe, n_trusted);
}

/* Without alerts it is moved by people, and nobody said otherwise. */
static bool is_for_people(const struct node *map, const struct service *service)
{
    return service->n_rules == 0 && !service->probe.check && (service->mode == MODE_MANUAL || !child(map, "trigger"));
}

static void doubt_votes(struct reading *r, const struct node *map, const struct service *service)
{
    if (service->votes < 1 || is_for_people(map, service))
        return;
    for (int i = 0; i < service->n_sites; i++)
        doubt_site_votes(r, map, service, i);
}

static void check_pairs(struct reading *r, const struct node *map, const struct service *service)
{
    int n_pairs = service->n_sites * (service->probe.check ? 2 : 1); /* people can speak of each */
    for (int source = 0; source < r->config->model.n_sources; source++)
        for (int site = 0; site < service->n_sites; site++)
            n_pairs += may_speak(service, source, site);
    if (n_pairs > MAX_VOTES)
        complain(
            r, child(map, "alerts"),
            "there are %d pairs of a site and somebody who can speak of it: a source of \"alerts\", the operators, "
            "the probe; %d is the most, so name fewer sources",
            n_pairs, MAX_VOTES);
}

/* A quorum may last longer than its votes. */
static void doubt_expiry(struct reading *r, const struct node *map, const struct service *service)
{
    const struct model *model = &r->config->model;
    const struct node *trigger = child(map, "trigger"), *hold = trigger ? child(trigger, "hold") : NULL;
    for (int source = 0; source < model->n_sources; source++) {
        const int64_t expires_ms = model_voter_rule(model, source).expires_ms;
        bool is_used = false;
        for (int site = 0; site < service->n_sites; site++)
            is_used |= may_speak(service, source, site);
        if (!is_used || expires_ms == 0 || expires_ms >= service->hold_ms)
            continue;
        CLEANUP(strbuf_done) struct strbuf expires = STRBUF_INIT;
        CLEANUP(strbuf_done) struct strbuf held = STRBUF_INIT;
        duration_describe(expires_ms, &expires);
        duration_describe(service->hold_ms, &held);
        const struct handler *handler = r->config->sources[source].handler;
        doubt(r,
              hold      ? hold
              : trigger ? trigger
                        : map,
              "a vote of source %s grows old after %s, before \"hold\", %s, is over: %s; make its \"vote_expires\" "
              "longer",
              shown(model->source_names[source]).text, strbuf_text(&expires), strbuf_text(&held),
              handler && handler->repeats ? "it holds only if the monitor says it again more often than that"
                                          : "it can never hold");
    }
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

static void doubt_unused(struct reading *r, const struct node *map, const struct service *service)
{
    const struct node *trigger = child(map, "trigger"), *failback = child(map, "failback");
    const struct node *approval = trigger ? child(trigger, "approval") : NULL;
    const struct node *flap = trigger ? child(trigger, "flap") : NULL;
    const struct node *after = failback ? child(failback, "after") : NULL;
    if (approval && service->mode != MODE_APPROVAL && service->failback_mode != MODE_APPROVAL)
        doubt(r, approval,
              "nothing waits for an approval: neither the trigger nor \"failback\" has mode approval; say so there, or "
              "remove this");
    if (flap && service->flap.changes > 0 && service->flap.limit_ms <= service->hold_ms)
        doubt(r, flap, "\"limit\" is not longer than \"hold\": flapping never makes it longer; raise it");
    if (after && service->failback_mode == MODE_MANUAL)
        doubt(r, after,
              "nothing waits for \"after\": with mode manual people lead back; choose another, or remove this");
}

/* What leads back by itself has to see that home is well, and must not meet what cannot be taken back. */
static void check_failback(struct reading *r, const struct node *map, const struct service *service)
{
    const struct node *failback = child(map, "failback");
    if (service->failback_mode == MODE_MANUAL || !failback)
        return;
    const struct node *mode = child(failback, "mode");
    const char *text = mode_text(service->failback_mode);
    if (!service->probe.check)
        complain(r, mode ? mode : failback,
                 "\"failback\" cannot be %s without a probe: that no alert fires does not say that home is well; give "
                 "\"trigger\" a \"probe\", or choose manual",
                 text);
    for (int i = 0; i < service->n_steps; i++) {
        const struct step *step = &service->steps[i];
        if (!step->is_point_of_no_return)
            continue;
        complain(
            r, mode ? mode : failback,
            "\"failback\" cannot be %s: step %s of the playbook is a point of no return, and whether the way back is "
            "safe is for people to say; it must be manual",
            text, shown(step->name ? step->name : "").text);
        return;
    }
}

void check_trigger(struct reading *r, const struct node *map, const struct service *service)
{
    doubt_votes(r, map, service);
    check_pairs(r, map, service);
    doubt_expiry(r, map, service);
    doubt_unused(r, map, service);
    check_failback(r, map, service);
}
