/* See words.h. Every piece is cut to a length, so that names of any length leave room for what matters. */
#include "core/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *reason_text(enum reason reason)
{
    static const char *const texts[] = {
#define X(name, text) [name] = text,
        REASON_LIST(X)
#undef X
    };
    size_t i = (size_t)reason;
    return i < sizeof texts / sizeof texts[0] ? texts[i] : "?";
}

bool reason_parse(const char *text, enum reason *ret)
{
    for (int i = 0; text && i <= REASON_UNKNOWN_FROM; i++) {
        if (strcmp(text, reason_text((enum reason)i)) == 0) {
            *ret = (enum reason)i;
            return true;
        }
    }
    return false;
}

bool reason_is_overridable(enum reason reason)
{
    return reason == REASON_TARGET_DOWN || reason == REASON_PREFLIGHT || reason == REASON_DEBT || reason == REASON_RPO;
}

struct overrides_text overrides_text(uint64_t overrides)
{
    struct overrides_text ret = {""};
    for (int i = 0; i <= REASON_UNKNOWN_FROM; i++) {
        if (!(overrides & UINT64_C(1) << i) || !reason_is_overridable((enum reason)i))
            continue;
        size_t len = strlen(ret.text);
        (void)snprintf(ret.text + len, sizeof ret.text - len, "%s%s", len ? " " : "", reason_text((enum reason)i));
    }
    return ret;
}

bool overrides_parse(const char *text, uint64_t *ret)
{
    uint64_t overrides = 0;
    while (*text) {
        char word[32];
        size_t len = strcspn(text, " ");
        enum reason reason = REASON_NONE;
        (void)snprintf(word, sizeof word, "%.*s", (int)(len < sizeof word ? len : sizeof word - 1), text);
        if (!reason_parse(word, &reason) || !reason_is_overridable(reason))
            return false;
        overrides |= UINT64_C(1) << reason;
        text += len + strspn(text + len, " ");
    }
    *ret = overrides;
    return true;
}

static void phrase_add(struct phrase *phrase, const char *format, ...) PRINTF_LIKE(2, 3);

static void phrase_add(struct phrase *phrase, const char *format, ...)
{
    size_t len = strlen(phrase->text);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(phrase->text + len, sizeof phrase->text - len, format, args);
    va_end(args);
}

struct phrase phrase_of(const char *format, ...)
{
    struct phrase phrase;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(phrase.text, sizeof phrase.text, format, args);
    va_end(args);
    return phrase;
}

struct phrase duration_phrase(int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}, {1, "ms"}};
    struct phrase phrase = {""};
    int n = 0;
    for (size_t i = 0; i < sizeof units / sizeof units[0] && n < 2; i++) {
        int64_t count = ms / units[i].ms;
        ms %= units[i].ms;
        if (count <= 0 && n == 0)
            continue;
        if (count > 0)
            phrase_add(&phrase, "%s%lld %s", n ? " " : "", (long long)count, units[i].unit);
        n++; /* a unit that is nought behind a larger one: "1 h", not "1 h 20 ms" */
    }
    if (n == 0)
        phrase_add(&phrase, "0 s");
    return phrase;
}

static void add_voters(struct phrase *phrase, const struct model *model, const struct service_view *view, int site)
{
    int n = 0;
    int left_out = 0;
    for (int i = 0; i < view->n_votes; i++) {
        if (view->votes[i].site != site || view->votes[i].vote != VOTE_DOWN)
            continue;
        if (strlen(phrase->text) > sizeof phrase->text - 100)
            left_out++;
        else
            phrase_add(phrase, "%s%.40s", n++ ? ", " : " (", model_voter_name(model, view->votes[i].voter));
    }
    if (left_out > 0)
        phrase_add(phrase, " and %d more", left_out);
    phrase_add(phrase, ")");
}

struct phrase votes_phrase(const struct service *service, const struct model *model, const struct service_view *view,
                           int site)
{
    struct phrase phrase = {""};
    int votes = view_votes(model, view, site);
    if (votes == 0) {
        phrase_add(&phrase, "no down vote");
        return phrase;
    }
    if (votes <= service->votes)
        phrase_add(&phrase, "%d of %d vote%s", votes, service->votes, service->votes == 1 ? "" : "s");
    else
        phrase_add(&phrase, "%d votes where %d %s needed", votes, service->votes, service->votes == 1 ? "is" : "are");
    add_voters(&phrase, model, view, site);
    int trusted = service->trusted_votes > 0 ? view_trusted_votes(model, view, site) : 0;
    if (trusted < service->trusted_votes)
        phrase_add(&phrase, ", %d of %d trusted", trusted, service->trusted_votes);
    const struct vote_view *probe =
        service->probe.is_required ? view_vote_find(view, site, model_voter_probe(model)) : NULL;
    if (service->probe.is_required && (!probe || probe->vote != VOTE_DOWN))
        phrase_add(&phrase, ", without our own probe's, which is required");
    return phrase;
}

struct phrase votes_held_phrase(const struct service *service, const struct model *model,
                                const struct service_view *view, int site)
{
    struct phrase phrase = votes_phrase(service, model, view, site);
    int64_t hold_ms = view_hold_ms(service, view, site);
    if (hold_ms > 0)
        phrase_add(&phrase, " held for %s", duration_phrase(hold_ms).text);
    return phrase;
}

struct phrase move_phrase(const struct service *service, enum direction direction, int from, int to)
{
    struct phrase phrase = {""};
    phrase_add(&phrase, "%s", direction_text(direction));
    if (from >= 0)
        phrase_add(&phrase, " from %.48s", site_phrase(service, from));
    phrase_add(&phrase, " to %.48s", site_phrase(service, to));
    return phrase;
}

struct phrase run_phrase(const struct service *service, const struct service_view *view)
{
    struct phrase phrase = {""};
    phrase_add(&phrase, "the %s ", move_phrase(service, view->run_direction, view->run_from, view->run_to).text);
    switch (view->run_state) {
    case RUN_WAITING:
        phrase_add(&phrase, "waits for a yes or no");
        break;
    case RUN_RUNNING:
        phrase_add(&phrase, "is under way");
        break;
    case RUN_ATTENTION:
        phrase_add(&phrase, "waits for a person");
        break;
    case RUN_SUCCEEDED:
    case RUN_FAILED:
    case RUN_CANCELLED:
    case RUN_UNDONE:
        phrase_add(&phrase, "is over");
        break;
    }
    return phrase;
}

const char *run_over_phrase(enum run_state state)
{
    switch (state) {
    case RUN_SUCCEEDED:
        return "succeeded";
    case RUN_FAILED:
        return "failed";
    case RUN_CANCELLED:
        return "was cancelled";
    case RUN_UNDONE:
        return "was undone";
    case RUN_WAITING:
    case RUN_RUNNING:
    case RUN_ATTENTION:
        break;
    }
    return "is not over";
}

struct phrase place_phrase(const struct service *service, const struct service_view *view)
{
    struct phrase phrase = {""};
    switch (view->active) {
    case ACTIVE_SITE:
        phrase_add(&phrase, "%.48s is the active site", site_phrase(service, view->active_site));
        break;
    case ACTIVE_MOVING:
        if (view->has_run)
            return run_phrase(service, view);
        phrase_add(&phrase, "a run begins");
        break;
    case ACTIVE_SPLIT:
        phrase_add(&phrase, "a run stopped half-way (split): adopt a site, or start a run by hand");
        break;
    case ACTIVE_UNKNOWN:
        phrase_add(&phrase, "the active site is not known: adopt one, or start a run by hand");
        break;
    }
    return phrase;
}

const char *site_phrase(const struct service *service, int site)
{
    return site >= 0 && site < service->n_sites ? service->sites[site].name : "a site that is not known";
}
