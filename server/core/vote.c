/* How alerts become votes: what a voter says of a site is what its alerts say, for as long as they are fresh. A vote is
 * computed anew at every look, so that it grows old without an event. What the votes come to is not decided here. */
#include "core/decide_internal.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>

void count_alert(struct decision *d)
{
    const struct event *event = d->event;
    assert(event->site >= 0 && event->site < d->service->n_sites);
    assert(event->voter >= 0 && event->voter < model_n_voters(d->model));
    const struct vote_view *vote = view_vote_find(&d->view, event->site, event->voter);
    int before = !vote ? 0 : event->says == VOTE_UP ? vote->up : vote->down;
    int64_t sum = (int64_t)before + event->delta;
    int count = sum < 0 ? 0 : sum > INT_MAX ? INT_MAX : (int)sum;
    struct thing thing = thing_of(THING_COUNT, REASON_VOTES, event->site);
    thing.voter = event->voter;
    thing.vote = event->says;
    thing.count = count;
    thing.at = event->delta > 0 || !vote ? d->now : vote->heard_at; /* one that ceases says nothing of the others */
    say(d, thing, "%.40s has %d alert%s that say%s %.48s is %s", model_voter_name(d->model, event->voter), count,
        count == 1 ? "" : "s", count == 1 ? "s" : "", site_name(d, event->site), vote_text(event->says));
}

/* What the vote ought to be now, and why. An alert that is still open and has not been repeated says nothing, whatever
 * the source's heartbeat says: one that was silenced never ends. */
static enum vote vote_of(const struct decision *d, const struct vote_view *vote, enum reason *ret_reason)
{
    int64_t expires_ms = view_expires_ms(d->service, d->model, vote->voter);
    bool has_expired = expires_ms > 0 && d->now >= vote->heard_at + expires_ms;
    bool has_heartbeat = outlook_has_heartbeat(d->outlook, vote->voter, d->now) &&
                         service_has_voter(d->service, d->model, vote->site, vote->voter);
    if (vote->voter == model_voter_probe(d->model) && !d->service->probe.check) {
        *ret_reason = REASON_CONFIGURATION;
        return VOTE_UNKNOWN;
    }
    *ret_reason = REASON_VOTES;
    if (outlook_is_stale(d->outlook, vote->voter, d->now)) {
        *ret_reason = REASON_STALE;
        return VOTE_UNKNOWN;
    }
    if (vote->down > 0) {
        *ret_reason = has_expired ? REASON_EXPIRED : REASON_VOTES;
        return has_expired ? VOTE_UNKNOWN : VOTE_DOWN;
    }
    if (vote->up > 0 && !has_expired)
        return VOTE_UP;
    if (has_heartbeat) {
        *ret_reason = REASON_HEARTBEAT;
        return VOTE_UP;
    }
    if (vote->up > 0)
        *ret_reason = REASON_EXPIRED;
    else if (vote->vote == VOTE_UP && d->event->kind != EVENT_ALERT)
        *ret_reason = REASON_HEARTBEAT;
    return VOTE_UNKNOWN;
}

/* Why the votes on a site come to nothing where it is: "; nothing follows: rbx is the active site", or "". */
static struct phrase consequence(const struct decision *d, int site)
{
    struct phrase phrase = {""};
    if (reason_of_place(d, site) != REASON_NONE)
        (void)snprintf(phrase.text, sizeof phrase.text, "; nothing follows: %.90s",
                       place_phrase(d->service, &d->view).text);
    return phrase;
}

static void say_unknown(struct decision *d, struct thing thing, const struct vote_view *before, const char *voter,
                        const char *site)
{
    enum reason reason = thing.reason;
    struct phrase all = votes_of(d, thing.site);
    const struct voter_rule rule = model_voter_rule(d->model, thing.voter);
    if (reason == REASON_STALE)
        say(d, thing, "nothing has come from %.40s for %s: its vote on %.40s does not count any more; %.100s", voter,
            duration_phrase(rule.stale_after_ms).text, site, all.text);
    else if (reason == REASON_EXPIRED)
        say(d, thing, "%.40s has not repeated for %s that %.40s is %s: its vote does not count any more; %.80s", voter,
            duration_phrase(view_expires_ms(d->service, d->model, thing.voter)).text, site, vote_text(before->vote),
            all.text);
    else if (reason == REASON_CONFIGURATION)
        say(d, thing, "%.40s is not configured any more: what it said of %.40s does not count; %.120s", voter, site,
            all.text);
    else if (reason == REASON_HEARTBEAT)
        say(d, thing, "the heartbeat of %.40s is gone: it says nothing of %.40s any more; %.100s", voter, site,
            all.text);
    else
        say(d, thing, "%.40s says no more that %.40s is %s; %.120s", voter, site, vote_text(before->vote), all.text);
}

/* By how many alerts a source says so; a person and our own probe have none. */
static struct phrase alerts_phrase(const struct model *model, const struct vote_view *vote)
{
    if (vote->voter >= model->n_sources)
        return phrase_of("%s", "");
    return phrase_of(" (%d alert%s)", vote->down, vote->down == 1 ? "" : "s");
}

static void vote_change(struct decision *d, const struct vote_view *old, enum vote vote, enum reason reason)
{
    const struct vote_view before = *old;
    const char *voter = model_voter_name(d->model, before.voter);
    const char *site = site_name(d, before.site);
    struct thing thing = thing_of(THING_VOTE, reason, before.site);
    thing.voter = before.voter;
    thing.vote = vote;
    thing.count = vote == VOTE_UP ? before.up : before.down;
    /* The incident comes before its first vote, so that this is part of its story. */
    if (vote == VOTE_DOWN && !d->view.sites[before.site].has_incident)
        incident_open(d, before.site, voter);
    view_apply(&d->view, &thing); /* the sentence tells the votes as they are afterwards */
    struct phrase all = votes_of(d, before.site);
    switch (vote) {
    case VOTE_UNKNOWN:
        say_unknown(d, thing, &before, voter, site);
        break;
    case VOTE_DOWN:
        say(d, thing, "%.40s says %.40s is down%s; %.100s%s", voter, site, alerts_phrase(d->model, &before).text,
            all.text, consequence(d, before.site).text);
        break;
    case VOTE_UP:
        say(d, thing, "%.40s says %.40s is up%s; %.120s", voter, site,
            reason == REASON_HEARTBEAT ? ": its heartbeat is fresh, and nothing of it fires" : "", all.text);
        break;
    }
}

/* A source with a heartbeat says up of sites of which nothing was ever heard. */
static void look_at_heartbeats(struct decision *d)
{
    if (!d->model->voter_rules)
        return;
    for (size_t i = 0; i < d->service->n_rules && d->view.n_votes < MAX_VOTES; i++) {
        const struct alert_rule *rule = &d->service->rules[i];
        if (rule->site < 0 || d->model->voter_rules[rule->source].n_heartbeat == 0 ||
            view_vote_find(&d->view, rule->site, rule->source) ||
            !outlook_has_heartbeat(d->outlook, rule->source, d->now))
            continue;
        const struct vote_view fresh = {.site = rule->site, .voter = rule->source};
        vote_change(d, &fresh, VOTE_UP, REASON_HEARTBEAT);
    }
}

void look_at_votes(struct decision *d)
{
    for (int i = 0; i < d->view.n_votes; i++) {
        const struct vote_view *vote = &d->view.votes[i];
        enum reason reason = REASON_NONE;
        enum vote now = vote_of(d, vote, &reason);
        if (now != vote->vote && vote->site < d->service->n_sites)
            vote_change(d, vote, now, reason);
    }
    look_at_heartbeats(d);
}
