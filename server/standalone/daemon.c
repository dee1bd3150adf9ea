/* What the daemon's database knows and a run without it does not. Only told: that the database cannot be read is one of
 * the days this is for. */
#include "standalone/internal.h"

#include "store/store.h"

#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* A daemon that comes back takes up what it had begun, before anybody can tell it what was done meanwhile. */
static void tell_of_run(const struct standalone *s, const json_t *run)
{
    const char *kill_switch = s->config->kill_switch;
    enum run_state state;
    if (!run_state_parse(text_of(run, "state"), &state) || run_state_is_final(state))
        return;
    fprintf(stderr,
            "turnout: warning: by its database the daemon has a %s to %s that is not over (run %s, %s).\n"
            "It goes on with it as soon as it starts again, against what is done now. %s%s%s before you start it,\n"
            "then: turnout cancel %s --reason TEXT\n",
            text_of(run, "kind"), text_of(run, "to"), text_of(run, "id"), text_of(run, "state"),
            kill_switch ? "Create the file " : "Give it a server.kill_switch", kill_switch ? kill_switch : "",
            kill_switch ? "" : " and create that file", text_of(run, "id"));
}

static void tell_of_debts(const struct standalone *s, const json_t *debts)
{
    const char *to = s->service->sites[s->to].name;
    size_t i;
    const json_t *debt;
    json_array_foreach(debts, i, debt)
    {
        if (strcmp(text_of(debt, "site"), to) == 0)
            fprintf(stderr,
                    "turnout: warning: by the daemon's database \"%s\" is still owed at %s: the daemon would not move "
                    "anything there\n",
                    text_of(debt, "name"), to);
    }
}

void standalone_tell_of_daemon(const struct standalone *s)
{
    struct store_reader *reader = NULL;
    struct errmsg why = {0};
    json_t *services = NULL;
    size_t i;
    const json_t *service;
    if (store_reader_open(s->config->database, &reader, &why) != ERR_OK)
        return;
    if (store_services(reader, &services, &why) == ERR_OK) {
        json_array_foreach(services, i, service)
        {
            if (strcmp(text_of(service, "name"), s->service->name) != 0)
                continue;
            tell_of_run(s, json_object_get(service, "run"));
            tell_of_debts(s, json_object_get(service, "debts"));
        }
    }
    json_decref(services);
    store_reader_close(reader);
}
