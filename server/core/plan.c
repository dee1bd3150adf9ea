#include "core/plan.h"

#include "base/utf8.h"
#include "core/json_whole.h"
#include "core/plan_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Without a past run: look, apply and look again, each as long as the look that was made. */
#define LOOKS_OF_A_CHANGE 3

/* ---- helpers ----------------------------------------------------------------------------------------------------- */

json_t *plan_text(const char *text)
{
    if (!text)
        return json_null();
    json_t *json = json_string(text);
    return json ? json : json_string("(a text that is not UTF-8)");
}

bool plan_is_named(const json_t *object, const char *key, const char *word)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && strcmp(text, word) == 0;
}

int64_t plan_number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

bool plan_flag(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static json_t *copy_or_null(const json_t *value)
{
    json_t *copy = value ? json_deep_copy(value) : NULL;
    return copy ? copy : json_null();
}

/* ---- one step ---------------------------------------------------------------------------------------------------- */

static enum plan_state state_of_look(const struct plan_step *step, bool is_behind_change)
{
    bool can_apply = plan_flag(step->text, "can_apply");
    switch (step->look.outcome) {
    case OUTCOME_OK:
    case OUTCOME_NOT_YET:
        if (step->look.outcome == OUTCOME_OK && step->look.is_right)
            return can_apply ? PLAN_ALREADY : PLAN_CHECKS;
        if (can_apply)
            return PLAN_CHANGES;
        /* A check behind a change asks for what that brings about. */
        return is_behind_change ? PLAN_CHECKS : PLAN_FAILS;
    case OUTCOME_PERMANENT:
        return PLAN_FAILS;
    case OUTCOME_TEMPORARY:
    case OUTCOME_UNKNOWN:
    case OUTCOME_CANCELLED:
    case OUTCOME_STARTED:
        break;
    }
    return PLAN_UNKNOWN;
}

static enum plan_state state_of(const struct plan_step *step, bool is_behind_change)
{
    if (!step->text)
        return PLAN_FAILS;
    if (!plan_flag(step->text, "can_observe") || !step->look.is_there)
        return PLAN_UNKNOWN;
    return state_of_look(step, is_behind_change);
}

static const char *text_of(const struct plan_step *step)
{
    if (step->text && !plan_flag(step->text, "can_observe"))
        return "nobody can look at what this step changes: it would be done, whatever is there";
    if (step->text && !step->look.is_there)
        return "the look has not ended in time";
    return step->look.text ? step->look.text : "";
}

static json_t *predicted(const struct plan_step *step, enum plan_state state)
{
    if (state == PLAN_FAILS || (state == PLAN_UNKNOWN && step->usual_ms < 0))
        return json_null();
    if (state == PLAN_ALREADY)
        return json_integer(step->look.took_ms);
    if (step->usual_ms >= 0)
        return json_integer(step->usual_ms);
    return json_integer(step->look.took_ms * (state == PLAN_CHANGES ? LOOKS_OF_A_CHANGE : 1));
}

static json_t *step_json(const struct plan_step *step, int n, enum plan_state state)
{
    const struct plan_look *look = &step->look;
    const char *on_failure = json_string_value(json_object_get(step->text, "on_failure"));
    json_t *json = json_pack(
        "{s:i, s:o, s:o, s:o, s:I, s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:o}", "n", n, "name", plan_text(step->name),
        "action", copy_or_null(json_object_get(step->text, "action")), "provider",
        copy_or_null(json_object_get(step->text, "provider")), "group", (json_int_t)plan_number(step->text, "group"),
        "on_failure", on_failure ? on_failure : on_failure_text(ON_FAILURE_ATTENTION), "state", plan_state_text(state),
        "current", copy_or_null(look->current), "desired", copy_or_null(look->desired), "previous",
        copy_or_null(look->previous), "text", plan_text(text_of(step)), "took_ms", (json_int_t)look->took_ms,
        "predicted_ms", predicted(step, state));
    if (json && look->script)
        json_object_set_new(json, "script", plan_text(look->script));
    return json;
}

static json_t *steps_json(const struct plan_way *way)
{
    json_t *steps = json_array();
    bool is_behind_change = false;
    for (int i = 0; i < way->n_steps; i++) {
        enum plan_state state = state_of(&way->steps[i], is_behind_change);
        bool has_effect = plan_flag(way->steps[i].text, "can_apply");
        is_behind_change |= has_effect && state != PLAN_ALREADY;
        json_array_append_new(steps, step_json(&way->steps[i], i, state));
    }
    return steps;
}

/* ---- the hash ---------------------------------------------------------------------------------------------------- */

/* What was found of what is wanted: the rest may move by itself. */
static json_t *comparable(const json_t *current, const json_t *desired)
{
    json_t *found = json_object();
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)desired, key, value)
    {
        json_t *is = json_object_get(current, key);
        json_object_set(found, key, is ? is : json_null());
    }
    return found;
}

static json_t *hashed_step(const struct plan_step *step, const json_t *as_shown)
{
    static const char *const of_text[] = {
        "action", "provider", "args", "group", "on_failure", "is_fence", "is_point_of_no_return"};
    const json_t *state = json_object_get(as_shown, "state");
    bool is_compared = plan_flag(step->text, "can_apply") && json_is_object(step->look.desired);
    json_t *current = is_compared ? comparable(step->look.current, step->look.desired) : json_null();
    json_t *hashed =
        json_pack("{s:o, s:o, s:o, s:o}", "name", plan_text(step->name), "state", copy_or_null(state), "current",
                  current, "desired", is_compared ? copy_or_null(step->look.desired) : json_null());
    for (size_t i = 0; i < sizeof of_text / sizeof of_text[0]; i++)
        if (json_object_set_new(hashed, of_text[i], copy_or_null(json_object_get(step->text, of_text[i]))) != 0) {
            json_decref(hashed);
            return NULL; /* which is seen: there is a step too few */
        }
    return hashed;
}

static json_t *site_json(const struct plan_way *way, int site)
{
    return site >= 0 ? plan_text(way->service->sites[site].name) : json_null();
}

static bool add_hash(json_t *plan, const struct plan_way *way)
{
    json_t *steps = json_array();
    bool is_whole = true;
    for (int i = 0; i < way->n_steps; i++)
        is_whole &=
            json_array_append_new(
                steps, hashed_step(&way->steps[i], json_array_get(json_object_get(plan, "steps"), (size_t)i))) == 0;
    json_t *hashed = json_pack("{s:o, s:o, s:o, s:o}", "service", plan_text(way->service->name), "from",
                               site_json(way, way->from), "to", site_json(way, way->to), "steps", steps);
    char *text = is_whole ? json_whole(hashed, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(hashed);
    if (!text)
        return false;
    char hex[PLAN_HASH_SIZE];
    struct sha256 digest = sha256_of(text, strlen(text));
    hex_encode(digest.bytes, sizeof digest.bytes, hex);
    free(text);
    return json_object_set_new(plan, "hash", json_string(hex)) == 0;
}

const char *plan_hash(const json_t *plan)
{
    const char *hash = json_string_value(json_object_get(plan, "hash"));
    return hash ? hash : "";
}

/* ---- how long ---------------------------------------------------------------------------------------------------- */

/* Steps of one group go at the same time. */
static int64_t steps_ms(const json_t *steps)
{
    int64_t sum = 0, longest = 0, group = 0;
    size_t i;
    const json_t *step;
    json_array_foreach(steps, i, step)
    {
        int64_t ms = plan_number(step, "predicted_ms");
        int64_t of = plan_number(step, "group");
        if (of == 0 || of != group) {
            sum += longest;
            longest = 0;
        }
        group = of;
        longest = ms > longest ? ms : longest;
    }
    return sum + longest;
}

/* Old answers are in use for as long as the record that is replaced said. */
static int64_t ttl_ms(const json_t *steps)
{
    int64_t longest = 0;
    size_t i;
    const json_t *step;
    json_array_foreach(steps, i, step)
    {
        int64_t ttl = plan_number(json_object_get(step, "current"), "ttl");
        if (plan_is_named(step, "state", plan_state_text(PLAN_CHANGES)) && ttl > longest && ttl < INT32_MAX)
            longest = ttl;
    }
    return longest * 1000;
}

static json_t *prediction(const json_t *steps, const struct service *service)
{
    int64_t of_steps = steps_ms(steps), of_ttl = ttl_ms(steps);
    return json_pack("{s:I, s:I, s:I, s:I}", "steps_ms", (json_int_t)of_steps, "ttl_ms", (json_int_t)of_ttl, "total_ms",
                     (json_int_t)of_steps + (json_int_t)of_ttl, "objective_ms", (json_int_t)service->objective.rto_ms);
}

static int64_t worst_skew(const struct plan_way *way)
{
    int64_t worst = 0;
    for (int i = 0; i < way->n_steps; i++) {
        int64_t skew = way->steps[i].look.is_there ? way->steps[i].look.clock_skew_ms : 0;
        if (llabs((long long)skew) > llabs((long long)worst))
            worst = skew;
    }
    return worst;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

json_t *plan_make(const struct plan_way *way)
{
    json_t *steps = steps_json(way);
    json_t *plan = json_pack(
        "{s:o, s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:I, s:o}", "service", plan_text(way->service->name), "from",
        site_json(way, way->from), "to", site_json(way, way->to), "direction", direction_text(way->direction),
        "occasion", occasion_text(way->occasion), "steps", steps, "warnings", json_array(), "predicted",
        prediction(steps, way->service), "clock_skew_ms", (json_int_t)worst_skew(way), "at", plan_text(way->at));
    if (!plan || json_array_size(steps) != (size_t)way->n_steps || !add_hash(plan, way)) {
        json_decref(plan);
        return NULL;
    }
    plan_warn(plan, way);
    return plan;
}

/* ---- readiness --------------------------------------------------------------------------------------------------- */

static void blame(struct plan_verdict *verdict, enum readiness state, const char *kind, const char *text)
{
    if (state > verdict->state || verdict->text[0] == '\0') /* the worst is told */
        snprintf(verdict->text, sizeof verdict->text, "%s", text);
    if (state > verdict->state)
        verdict->state = state;
    size_t len = strlen(verdict->cause);
    if (!strstr(verdict->cause, kind) && len + strlen(kind) + 2 < sizeof verdict->cause)
        snprintf(verdict->cause + len, sizeof verdict->cause - len, "%s%s", len ? " " : "", kind);
}

/* What fails and is not waited for would not keep the run from its end. */
static bool is_fatal(const json_t *plan, const json_t *warning)
{
    const json_t *number = json_object_get(warning, "step");
    const json_t *step = json_array_get(json_object_get(plan, "steps"),
                                        json_is_integer(number) ? (size_t)json_integer_value(number) : 0);
    bool goes_on = plan_is_named(step, "on_failure", on_failure_text(ON_FAILURE_CONTINUE)) ||
                   plan_is_named(step, "on_failure", on_failure_text(ON_FAILURE_OWE));
    if (plan_is_named(warning, "kind", "fails"))
        return !goes_on;
    if (plan_is_named(warning, "kind", "clock"))
        return llabs((long long)plan_number(plan, "clock_skew_ms")) > PLAN_WORST_SKEW_MS;
    return plan_is_named(warning, "kind", "same");
}

void plan_judge(const json_t *plan, const char *trouble, struct plan_verdict *ret)
{
    size_t i, n = 0;
    bool is_cut = false;
    const json_t *warning;
    *ret = (struct plan_verdict){.state = READINESS_READY};
    if (json_array_size(json_object_get(plan, "steps")) == 0)
        blame(ret, READINESS_NOT_READY, "empty", "no step of the playbook is meant for this");
    if (trouble)
        blame(ret, READINESS_DEGRADED, "daemon", trouble);
    json_array_foreach(json_object_get(plan, "warnings"), i, warning)
    {
        is_cut |= plan_is_named(warning, "kind", "more");
        /* A step that cannot look is as ready as it will ever be. */
        if (plan_is_named(warning, "kind", "blind") || plan_is_named(warning, "kind", "more"))
            continue;
        n++;
        blame(ret, is_fatal(plan, warning) ? READINESS_NOT_READY : READINESS_DEGRADED,
              json_string_value(json_object_get(warning, "kind")), json_string_value(json_object_get(warning, "text")));
    }
    n += trouble ? 1 : 0;
    utf8_clean(ret->text); /* it may be cut */
    size_t len = strlen(ret->text);
    if (n > 1 && len < sizeof ret->text)
        snprintf(ret->text + len, sizeof ret->text - len, "; and %s%zu more", is_cut ? "at least " : "", n - 1);
}
