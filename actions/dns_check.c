/* dns.check: do the zone's own name servers answer the target?
 *
 * Every authoritative server is asked, since one that lags still sends people to the wrong site. No resolver's cache
 * takes part; what users see follows when the old TTL has passed. */
#include "actions/action.h"
#include "actions/common.h"
#include "actions/served.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

static enum err dns_check_args(const json_t *args, struct errmsg *why)
{
    struct dns_servers *servers = calloc(1, sizeof(*servers));
    if (!servers)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    enum err err = served_servers(json_object_get(args, "servers"), servers, why);
    free(servers);
    return err == ERR_OK ? target_check(arg_text(args, "type", ""), arg_text(args, "target", ""), why) : err;
}

/* Those of the step, or the zone's. */
static enum err servers_find(struct action_call *call, struct dns_servers *ret, struct errmsg *why)
{
    const json_t *given = json_object_get(call->args, "servers");
    struct dns_patience patience = {clock_steady_ms() + call_left_ms(call) / 2, call->cancel}; /* leaves time to ask */
    if (json_is_string(given) || json_array_size(given) > 0)
        return served_servers(given, ret, why);
    struct dns_servers *resolvers = calloc(1, sizeof(*resolvers));
    if (!resolvers)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    enum err err = dns_system_resolvers(resolvers, why);
    if (err == ERR_OK)
        err = dns_find_servers(resolvers, arg_text(call->args, "record", ""), &patience, ret, why);
    free(resolvers);
    return err;
}

/* What was wanted of each server, beside what each said. */
static json_t *wanted_of(json_t *seen, const char *target)
{
    json_t *wanted = json_object(), *said;
    const char *server;
    json_object_foreach(seen, server, said)
    {
        json_object_set_new(wanted, server, json_string(target));
    }
    return wanted;
}

static enum err ask(struct action_call *call, struct dns_servers *servers, struct action_result *ret,
                    struct errmsg *why)
{
    const char *name = arg_text(call->args, "record", ""), *target = arg_text(call->args, "target", "");
    struct served served;
    enum err err = servers_find(call, servers, why);
    if (err == ERR_OK)
        err = served_ask(call, servers, name, arg_text(call->args, "type", ""), target, &served, &ret->current, why);
    if (err != ERR_OK)
        return err;
    ret->desired = wanted_of(ret->current, target);
    ret->is_right = served.n_right > 0 && served.n_wrong == 0 && served.n_silent == 0;
    result_set(ret, OUTCOME_OK, ret->is_right ? "%s: %s" : "%s is not %s everywhere: %s", name,
               ret->is_right ? served.text : target, served.text);
    return ERR_OK;
}

static void dns_check_observe(struct action_call *call, struct action_result *ret)
{
    if (!args_are_good(call, ret, dns_check_args))
        return;
    struct dns_servers *servers = calloc(1, sizeof(*servers));
    struct errmsg why = {"out of memory"};
    enum err err = servers ? ask(call, servers, ret, &why) : ERR_NO_MEMORY;
    free(servers);
    if (err == ERR_CANCELLED)
        result_set(ret, OUTCOME_CANCELLED, "%s", why.text);
    else if (err == ERR_INVALID || err == ERR_FULL)
        result_set(ret, OUTCOME_PERMANENT, "%s", why.text);
    else if (err != ERR_OK) /* the resolver is down, or the zone's delegation is: it may come back */
        result_set(ret, OUTCOME_TEMPORARY, "the zone's name servers cannot be found: %s", why.text);
}

static const struct row dns_rows[] = {
    {.name = "record", .type = ROW_NAME, .is_required = true, .help = "the whole name to ask for"},
    {.name = "type",
     .type = ROW_CHOICE,
     .default_text = "A",
     .choices = "A|AAAA|CNAME|TXT",
     .help = "type of record to ask for; A, AAAA and TXT follow aliases that the answer holds"},
    {.name = "target",
     .type = ROW_STRING,
     .is_required = true,
     .min = 1,
     .max = 4096,
     .help = "the one value that every server must answer; a TXT record's strings joined, without quotes"},
    {.name = "servers",
     .type = ROW_ENDPOINTS,
     .help = "name servers to ask, ADDRESS or ADDRESS:PORT; default: all of the zone's own, found through the system's"
             " resolver"},
    {.name = NULL},
};

const struct action action_dns_check = {
    .name = "dns.check",
    .help = "checks that every one of a zone's name servers answers the target, asking them directly",
    .rows = dns_rows,
    .is_check = true,
    .default_retries = -1,
    .default_timeout_ms = 10000,
    .check_args = dns_check_args,
    .observe = dns_check_observe,
};
