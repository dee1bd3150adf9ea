/* What the watch has found, for pages and for Prometheus. */
#include "base/clock.h"
#include "watch/internal.h"

static json_t *time_json(int64_t wall_ms)
{
    char text[TIME_TEXT_SIZE];
    return wall_ms ? json_string(time_format(wall_ms, text)) : json_null();
}

static const char *word(enum watched state, const char *well, const char *bad)
{
    switch (state) {
    case WATCHED_OFF:
        return "off";
    case WATCHED_UNKNOWN:
        return "unknown";
    case WATCHED_WELL:
        return well;
    case WATCHED_BAD:
        return bad;
    }
    return "?";
}

json_t *watch_status(struct watch *watch)
{
    pthread_mutex_lock(&watch->mutex);
    const struct watched_check *check = &watch->check;
    const struct watched_switch *kill = &watch->kill;
    const struct watched_heartbeat *heartbeat = &watch->heartbeat;
    json_t *status = json_pack(
        "{s:s?, s:{s:s, s:s, s:o}, s:{s:s, s:s, s:o}, s:{s:s, s:s, s:o, s:o}}", "site", watch->settings.site,
        "self_check", "state", word(check->state, "ok", "cut_off"), "text", check->text, "at", time_json(check->at),
        "kill_switch", "state", word(kill->state, "absent", "there"), "text", kill->text, "since",
        time_json(kill->since), "heartbeat", "state", word(heartbeat->state, "ok", "failing"), "text", heartbeat->text,
        "last_ok_at", time_json(heartbeat->last_ok_at), "failing_since", time_json(heartbeat->failing_since));
    pthread_mutex_unlock(&watch->mutex);
    return status;
}

static void gauge(struct strbuf *text, const char *name, const char *help)
{
    strbuf_addf(text, "# HELP turnout_%s %s\n# TYPE turnout_%s gauge\n", name, help, name);
}

/* What is not configured, or not known so far, has no line: nobody is called for it. */
void watch_metrics(struct watch *watch, struct strbuf *text)
{
    if (!watch)
        return;
    pthread_mutex_lock(&watch->mutex);
    if (watch->check.state == WATCHED_WELL || watch->check.state == WATCHED_BAD) {
        gauge(text, "self_check_ok", "Whether the daemon is not cut off itself.");
        strbuf_addf(text, "turnout_self_check_ok %d\n", watch->check.state == WATCHED_WELL);
    }
    if (watch->kill.state != WATCHED_OFF) {
        gauge(text, "kill_switch", "Whether the kill switch is there: nothing is written to any provider.");
        strbuf_addf(text, "turnout_kill_switch %d\n", watch->kill.state == WATCHED_BAD);
    }
    if (watch->heartbeat.state != WATCHED_OFF) {
        gauge(text, "heartbeat_last_ok_timestamp_seconds",
              "When the dead man's switch outside last heard of us; 0: never since the start.");
        strbuf_addf(text, "turnout_heartbeat_last_ok_timestamp_seconds %.3f\n",
                    (double)watch->heartbeat.last_ok_at / 1000);
    }
    pthread_mutex_unlock(&watch->mutex);
}
