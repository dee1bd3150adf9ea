/* What a right configuration means that its author may not have in mind: that a service is only watched so far, that
 * one account is counted as two, and that nothing tells the daemon, or people, when the daemon itself is cut off. For
 * `turnout check`. */
#include "config/reading.h"

#define MAX_NAMED 5

static void note_shadow(FILE *out, const struct config *config)
{
    const struct model *model = &config->model;
    int n = 0, n_named = 0;
    for (int i = 0; i < model->n_services; i++)
        n += model->services[i].mode == MODE_SHADOW;
    if (n == 0)
        return;
    fprintf(out, "%s: note: service%s", config->path, n == 1 ? "" : "s");
    for (int i = 0; i < model->n_services && n_named < MAX_NAMED; i++) {
        if (model->services[i].mode == MODE_SHADOW)
            fprintf(out, "%s %s", n_named++ > 0 ? "," : "", model->services[i].name);
    }
    if (n > n_named)
        fprintf(out, " and %d more", n - n_named);
    fprintf(out,
            " %s in shadow mode: nothing is started, what would have been is on record; \"mode\" of the trigger makes "
            "it act\n",
            n == 1 ? "is" : "are");
}

static bool is_same_account(const struct provider *a, const struct provider *b)
{
    bool is_same = a->kind == b->kind && a->secrets[0].row;
    for (int i = 0; is_same && i < MAX_PROVIDER_SECRETS && a->secrets[i].row; i++) {
        const struct secret *ours = &a->secrets[i].value, *theirs = provider_secret(b, a->secrets[i].row);
        is_same = secret_is_set(ours) ? theirs && secret_equal(theirs, ours->bytes, ours->len) : !theirs;
    }
    return is_same;
}

/* What an account takes in a time, and whose turn it is at a zone, is known of each provider by itself. Of servers of
 * PostgreSQL many may have one password. */
static void note_same_accounts(FILE *out, const struct config *config)
{
    for (int i = 0; i < config->model.n_providers; i++) {
        const struct provider *provider = &config->providers[i];
        int first = 0;
        while (first < i && !is_same_account(&config->providers[first], provider))
            first++;
        if (first < i && provider->kind->rate.requests > 0)
            fprintf(out,
                    "%s: note: providers %s and %s have the same credentials: each counts requests and waits its turn "
                    "as if it were alone; let the steps use one of them\n",
                    config->path, config->providers[first].name, provider->name);
    }
}

void config_print_notes(FILE *out, const struct config *config)
{
    note_shadow(out, config);
    note_same_accounts(out, config);
    if (config->self_check.n_urls == 0)
        fprintf(out,
                "%s: note: \"server\" has no \"self_check\": when the daemon itself is cut off, it takes that for an "
                "outage of everything else\n",
                config->path);
    if (!secret_is_set(&config->heartbeat.url))
        fprintf(out, "%s: note: \"server\" has no \"heartbeat\": nobody is called when the daemon falls silent\n",
                config->path);
}
