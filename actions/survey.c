#include "actions/survey.h"

#include "actions/common.h"

#include <stdio.h>
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
    json_array_append_new(survey->found, json_pack("{s:s, s:s%, s:s, s:s, s:I}", "zone", survey->zone, "record", name,
                                                   len > 0 && name[len - 1] == '.' ? len - 1 : len, "type", type,
                                                   "target", target, "ttl", (json_int_t)ttl));
}

void survey_end(struct survey *survey, struct action_result *ret)
{
    if (!survey->found) {
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
