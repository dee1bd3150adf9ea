/* What holds everything back: times in which nothing starts by itself, and places that are down at once.
 *
 * The complication is that a time can be one of two things: an instant with its zone, which comes once, or a time of
 * the day in UTC, which comes each week. `days` says which. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "config/rows.h"

#include <stdlib.h>
#include <string.h>

#define MAX_FREEZES 100 /* of one list */

static const struct row freeze_rows[] = {
    {.name = "from",
     .type = ROW_STRING,
     .is_required = true,
     .help = "when it begins: a time with its zone, as 2026-12-24T12:00:00Z; with days a time of the day in UTC, as "
             "22:00"},
    {.name = "until",
     .type = ROW_STRING,
     .is_required = true,
     .help = "when it ends, likewise; with days a time that is not later than from is one of the next day"},
    {.name = "days",
     .type = ROW_CHOICES,
     .choices = "mon|tue|wed|thu|fri|sat|sun",
     .help = "the days of the week on which it begins, each week"},
    {.name = "reason", .type = ROW_STRING, .max = 500, .help = "why; it stands in every sentence about it"},
    {.name = NULL},
};

static const struct row flood_rows[] = {
    {.name = "sites",
     .type = ROW_INT,
     .default_text = "1",
     .min = 0,
     .max = 1000,
     .help = "when more sites than this are down at once, nothing starts by itself; 0: no such guard"},
    {.name = "within",
     .type = ROW_DURATION,
     .default_text = "10m",
     .min = 1000,
     .max = INT64_C(24) * 3600 * 1000,
     .help = "how close together they go down to count as at once"},
    {.name = NULL},
};

/* ---- freezes ----------------------------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "22:00", from 00:00 to 23:59. */
static bool minute_parse(const char *text, int *ret)
{
    if (strlen(text) != 5 || text[2] != ':' || !is_digit(text[0]) || !is_digit(text[1]) || !is_digit(text[3]) ||
        !is_digit(text[4]))
        return false;
    const int hour = (text[0] - '0') * 10 + text[1] - '0', minute = (text[3] - '0') * 10 + text[4] - '0';
    *ret = hour * 60 + minute;
    return hour < 24 && minute < 60;
}

static bool read_minute(struct reading *r, const struct node *map, const json_t *values, const char *key, int *ret)
{
    const char *text = json_string_value(json_object_get(values, key));
    if (!text)
        return false; /* the row complains */
    if (minute_parse(text, ret))
        return true;
    complain(r, child(map, key), "\"%s\" cannot be %s; with \"days\" it must be a time of the day in UTC, as 22:00",
             key, shown(text).text);
    return false;
}

static bool read_instant(struct reading *r, const struct node *map, const json_t *values, const char *key, int64_t *ret)
{
    const char *text = json_string_value(json_object_get(values, key));
    int minute;
    if (!text)
        return false; /* the row complains */
    if (time_parse(text, strlen(text), ret) == ERR_OK)
        return true;
    if (minute_parse(text, &minute))
        complain(r, child(map, key), "\"%s\" is a time of the day; name the \"days\" too, as {days: [sat, sun], ...}",
                 key);
    else
        complain(r, child(map, key), "\"%s\" cannot be %s; it must be a time with its zone, as 2026-12-24T12:00:00Z",
                 key, shown(text).text);
    return false;
}

static unsigned days_of(const json_t *list)
{
    static const char *const names[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
    unsigned days = 0;
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        for (size_t day = 0; day < COUNT_OF(names); day++)
            days |= strcmp(json_string_value(item), names[day]) == 0 ? 1U << day : 0;
    }
    return days;
}

static void read_once(struct reading *r, const struct node *map, const json_t *values, struct freeze *freeze)
{
    const bool has_from = read_instant(r, map, values, "from", &freeze->from);
    if (!read_instant(r, map, values, "until", &freeze->until) || !has_from)
        return;
    if (freeze->from >= freeze->until)
        complain(r, child(map, "until"), "\"until\" is not later than \"from\"; it must be");
    else if (freeze->until <= clock_wall_ms())
        doubt(r, map, "this freeze is over since %s: it holds nothing back any more; remove it, or mend its times",
              json_string_value(json_object_get(values, "until")));
}

static void read_freeze(struct reading *r, const struct node *map, struct freeze *freeze)
{
    keys_check(r, map, &(struct keys){.rows = {freeze_rows}});
    json_t *values = rows_read(&(struct row_reader){.reading = r}, map, freeze_rows);
    const char *reason = json_string_value(json_object_get(values, "reason"));
    freeze->reason = new_text(r, reason ? reason : "");
    freeze->is_weekly = child(map, "days") != NULL;
    freeze->days = days_of(json_object_get(values, "days"));
    if (freeze->is_weekly) {
        (void)read_minute(r, map, values, "from", &freeze->from_minute);
        (void)read_minute(r, map, values, "until", &freeze->until_minute);
    } else {
        read_once(r, map, values, freeze);
    }
    json_decref(values);
}

void read_freezes(struct reading *r, const struct node *node, struct freeze **ret, int *ret_n)
{
    if (!node || node->kind == NODE_NULL)
        return;
    const bool is_list = node->kind == NODE_LIST;
    const size_t n = is_list ? node->n_items : 1;
    if (n > MAX_FREEZES) {
        complain(r, node, "\"freeze\" cannot be a list of %zu; %d is the most", n, MAX_FREEZES);
        return;
    }
    struct freeze *freezes = new_array(r, n, sizeof(*freezes));
    if (!freezes)
        return;
    *ret = freezes;
    *ret_n = (int)n;
    for (size_t i = 0; i < n; i++) {
        const struct node *item = is_list ? node->items[i] : node;
        if (is_list ? expect_item(r, item, NODE_MAP, "freeze") : expect_kind(r, item, NODE_MAP, "freeze"))
            read_freeze(r, item, &freezes[i]);
    }
}

/* ---- of all services --------------------------------------------------------------------------------------------- */

void read_guards(struct reading *r)
{
    static const struct node nothing = {.kind = NODE_NULL};
    struct model *model = &r->config->model;
    read_freezes(r, child(r->root, "freeze"), &model->freezes, &model->n_freezes);
    const struct node *flood = child(r->root, "flood_guard");
    if (!flood)
        flood = &nothing;
    if (!expect_kind(r, flood, NODE_MAP, "flood_guard"))
        return;
    keys_check(r, flood, &(struct keys){.rows = {flood_rows}});
    json_t *values = rows_read(&(struct row_reader){.reading = r}, flood, flood_rows);
    model->flood = (struct flood_rule){.places = (int)json_integer_value(json_object_get(values, "sites")),
                                       .within_ms = json_integer_value(json_object_get(values, "within"))};
    json_decref(values);
}
