/* Rows as the JSON that operators read. */
#include "base/clock.h"
#include "base/utf8.h"
#include "store/internal.h"

#include <stdlib.h>
#include <string.h>

struct json_maker json_make(void)
{
    return (struct json_maker){.object = json_object()};
}

void make_value(struct json_maker *maker, const char *name, json_t *value)
{
    if (json_object_set_new(maker->object, name, value) != 0)
        maker->is_broken = true;
}

/* A provider's words are kept as they came, and need not be UTF-8. */
static json_t *cleaned_json(const char *text)
{
    char *copy = strdup(text);
    if (copy)
        utf8_clean(copy);
    json_t *json = copy ? json_string(copy) : NULL;
    free(copy);
    return json;
}

void make_text(struct json_maker *maker, const char *name, const char *text)
{
    json_t *json = json_string(text);
    make_value(maker, name, json ? json : cleaned_json(text));
}

void make_text_or_null(struct json_maker *maker, const char *name, const char *text)
{
    if (text[0])
        make_text(maker, name, text);
    else
        make_value(maker, name, json_null());
}

void make_int(struct json_maker *maker, const char *name, int64_t value)
{
    make_value(maker, name, json_integer(value));
}

void make_bool(struct json_maker *maker, const char *name, bool value)
{
    make_value(maker, name, json_boolean(value));
}

void make_time(struct json_maker *maker, const char *name, int64_t ms)
{
    char text[TIME_TEXT_SIZE];
    if (ms == 0)
        make_value(maker, name, json_null());
    else
        make_text(maker, name, time_format(ms, text));
}

void make_id(struct json_maker *maker, const char *name, const struct id *id)
{
    char text[ID_TEXT_SIZE];
    if (id_is_nil(id))
        make_value(maker, name, json_null());
    else
        make_text(maker, name, id_format(id, text));
}

json_t *json_made(struct json_maker *maker)
{
    if (!maker->is_broken)
        return maker->object;
    json_decref(maker->object);
    return NULL;
}

json_t *run_json(const struct run_row *row)
{
    struct json_maker run = json_make();
    make_id(&run, "id", &row->id);
    make_text(&run, "service", row->service);
    make_text(&run, "kind", direction_text(row->direction));
    make_text(&run, "occasion", occasion_text(row->occasion));
    make_bool(&run, "is_ours", row->is_ours);
    make_text(&run, "overrides", row->overrides);
    make_text_or_null(&run, "from", row->from);
    make_text(&run, "to", row->to);
    make_text(&run, "state", run_state_text(row->state));
    make_bool(&run, "has_effect", row->has_effect);
    make_text_or_null(&run, "ending", row->ending == ENDING_NONE ? "" : ending_text(row->ending));
    make_bool(&run, "is_undoing", row->is_undoing);
    make_text_or_null(&run, "plan", row->plan);
    make_text(&run, "reason", row->reason);
    make_text(&run, "started_by", row->started_by);
    make_id(&run, "incident", &row->incident);
    make_time(&run, "started_at", row->started_at);
    make_time(&run, "finished_at", row->finished_at);
    make_text(&run, "error", row->error);
    return json_made(&run);
}

json_t *incident_json(const struct incident_row *row)
{
    struct json_maker incident = json_make();
    make_id(&incident, "id", &row->id);
    make_text(&incident, "service", row->service);
    make_text(&incident, "site", row->site);
    make_time(&incident, "opened_at", row->opened_at);
    make_time(&incident, "resolved_at", row->resolved_at);
    make_bool(&incident, "is_standing", row->is_standing);
    make_time(&incident, "stood_at", row->stood_at);
    make_time(&incident, "fell_at", row->fell_at);
    make_int(&incident, "most_votes", row->most_votes);
    make_time(&incident, "would_at", row->would_at);
    make_text_or_null(&incident, "would_to", row->would_to);
    make_text(&incident, "reason", row->last_reason);
    make_id(&incident, "run", &row->run);
    return json_made(&incident);
}
