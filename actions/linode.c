/* linode.dns_record: one record of a domain in Linode's DNS manager (API v4, "Domains").
 *
 * Records have no version, so what was observed is read once more just before the write, with the domain locked to
 * ourselves: between these two requests somebody else's change can still be lost, and nothing at Linode prevents that.
 * A PUT is partial and changes the API's view at once; what the name servers get is the rendered zone file, which
 * `settled` reads. TTLs are rounded by the API. Making or deleting records must not be added: an outage is no time for
 * it. */
#include "actions/action.h"
#include "actions/by_hand.h"
#include "actions/common.h"
#include "actions/linode_api.h"
#include "actions/linode_find.h"
#include "actions/linode_zone.h"
#include "base/clock.h"
#include "core/json_whole.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the action -------------------------------------------------------------------------------------------------- */

/* Equal, rounded as documented, or what the API made of the same when this run set it. */
static bool ttl_is_right(const struct action_call *call, int64_t got)
{
    int64_t wanted = arg_int(call->args, "ttl", 0);
    bool is_ours = arg_int(call->applied, "ttl_asked", -1) == wanted && arg_int(call->applied, "ttl", -1) == got;
    return got == wanted || linode_ttl_is_rounded(wanted, got) || is_ours;
}

static void linode_observe(struct action_call *call, struct action_result *ret)
{
    const char *type = arg_text(call->args, "type", ""), *target = arg_text(call->args, "target", "");
    struct linode_record record;
    if (!args_are_good(call, ret, linode_check_args) || !linode_record_find(call, ret, &record))
        return;
    ret->is_right = target_equal(type, record.target, target) && ttl_is_right(call, record.ttl);
    ret->token = json_pack("{s:I, s:I, s:s, s:I}", "domain", record.domain_id, "record", record.id, "target",
                           record.target, "ttl", (json_int_t)record.ttl);
    ret->previous = json_pack("{s:s, s:I}", "target", record.target, "ttl", (json_int_t)record.ttl);
    (void)result_of_record(ret, record.target, record.ttl, target, arg_int(call->args, "ttl", 0));
}

/* What was observed; without an observation it is looked up now. */
static bool seen_find(struct action_call *call, struct action_result *ret, struct linode_record *ret_seen)
{
    *ret_seen = (struct linode_record){.domain_id = arg_int(call->observed, "domain", 0),
                                       .id = arg_int(call->observed, "record", 0),
                                       .ttl = arg_int(call->observed, "ttl", -1)};
    snprintf(ret_seen->target, sizeof(ret_seen->target), "%s", arg_text(call->observed, "target", ""));
    if (ret_seen->domain_id > 0 && ret_seen->id > 0 && ret_seen->ttl >= 0 && ret_seen->target[0] != '\0')
        return true;
    return linode_record_find(call, ret, ret_seen);
}

/* A record that is gone since it was observed: the next observation says what is there. */
static void gone_note(struct action_call *call, int status, struct action_result *ret)
{
    if (status != 404)
        return;
    linode_domain_remember(call, arg_text(call->args, "domain", ""), 0);
    ret->outcome = OUTCOME_TEMPORARY;
}

/* Compares the record with what was seen. False with the result set when it is another one by now. */
static bool record_is_as_seen(struct action_call *call, const char *path, const struct linode_record *seen,
                              struct action_result *ret)
{
    int status;
    call->compared_at = clock_steady_ms();
    json_t *record = linode_get(call, path, NULL, ret, &status);
    gone_note(call, status, ret);
    if (!record)
        return false;
    const char *label = record_label(arg_text(call->args, "record", ""));
    bool is_it = strcmp(arg_text(record, "type", ""), arg_text(call->args, "type", "")) == 0 &&
                 strcasecmp(arg_text(record, "name", ""), label) == 0 && arg_text(record, "target", NULL) != NULL;
    bool is_as_seen = is_it && strcmp(arg_text(record, "target", ""), seen->target) == 0 &&
                      arg_int(record, "ttl_sec", 0) == seen->ttl;
    if (!is_it)
        result_set(ret, OUTCOME_TEMPORARY, "record %lld is another one by now; nothing was sent, it is looked at again",
                   (long long)seen->id);
    else if (!is_as_seen)
        result_of_change(ret, arg_text(record, "target", ""), arg_int(record, "ttl_sec", 0), seen->target, seen->ttl);
    json_decref(record);
    return is_as_seen;
}

static void record_put(struct action_call *call, const char *path, const struct linode_record *seen,
                       struct action_result *ret)
{
    const char *target = arg_text(call->args, "target", "");
    json_t *body = json_pack("{s:s, s:I}", "target", target, "ttl_sec", (json_int_t)arg_int(call->args, "ttl", 0));
    char *text = json_whole(body, JSON_COMPACT);
    json_decref(body);
    if (!text) {
        result_set(ret, OUTCOME_TEMPORARY, "out of memory");
        return;
    }
    struct fetch_request request = {.method = "PUT", .body = text, .body_len = strlen(text)};
    int status;
    json_t *answer = NULL;
    if (linode_send(call, &request, path, NULL, ret, &status, &answer)) {
        ret->token = json_pack("{s:I, s:I, s:I, s:I}", "domain", seen->domain_id, "record", seen->id, "ttl",
                               (json_int_t)arg_int(answer, "ttl_sec", -1), "ttl_asked",
                               (json_int_t)arg_int(call->args, "ttl", 0));
        result_set(ret, ret->token ? OUTCOME_OK : OUTCOME_UNKNOWN, LINODE_WHO " has taken target %s for record %lld%s",
                   target, (long long)seen->id, ret->token ? "" : "; out of memory for what follows from it");
    } else {
        gone_note(call, status, ret);
    }
    json_decref(answer);
    free(text);
}

static void linode_apply(struct action_call *call, struct action_result *ret)
{
    const char *domain = arg_text(call->args, "domain", "");
    struct linode_record seen;
    char path[96];
    if (!args_are_good(call, ret, linode_check_args) || !seen_find(call, ret, &seen) ||
        !zone_enter(linode_queue(call), domain, call, ret))
        return;
    snprintf(path, sizeof(path), "/domains/%lld/records/%lld", (long long)seen.domain_id, (long long)seen.id);
    if (record_is_as_seen(call, path, &seen, ret))
        record_put(call, path, &seen, ret);
    zone_leave(linode_queue(call), domain);
}

/* ---- the zone file ----------------------------------------------------------------------------------------------- */

static void zone_file_judge(struct action_call *call, struct action_result *ret, const json_t *lines)
{
    const char *target = arg_text(call->args, "target", ""), *domain = arg_text(call->args, "domain", "");
    const char *label = record_label(arg_text(call->args, "record", "")), *type = arg_text(call->args, "type", "");
    char found[512] = "";
    int n_found = linode_zone_find(lines, domain, label, type, found, sizeof(found));
    if (json_array_size(lines) == 0)
        result_set(ret, OUTCOME_NOT_YET, LINODE_WHO " has not rendered the zone file of %s yet", domain);
    else if (n_found == 0)
        result_set(ret, OUTCOME_NOT_YET,
                   "the zone file that " LINODE_WHO " renders for %s does not have the record yet", domain);
    else if (n_found > 1 || !target_equal(type, found, target))
        result_set(ret, OUTCOME_NOT_YET, "the zone file that " LINODE_WHO " renders for %s still has %s%s", domain,
                   found, n_found > 1 ? " and others" : "");
    else
        result_set(ret, OUTCOME_OK, "the zone file that " LINODE_WHO " renders for %s has %s", domain, target);
}

static void linode_settled(struct action_call *call, struct action_result *ret)
{
    const char *domain = arg_text(call->args, "domain", "");
    json_int_t id = arg_int(call->applied, "domain", 0);
    if (id <= 0)
        id = linode_domain_recall(call, domain);
    if (id <= 0 && !linode_domain_find(call, ret, &id))
        return;
    char path[64];
    int status;
    snprintf(path, sizeof(path), "/domains/%lld/zone-file", (long long)id);
    json_t *body = linode_get(call, path, NULL, ret, &status);
    if (body) {
        const json_t *lines = json_object_get(body, "zone_file");
        if (json_is_array(lines))
            zone_file_judge(call, ret, lines);
        else
            result_set(ret, OUTCOME_TEMPORARY, LINODE_WHO "'s answer has no zone file");
    } else if (status == 404) {
        linode_domain_remember(call, domain, 0);
        ret->outcome = OUTCOME_TEMPORARY; /* the domain was made anew, and is looked up again */
    }
    json_decref(body);
}

/* ---- by hand ---- */

static void by_hand_token(struct strbuf *script, const struct provider *provider)
{
    strbuf_adds(script, "printf 'header = \"Authorization: Bearer %s\"\\n' \"");
    by_hand_variable(script, provider, "token");
}

static void linode_write_look(struct strbuf *script, const json_t *args, const struct provider *provider,
                              const json_t *token)
{
    json_int_t domain_id = arg_int(token, "domain", 0), record_id = arg_int(token, "record", 0);
    char path[96], wanted[300];
    if (domain_id <= 0 || record_id <= 0) {
        by_hand_unknown(script, "the ids of this record at Linode are not known");
        return;
    }
    snprintf(path, sizeof(path), "/domains/%lld/records/%lld", (long long)domain_id, (long long)record_id);
    snprintf(wanted, sizeof(wanted), "\"target\":\"%.255s\"", arg_text(args, "target", ""));
    by_hand_token(script, provider);
    strbuf_adds(script, "\" |\n  " BY_HAND_CURL " -K - \\\n  ");
    by_hand_url(script, provider, LINODE_URL, path);
    by_hand_expect(script, wanted);
}

static void linode_write_script(struct strbuf *script, const json_t *args, const struct provider *provider,
                                const json_t *token)
{
    json_int_t domain_id = arg_int(token, "domain", 0), record_id = arg_int(token, "record", 0);
    json_t *body =
        json_pack("{s:s, s:I}", "target", arg_text(args, "target", ""), "ttl_sec", (json_int_t)arg_int(args, "ttl", 0));
    char *text = json_whole(body, JSON_COMPACT);
    char path[96];
    json_decref(body);
    if (domain_id <= 0 || record_id <= 0) {
        by_hand_unknown(script, "the ids of this record at Linode are not known");
        free(text);
        return;
    }
    snprintf(path, sizeof(path), "/domains/%lld/records/%lld", (long long)domain_id, (long long)record_id);
    by_hand_token(script, provider);
    strbuf_adds(script,
                "\" |\n  " BY_HAND_CURL " -K - -X PUT -H 'Content-Type: application/json' \\\n  --data-binary ");
    by_hand_quote(script, text);
    strbuf_adds(script, " \\\n  ");
    by_hand_url(script, provider, LINODE_URL, path);
    strbuf_addc(script, '\n');
    free(text);
}

const struct provider_kind provider_kind_linode = {
    .name = "linode",
    .help = "Linode API v4",
    .rows = linode_rows,
    .rate = {400, 60000},
    .open = linode_open,
    .close = linode_close,
};

static const struct row record_rows[] = {
    {.name = "domain",
     .type = ROW_NAME,
     .is_required = true,
     .is_identity = true,
     .help = "the domain as it is named in the DNS manager"},
    {.name = "record",
     .type = ROW_STRING,
     .is_required = true,
     .is_identity = true,
     .max = 255,
     .help = "name of the record within the domain; @ for the domain itself"},
    RECORD_TYPE_ROW,
    RECORD_TARGET_ROW,
    {.name = "ttl",
     .type = ROW_INT,
     .default_text = "30",
     .min = 30,
     .max = 2419200,
     .help = "time to live in seconds; Linode keeps 30, 120, 300, 3600 ... and rounds anything else"},
    {.name = NULL},
};

const struct action action_linode_dns_record = {
    .name = "linode.dns_record",
    .help =
        "points one existing record of a domain at Linode's DNS manager to a target, and waits until the zone file that"
        " is rendered from it has the target",
    .provider_kind = "linode",
    .rows = record_rows,
    .default_timeout_ms = 20000,
    .check_args = linode_check_args,
    .observe = linode_observe,
    .apply = linode_apply,
    .settled = linode_settled,
    .survey = linode_survey,
    .write_script = linode_write_script,
    .write_look = linode_write_look,
};
