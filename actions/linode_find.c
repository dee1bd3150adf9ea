#include "actions/linode_find.h"

#include "actions/common.h"
#include "actions/linode_api.h"
#include "actions/survey.h"
#include "core/json_whole.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MATCHES 8

enum err linode_check_args(const json_t *args, struct errmsg *why)
{
    const char *record = arg_text(args, "record", ""), *domain = arg_text(args, "domain", "");
    enum err err = record_check(record, domain, why);
    return err == ERR_OK ? target_check(arg_text(args, "type", ""), arg_text(args, "target", ""), why) : err;
}

struct domain_search {
    const char *name;
    json_int_t id;
    char status[32];
    char type[32];
};

static void domain_take(const json_t *entry, void *context)
{
    struct domain_search *search = context;
    const char *name = arg_text(entry, "domain", NULL);
    if (!name || !name_equal(name, search->name))
        return;
    search->id = json_integer_value(json_object_get(entry, "id"));
    snprintf(search->status, sizeof(search->status), "%s", arg_text(entry, "status", ""));
    snprintf(search->type, sizeof(search->type), "%s", arg_text(entry, "type", ""));
}

bool linode_domain_find(struct action_call *call, struct action_result *ret, json_int_t *ret_id)
{
    struct domain_search search = {.name = arg_text(call->args, "domain", "")};
    int status;
    json_t *filter = json_pack("{s:s}", "domain", search.name);
    char *filter_text = json_whole(filter, JSON_COMPACT | JSON_ENSURE_ASCII);
    bool is_listed = linode_list(call, "/domains", filter_text, ret, &status, domain_take, &search);
    free(filter_text);
    json_decref(filter);
    if (!is_listed)
        return false;
    const char *trouble = NULL;
    if (search.id <= 0)
        trouble =
            "is not in this account, or the token may not see it; check the domain's name and the token's account";
    else if (strcmp(search.type, "slave") == 0)
        trouble = "is of type slave, a copy of another server's zone: change the record there";
    else if (strcmp(search.status, "disabled") == 0)
        trouble = "is disabled, so nothing of it is served; enable it in the DNS manager";
    if (trouble) {
        result_set(ret, OUTCOME_PERMANENT, "domain %s %s", search.name, trouble);
        return false;
    }
    linode_domain_remember(call, search.name, search.id);
    *ret_id = search.id;
    return true;
}

struct record_search {
    const char *type;
    const char *name;
    struct linode_record found; /* the first */
    int n_found;
    struct strbuf ids;
};

static void record_take(const json_t *entry, void *context)
{
    struct record_search *search = context;
    const char *type = arg_text(entry, "type", ""), *name = arg_text(entry, "name", NULL);
    const char *target = arg_text(entry, "target", NULL);
    json_int_t id = json_integer_value(json_object_get(entry, "id"));
    if (strcmp(type, search->type) != 0 || !name || strcasecmp(name, search->name) != 0 || !target || id <= 0)
        return;
    if (search->n_found++ == 0) {
        search->found.id = id;
        search->found.ttl = arg_int(entry, "ttl_sec", 0);
        snprintf(search->found.target, sizeof(search->found.target), "%s", target);
    }
    if (search->n_found <= MAX_MATCHES)
        strbuf_addf(&search->ids, "%s%lld", search->ids.len ? ", " : "", (long long)id);
}

/* What the search has found must be exactly one. */
static bool record_chosen(const struct record_search *search, const char *domain, struct action_result *ret)
{
    const char *shown = search->name[0] == '\0' ? "@" : search->name;
    if (search->n_found == 1)
        return true;
    if (search->n_found == 0)
        result_set(
            ret, OUTCOME_PERMANENT,
            "domain %s has no record %s of type %s; make it once in the DNS manager, Turnout only changes records",
            domain, shown, search->type);
    else
        result_set(ret, OUTCOME_PERMANENT,
                   "domain %s has %d records %s of type %s (ids %s%s); leave one, so that it is plain which to change",
                   domain, search->n_found, shown, search->type, strbuf_text(&search->ids),
                   search->n_found > MAX_MATCHES ? ", ..." : "");
    return false;
}

bool linode_record_find(struct action_call *call, struct action_result *ret, struct linode_record *ret_record)
{
    struct record_search search = {.type = arg_text(call->args, "type", ""),
                                   .name = record_label(arg_text(call->args, "record", ""))};
    const char *domain = arg_text(call->args, "domain", "");
    json_int_t domain_id;
    if (!linode_domain_find(call, ret, &domain_id))
        return false;
    json_t *filter = json_pack("{s:s}", "type", search.type);
    if (search.name[0] != '\0') /* whether an empty name can be asked for is not documented */
        json_object_set_new(filter, "name", json_string(search.name));
    char *filter_text = json_whole(filter, JSON_COMPACT | JSON_ENSURE_ASCII);
    char path[64];
    int status;
    snprintf(path, sizeof(path), "/domains/%lld/records", (long long)domain_id);
    bool is_found =
        linode_list(call, path, filter_text, ret, &status, record_take, &search) && record_chosen(&search, domain, ret);
    if (is_found) {
        *ret_record = search.found;
        ret_record->domain_id = domain_id;
    }
    free(filter_text);
    json_decref(filter);
    strbuf_done(&search.ids);
    return is_found;
}

/* ---- the whole domain ---- */

struct domain_survey {
    struct survey survey;
    const char *domain;
};

static void survey_take(const json_t *entry, void *context)
{
    struct domain_survey *all = context;
    char name[600];
    const char *label = arg_text(entry, "name", "");
    snprintf(name, sizeof(name), "%s%s%s", label, label[0] ? "." : "", all->domain);
    survey_look(&all->survey, name, arg_text(entry, "type", ""), arg_text(entry, "target", ""),
                arg_int(entry, "ttl_sec", 0));
}

void linode_survey(struct action_call *call, const char *const *addresses, struct action_result *ret)
{
    struct domain_survey all = {.domain = arg_text(call->args, "domain", "")};
    json_int_t id;
    int status;
    char path[64];
    if (!args_are_good(call, ret, linode_check_args) || !linode_domain_find(call, ret, &id))
        return;
    survey_begin(&all.survey, all.domain, addresses);
    snprintf(path, sizeof(path), "/domains/%lld/records", (long long)id);
    if (linode_list(call, path, NULL, ret, &status, survey_take, &all))
        survey_end(&all.survey, ret);
    survey_done(&all.survey);
}
