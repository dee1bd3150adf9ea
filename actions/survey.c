#include "actions/survey.h"

#include "actions/common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FOUND 1000

void survey_begin(struct survey *survey, const char *zone, const char *const *addresses)
{
    *survey = (struct survey){.zone = zone, .addresses = addresses, .found = json_array()};
}

static bool is_one_of(const char *const *addresses, const char *type, const char *target)
{
    if (strcmp(type, "A") != 0 && strcmp(type, "AAAA") != 0 && strcmp(type, "CNAME") != 0)
        return false;
    for (size_t i = 0; addresses[i]; i++)
        if (target_equal(type, target, addresses[i]) || name_equal(target, addresses[i]))
            return true;
    return false;
}

void survey_look(struct survey *survey, const char *name, const char *type, const char *target, int64_t ttl)
{
    size_t len = strlen(name);
    survey->n_looked++;
    if (!is_one_of(survey->addresses, type, target))
        return;
    if (json_array_size(survey->found) == MAX_FOUND) {
        (void)snprintf(survey->cut, sizeof(survey->cut), "there are more than %d of them", MAX_FOUND);
        return;
    }
    int added =
        json_array_append_new(survey->found, json_pack("{s:s, s:s%, s:s, s:s, s:I}", "zone", survey->zone, "record",
                                                       name, len > 0 && name[len - 1] == '.' ? len - 1 : len, "type",
                                                       type, "target", target, "ttl", (json_int_t)ttl));
    survey->is_short = survey->is_short || added != 0;
}

/* ---- a zone file ---- */

struct zone_file {
    struct survey *survey;
    char origin[300], owner[600]; /* whole names without a dot at the end; the owner is that of the line before */
    int64_t ttl;                  /* of $TTL */
    bool is_in_parentheses;       /* the rest of a record of several lines, which no address needs */
    bool has_soa;
};

/* "@", "app" or "app.example.com." as a whole name. */
static void name_make(const struct zone_file *file, const char *name, char *ret, size_t room)
{
    size_t len = strlen(name);
    if (strcmp(name, "@") == 0)
        snprintf(ret, room, "%s", file->origin);
    else if (len > 0 && name[len - 1] == '.')
        snprintf(ret, room, "%.*s", (int)len - 1, name);
    else
        snprintf(ret, room, "%s.%s", name, file->origin);
}

/* The words behind the owner: a TTL and a class may stand before the type, in either order. */
static void record_read(struct zone_file *file, char *rest)
{
    char *save = NULL, *word = strtok_r(rest, " \t\r", &save);
    char whole[600];
    int64_t ttl = file->ttl;
    while (word && (strcasecmp(word, "IN") == 0 || strspn(word, "0123456789") == strlen(word))) {
        if (word[0] >= '0' && word[0] <= '9')
            ttl = strtoll(word, NULL, 10);
        word = strtok_r(NULL, " \t\r", &save);
    }
    const char *target = word ? strtok_r(NULL, " \t\r", &save) : NULL;
    if (!target)
        return;
    file->has_soa = file->has_soa || strcasecmp(word, "SOA") == 0;
    bool is_name = strcasecmp(word, "CNAME") == 0;
    if (is_name)
        name_make(file, target, whole, sizeof(whole));
    survey_look(file->survey, file->owner, word, is_name ? whole : target, ttl);
}

/* Cuts the line at a comment and at its end in quotes, where nothing for a survey stands. */
static void line_read(struct zone_file *file, char *line)
{
    bool opens = strchr(line, '(') != NULL, closes = strchr(line, ')') != NULL;
    bool is_rest = file->is_in_parentheses;
    line[strcspn(line, ";\"")] = '\0';
    file->is_in_parentheses = (is_rest || opens) && !closes;
    if (is_rest)
        return;
    size_t len = strcspn(line, " \t\r");
    char *rest = line + len + (line[len] != '\0');
    line[len] = '\0';
    if (strcasecmp(line, "$ORIGIN") == 0 || strcasecmp(line, "$TTL") == 0) {
        char *save = NULL, *word = strtok_r(rest, " \t\r", &save), whole[300];
        if (!word)
            return;
        if (line[1] == 'T' || line[1] == 't') {
            file->ttl = strtoll(word, NULL, 10);
            return;
        }
        name_make(file, word, whole, sizeof(whole));
        snprintf(file->origin, sizeof(file->origin), "%s", whole);
        return;
    }
    if (len > 0)
        name_make(file, line, file->owner, sizeof(file->owner));
    record_read(file, rest);
}

bool survey_zone_file(struct survey *survey, const char *text)
{
    struct zone_file file = {.survey = survey};
    char line[2000];
    size_t len = strlen(survey->zone);
    snprintf(file.origin, sizeof(file.origin), "%.*s", (int)(len > 0 && survey->zone[len - 1] == '.' ? len - 1 : len),
             survey->zone);
    snprintf(file.owner, sizeof(file.owner), "%s", file.origin);
    for (const char *c = text; *c;) {
        size_t all = strcspn(c, "\n");
        snprintf(line, sizeof(line), "%.*s", (int)(all < sizeof(line) ? all : sizeof(line) - 1), c);
        line_read(&file, line);
        c += all + (c[all] == '\n');
    }
    return file.has_soa;
}

/* ---- the result ---- */

void survey_end(struct survey *survey, struct action_result *ret)
{
    if (!survey->found || survey->is_short) {
        result_set(ret, OUTCOME_TEMPORARY, "out of memory");
        return;
    }
    result_set(ret, OUTCOME_OK, "%d values of records of zone %s looked at, %d hold one of the addresses%s%s",
               survey->n_looked, survey->zone, (int)json_array_size(survey->found), survey->cut[0] ? "; " : "",
               survey->cut);
    ret->current = survey->found;
    survey->found = NULL;
}

void survey_done(struct survey *survey)
{
    json_decref(survey->found);
    survey->found = NULL;
}
