/* One site of a service as GET /api/v1/services shows it: who says what of it, and who could and says nothing. Voters
 * that only the store still knows are left out, as the decision leaves them out. */
#include "http/http_internal.h"

#include "base/clock.h"

#include <string.h>

int64_t stored_to_wall(const json_t *row, const char *key)
{
    int64_t at = json_integer_value(json_object_get(row, key));
    const char *boot_id = json_string_value(json_object_get(row, "boot_id"));
    if (at == 0)
        return 0;
    at = clock_due_from_stored(at, boot_id ? boot_id : "", json_integer_value(json_object_get(row, "offset_ms")));
    return at - clock_steady_ms() + clock_wall_ms();
}

json_t *time_json(int64_t wall_ms)
{
    char text[TIME_TEXT_SIZE];
    return wall_ms == 0 ? json_null() : json_string(time_format(wall_ms, text));
}

static const json_t *vote_find(const json_t *votes, const char *site, const char *voter)
{
    size_t i;
    const json_t *vote;
    json_array_foreach(votes, i, vote)
    {
        const char *of = json_string_value(json_object_get(vote, "site"));
        const char *by = json_string_value(json_object_get(vote, "source"));
        if (of && by && strcmp(of, site) == 0 && strcmp(by, voter) == 0)
            return vote;
    }
    return NULL;
}

static bool has_rule_of_active(const struct service *service, int voter)
{
    for (size_t i = 0; i < service->n_rules; i++) {
        if (service->rules[i].source == voter && service->rules[i].site == SITE_OF_ALERT_TIME)
            return true;
    }
    return false;
}

static enum vote vote_of(const json_t *row)
{
    enum vote vote = VOTE_UNKNOWN;
    const char *text = json_string_value(json_object_get(row, "vote"));
    return text && vote_parse(text, &vote) ? vote : VOTE_UNKNOWN;
}

/* Alerts that say what the vote says; where it is unknown, because it is too old or its source silent, those that fire.
 */
static json_int_t alerts_of(const json_t *row, enum vote vote)
{
    json_int_t down = json_integer_value(json_object_get(row, "down"));
    return vote == VOTE_UP || down == 0 ? json_integer_value(json_object_get(row, "up")) : down;
}

static json_t *voter_json(const struct model *model, int voter, const json_t *row)
{
    const struct voter_rule rule = model_voter_rule(model, voter);
    enum vote vote = vote_of(row);
    int64_t heard_at = stored_to_wall(row, "heard_at");
    bool is_aging = vote != VOTE_UNKNOWN && heard_at != 0 && rule.expires_ms > 0;
    return json_pack("{s:s, s:s, s:I, s:i, s:s, s:o, s:o}", "voter", model_voter_name(model, voter), "vote",
                     vote_text(vote), "alerts", alerts_of(row, vote), "weight", rule.weight, "trust",
                     trust_text(model_voter_trust(model, voter)), "heard_at", time_json(heard_at), "expires_at",
                     time_json(is_aging ? heard_at + rule.expires_ms : 0));
}

struct tally {
    int down, trusted, up; /* by weight */
    json_t *sources, *voters;
};

static void tally_add(struct tally *tally, const struct model *model, int voter, const json_t *row)
{
    enum vote vote = vote_of(row);
    int weight = model_voter_rule(model, voter).weight;
    json_array_append_new(tally->voters, voter_json(model, voter, row));
    if (vote == VOTE_UP)
        tally->up += weight;
    if (vote != VOTE_DOWN)
        return;
    tally->down += weight;
    tally->trusted += model_voter_trust(model, voter) > TRUST_OPEN ? weight : 0;
    json_array_append_new(tally->sources, json_pack("{s:s, s:I}", "source", model_voter_name(model, voter), "alerts",
                                                    alerts_of(row, vote)));
}

static json_t *incident_of(const json_t *incidents, const char *site)
{
    static const char *const keys[] = {"id",         "opened_at", "is_standing", "reason",
                                       "most_votes", "would_at",  "would_to",    "stood_at"};
    size_t i;
    json_t *incident;
    json_array_foreach(incidents, i, incident)
    {
        const char *of = json_string_value(json_object_get(incident, "site"));
        if (!of || strcmp(of, site) != 0)
            continue;
        json_t *json = json_object();
        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
            json_object_set(json, keys[k], json_object_get(incident, keys[k]));
        return json;
    }
    return json_null();
}

json_t *service_site_json(const struct model *model, const struct service *service, int site, const json_t *state)
{
    const char *name = service->sites[site].name;
    const json_t *votes = json_object_get(state, "votes");
    struct tally tally = {.sources = json_array(), .voters = json_array()};
    for (int voter = 0; voter < model_n_voters(model); voter++) {
        const json_t *row = vote_find(votes, name, model_voter_name(model, voter));
        if (row || service_has_voter(service, model, site, voter) || has_rule_of_active(service, voter))
            tally_add(&tally, model, voter, row);
    }
    enum vote vote = tally.down > 0 ? VOTE_DOWN : tally.up > 0 ? VOTE_UP : VOTE_UNKNOWN;
    return json_pack("{s:s, s:s, s:i, s:i, s:i, s:o, s:o, s:o}", "name", name, "vote", vote_text(vote), "down_votes",
                     tally.down, "trusted_down_votes", tally.trusted, "up_votes", tally.up, "sources", tally.sources,
                     "voters", tally.voters, "incident", incident_of(json_object_get(state, "incidents"), name));
}
