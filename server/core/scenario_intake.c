/* What is said becomes votes, as orchestrator/intake.c has it: an alert is known by its name (or its site), only what
 * is news moves a count, and what is older than what is known moves nothing. */
#include "core/scenario_player.h"

#include <stdlib.h>
#include <string.h>

#define ALERT_TIME_TRUST_MS ((int64_t)5 * 60 * 1000)
#define SAVE_VOTES_MS 5000
#define MAX_ALERTS 200000

/* An alert without a name is known by its site. */
static size_t hash_of(const struct happening *h, const char *name)
{
    uint32_t hash = (uint32_t)(h->voter * 131 + h->service * 31 + (h->alert ? 0 : h->event.site));
    for (const char *c = name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619U;
    return hash % ALERT_HEADS;
}

struct stored_alert *player_alert_get(struct player *p, const struct happening *h)
{
    const char *name = h->alert ? h->alert : "";
    size_t *head = &p->heads[hash_of(h, name)];
    for (size_t i = *head; i > 0; i = p->alerts[i - 1].next) {
        struct stored_alert *alert = &p->alerts[i - 1];
        if (alert->source == h->voter && alert->service == h->service && strcmp(alert->name, name) == 0 &&
            (h->alert || alert->named_site == h->event.site))
            return alert;
    }
    if (p->n_alerts == p->room_alerts) {
        size_t room = p->room_alerts ? 2 * p->room_alerts : 64;
        struct stored_alert *grown = room <= MAX_ALERTS ? realloc(p->alerts, room * sizeof *grown) : NULL;
        if (!grown) {
            p->err = room <= MAX_ALERTS ? ERR_NO_MEMORY : ERR_TOO_BIG;
            return NULL;
        }
        p->alerts = grown;
        p->room_alerts = room;
    }
    struct stored_alert *alert = &p->alerts[p->n_alerts++];
    *alert = (struct stored_alert){
        .source = h->voter, .service = h->service, .named_site = h->event.site, .name = name, .site = SITE_NONE};
    alert->next = *head;
    *head = p->n_alerts;
    alert->row.starts_at = alert->row.ends_at = alert->row.asserted_at = TIME_UNKNOWN;
    return alert;
}

static int64_t sent_at(const struct player *p, int64_t at)
{
    return at == TIME_UNKNOWN ? TIME_UNKNOWN : p->scase->wall + at;
}

static int active_at(const struct player *p, int service, int64_t wall)
{
    const struct companion *companion = &p->companions[service];
    for (int i = companion->n_history - 1; i >= 0; i--)
        if (companion->history[i].wall <= wall)
            return companion->history[i].site;
    return SITE_NONE;
}

/* From a run's first effect until old answers have run out, nobody knows which site a public name leads to. */
static bool is_put_off(const struct player *p, int service)
{
    const struct service_view *view = &p->views[service];
    return (view->has_run && view->run_has_effect) || player_now(p) < view->settle_until;
}

static int site_now(const struct player *p, int service)
{
    const struct service_view *view = &p->views[service];
    return view->active == ACTIVE_SITE && !is_put_off(p, service) ? view->active_site : SITE_NONE;
}

/* `site: active` is the site that was active at the alert's own time, where that can be believed. What still fires
 * after it was put off, or when nothing was known to be active, speaks of the one that is active now. */
static int site_of_alert(const struct player *p, const struct happening *h, bool is_repeat)
{
    if (h->event.site != SITE_OF_ALERT_TIME)
        return h->event.site;
    int64_t began = sent_at(p, h->began_at);
    int64_t wall = player_wall(p);
    bool is_believed = !is_repeat && began != TIME_UNKNOWN && began <= wall && began >= wall - ALERT_TIME_TRUST_MS;
    return is_put_off(p, h->service) ? SITE_NONE : active_at(p, h->service, is_believed ? began : wall);
}

/* Whether a repeat of what spoke of `site` speaks of another one: that has to have been active for so long that no copy
 * of an alert from before is on its way any more. */
static bool is_elsewhere(const struct player *p, const struct happening *h, int site)
{
    if (h->event.site != SITE_OF_ALERT_TIME)
        return site != h->event.site;
    if (h->state != ALERT_FIRING)
        return site >= 0;
    int now = site_now(p, h->service);
    if (now < 0 || site == now)
        return false;
    return site < 0 || active_at(p, h->service, player_wall(p) - ALERT_TIME_TRUST_MS) == now;
}

static void vote(struct player *p, int service, int voter, int site, enum vote says, int delta)
{
    player_give(p, service,
                &(struct event){.kind = EVENT_ALERT, .voter = voter, .site = site, .says = says, .delta = delta});
}

void player_hear(struct player *p, int service, int voter, int site)
{
    struct service_view *view = &p->views[service];
    bool has_expired = view_hear(view, site, voter, player_now(p));
    for (int i = 0; i < view->n_votes; i++)
        if (view->votes[i].site == site && view->votes[i].voter == voter &&
            player_now(p) - p->companions[service].saved_at[i] >= SAVE_VOTES_MS)
            p->companions[service].saved_at[i] = player_now(p);
    if (has_expired)
        player_give(p, service, &(struct event){.kind = EVENT_HEARD, .voter = voter, .site = site});
}

static void alert_moves(struct player *p, struct stored_alert *alert, const struct happening *h, bool is_repeat)
{
    int old_site = alert->site;
    enum vote old_says = alert->says;
    bool is_of_active = h->event.site == SITE_OF_ALERT_TIME;
    bool is_up = h->state == ALERT_UP && !is_of_active; /* what a public name gives says nothing of one site */
    bool is_down = h->state == ALERT_FIRING;
    bool stays = is_of_active && is_down && old_site >= 0 && old_says == VOTE_DOWN && !is_elsewhere(p, h, old_site);
    alert->site = stays ? old_site : is_down || is_up ? site_of_alert(p, h, is_repeat) : SITE_NONE;
    alert->says = is_up ? VOTE_UP : VOTE_DOWN;
    if (alert->site >= 0)
        vote(p, h->service, h->voter, alert->site, alert->says, 1);
    if (old_site >= 0)
        vote(p, h->service, h->voter, old_site, old_says, -1);
}

/* Of the active site a repeat speaks only where that is still the one. */
static void alert_repeats(struct player *p, struct stored_alert *alert, const struct happening *h)
{
    bool says_something = h->state == ALERT_FIRING || h->state == ALERT_UP;
    if (says_something && is_elsewhere(p, h, alert->site))
        alert_moves(p, alert, h, true);
    else if (alert->site >= 0 && (h->event.site != SITE_OF_ALERT_TIME || alert->site == site_now(p, h->service)))
        player_hear(p, h->service, h->voter, alert->site);
}

void player_take_alert(struct player *p, const struct happening *h)
{
    outlook_hear(p->outlook, h->voter, false, player_now(p));
    struct stored_alert *stored = player_alert_get(p, h);
    if (!stored)
        return;
    const struct alert said = {.state = h->state,
                               .starts_at = sent_at(p, h->began_at),
                               .ends_at = sent_at(p, h->ended_at),
                               .asserted_at = sent_at(p, h->said_at)};
    struct alert_row after;
    enum alert_verdict verdict = alert_take(&stored->row, &said, player_wall(p), &after);
    if (verdict == ALERT_VERDICT_LATE)
        return;
    stored->row = after;
    stored->row.exists = true;
    if (verdict == ALERT_VERDICT_NEW)
        alert_moves(p, stored, h, false);
    else
        alert_repeats(p, stored, h);
}

/* What our own probe, or a person, says now takes the place of what they said before. */
void player_take_says(struct player *p, int service, int voter, int site, enum vote says)
{
    const struct vote_view *found = view_vote_find(&p->views[service], site, voter);
    const struct vote_view before = found ? *found : (struct vote_view){.vote = VOTE_UNKNOWN};
    const struct probe_rule *probe = &p->model->services[service].probe;
    if (voter == model_voter_probe(p->model))
        p->companions[service].probe_at[site] =
            says == VOTE_UNKNOWN || probe->every_ms <= 0 ? 0 : p->at + probe->every_ms;
    if ((says == VOTE_DOWN && before.down > 0) || (says == VOTE_UP && before.up > 0)) {
        player_hear(p, service, voter, site);
        return;
    }
    if (says != VOTE_UNKNOWN)
        vote(p, service, voter, site, says, 1);
    if (before.down > 0)
        vote(p, service, voter, site, VOTE_DOWN, -before.down);
    if (before.up > 0)
        vote(p, service, voter, site, VOTE_UP, -before.up);
}
