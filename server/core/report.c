#include "core/report.h"

#include "base/utf8.h"
#include "core/vocabulary.h"
#include "core/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_LINES 300
#define SLOW_LEAST_MS 2000 /* shorter ones are not spoken of */

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static int64_t days_before(int64_t year, int64_t month, int64_t day)
{
    const int64_t y = month <= 2 ? year - 1 : year, era = y / 400, of_era = y - era * 400;
    const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

int64_t report_time(const char *text)
{
    int year, month, day, hour, minute, second, ms, used = 0;
    if (!text ||
        /* NOLINTNEXTLINE(cert-err34-c): widths bound every number, and what was read is counted */
        sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day, &hour, &minute, &second, &ms, &used) != 7 ||
        used != 24 || text[used])
        return -1;
    return (((days_before(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static int64_t time_of(const json_t *object, const char *key)
{
    return report_time(json_string_value(json_object_get(object, key)));
}

static bool is(const json_t *object, const char *key, const char *word)
{
    return strcmp(text_of(object, key), word) == 0;
}

static json_t *or_null(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    return value ? json_incref(value) : json_null();
}

static json_t *ms_json(int64_t ms)
{
    return ms >= 0 ? json_integer((json_int_t)ms) : json_null();
}

/* From `from` to `to`; -1 where one of them is not known. */
static int64_t between(int64_t from, int64_t to)
{
    return from < 0 || to < 0 ? -1 : to < from ? 0 : to - from;
}

static bool is_over(const json_t *step)
{
    return is(step, "state", step_state_text(STEP_DONE)) || is(step, "state", step_state_text(STEP_ALREADY_DONE));
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static int count_outcomes(const json_t *step, enum outcome outcome)
{
    size_t i;
    int n = 0;
    const json_t *attempt;
    json_array_foreach(json_object_get(step, "attempts"), i, attempt) n +=
        is(attempt, "outcome", outcome_text(outcome));
    return n;
}

/* What it said last. */
static const char *last_text(const json_t *step)
{
    const json_t *attempts = json_object_get(step, "attempts");
    const size_t n = json_array_size(attempts);
    return text_of(step, "error")[0] ? text_of(step, "error")
           : n > 0                   ? text_of(json_array_get(attempts, n - 1), "text")
                                     : "";
}

static json_t *step_json(const json_t *step, size_t i, int64_t began_at)
{
    return json_pack("{s:I, s:s, s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:i, s:i, s:s}", "n", (json_int_t)i + 1, "name",
                     text_of(step, "name"), "action", text_of(step, "action"), "state", text_of(step, "state"),
                     "is_measure", json_is_true(json_object_get(step, "is_measure")), "began_after_ms",
                     ms_json(between(began_at, time_of(step, "started_at"))), "took_ms",
                     ms_json(between(time_of(step, "started_at"), time_of(step, "finished_at"))), "expected_ms",
                     or_null(step, "predicted_ms"), "attempts", or_null(step, "n_attempts"), "waits",
                     count_outcomes(step, OUTCOME_NOT_YET), "errors",
                     count_outcomes(step, OUTCOME_TEMPORARY) + count_outcomes(step, OUTCOME_UNKNOWN), "text",
                     last_text(step));
}

static json_t *steps_json(const json_t *run, int64_t began_at)
{
    json_t *list = json_array();
    size_t i;
    const json_t *step;
    json_array_foreach(json_object_get(run, "steps"), i, step)
        json_array_append_new(list, step_json(step, i, began_at));
    return list;
}

/* ---- when -------------------------------------------------------------------------------------------------------- */

struct ends {
    int64_t began_at;    /* first alert; of a run without an incident, its own beginning */
    int64_t decided_at;  /* the site is held to be down; -1 */
    int64_t run_at;      /* -1: there is none, likewise: */
    int64_t run_over_at; /* what is over later was owed */
    int64_t steps_at;    /* the last step was over, of those that the run waited for */
    int64_t measured_at; /* the last measure saw it; -1 too where one has not so far */
    int64_t ttl_ms;
};

/* What the record said before the step had changed it: for so long old answers are in use. */
static int64_t ttl_before(const json_t *step)
{
    size_t i;
    const json_t *attempt;
    json_array_foreach(json_object_get(step, "attempts"), i, attempt)
    {
        const json_t *current = json_object_get(json_object_get(attempt, "detail"), "current");
        const json_t *ttl = json_object_get(current, "ttl");
        if (json_is_integer(ttl))
            return json_integer_value(ttl) * 1000;
        if (is(attempt, "phase", phase_text(PHASE_APPLY)))
            break;
    }
    return 0;
}

/* Owed when the run was over, and done by itself or by hand since. */
static bool is_paid_later(const struct ends *ends, const json_t *step)
{
    return ends->run_over_at >= 0 && !json_is_true(json_object_get(step, "is_measure")) &&
           time_of(step, "finished_at") > ends->run_over_at;
}

static void read_steps(const json_t *run, struct ends *ends)
{
    size_t i;
    const json_t *step;
    bool has_measure = false, is_measured = true;
    int64_t measured_at = -1;
    json_array_foreach(json_object_get(run, "steps"), i, step)
    {
        const int64_t at = time_of(step, "finished_at");
        int64_t *last = json_is_true(json_object_get(step, "is_measure")) ? &measured_at : &ends->steps_at;
        if (last == &measured_at) {
            has_measure = true;
            is_measured = is_measured && is_over(step);
        }
        if (is_paid_later(ends, step))
            continue;
        if (at > *last)
            *last = at;
        if (is(step, "state", step_state_text(STEP_DONE)) && ttl_before(step) > ends->ttl_ms)
            ends->ttl_ms = ttl_before(step);
    }
    if (has_measure && is_measured)
        ends->measured_at = measured_at;
}

static struct ends ends_of(const struct report_of *of)
{
    struct ends ends = {.began_at = time_of(of->incident, "opened_at"),
                        .decided_at = time_of(of->incident, "stood_at"),
                        .run_at = time_of(of->run, "started_at"),
                        .run_over_at = time_of(of->run, "finished_at"),
                        .steps_at = -1,
                        .measured_at = -1};
    if (ends.began_at < 0)
        ends.began_at = ends.run_at;
    read_steps(of->run, &ends);
    return ends;
}

static void add_milestone(json_t *list, const struct ends *ends, const char *name, const json_t *of, const char *key)
{
    const int64_t at = time_of(of, key);
    if (at >= 0)
        json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "name", name, "at", text_of(of, key), "after_ms",
                                              ms_json(between(ends->began_at, at))));
}

/* The step of that sort that was over last. */
static const json_t *last_step(const json_t *run, int64_t at, bool is_measure)
{
    size_t i;
    const json_t *step;
    json_array_foreach(json_object_get(run, "steps"), i, step)
    {
        if (json_is_true(json_object_get(step, "is_measure")) == is_measure && time_of(step, "finished_at") == at)
            return step;
    }
    return NULL;
}

static json_t *milestones_json(const struct report_of *of, const struct ends *ends)
{
    json_t *list = json_array();
    const json_t *run = of->run;
    add_milestone(list, ends, "first alert", of->incident, "opened_at");
    add_milestone(list, ends, "found down", of->incident, "stood_at");
    add_milestone(list, ends, "run begins", run, "started_at");
    if (ends->steps_at >= 0)
        add_milestone(list, ends, "last step over", last_step(run, ends->steps_at, false), "finished_at");
    add_milestone(list, ends, "run over", run, "finished_at");
    if (ends->measured_at >= 0)
        add_milestone(list, ends, "users are served", last_step(run, ends->measured_at, true), "finished_at");
    add_milestone(list, ends, "incident over", of->incident, "resolved_at");
    return list;
}

/* ---- what was slow ----------------------------------------------------------------------------------------------- */

static void add_slow(json_t *list, const char *format, ...) PRINTF_LIKE(2, 3);

static void add_slow(json_t *list, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    utf8_clean(text); /* it may be cut */
    json_array_append_new(list, json_string(text));
}

/* Of a step that was owed: how long it took says nothing of the outage. True: it was. */
static bool judge_debt(json_t *list, const json_t *step, const struct ends *ends)
{
    const json_t *began = json_object_get(step, "began_after_ms"), *took = json_object_get(step, "took_ms");
    const int64_t run_took = between(ends->began_at, ends->run_over_at);
    const int64_t late = json_integer_value(began) + json_integer_value(took) - run_took;
    const bool is_known = run_took >= 0 && json_is_integer(began) && json_is_integer(took);
    if (!is_known || late <= 0 || json_is_true(json_object_get(step, "is_measure")))
        return false;
    add_slow(list, "%.100s was owed when the run was over, and done %s after that", text_of(step, "name"),
             duration_phrase(late).text);
    return true;
}

/* Longer than it used to be by half; where nobody knows that, more than half of all. */
static void judge_step(json_t *list, const json_t *step, int64_t all_ms)
{
    const int64_t took = json_integer_value(json_object_get(step, "took_ms"));
    const json_t *expected = json_object_get(step, "expected_ms");
    const int64_t expected_ms = json_integer_value(expected);
    const int waits = (int)json_integer_value(json_object_get(step, "waits"));
    const int errors = (int)json_integer_value(json_object_get(step, "errors"));
    if (took < SLOW_LEAST_MS)
        return;
    if (json_is_integer(expected) && took > expected_ms + expected_ms / 2)
        add_slow(list, "%.100s took %s; it was expected to take %s (%d times not ready yet, %d times failed)",
                 text_of(step, "name"), duration_phrase(took).text, duration_phrase(expected_ms).text, waits, errors);
    else if (!json_is_integer(expected) && all_ms > 0 && took > all_ms / 2)
        add_slow(list, "%.100s took %s, more than half of it all (%d times not ready yet, %d times failed)",
                 text_of(step, "name"), duration_phrase(took).text, waits, errors);
}

static json_t *slow_json(const struct ends *ends, const json_t *steps, int64_t all_ms)
{
    json_t *list = json_array();
    const int64_t deciding = between(ends->began_at, ends->decided_at),
                  waiting = between(ends->decided_at, ends->run_at);
    size_t i;
    const json_t *step;
    if (deciding >= SLOW_LEAST_MS && deciding > all_ms / 2)
        add_slow(list, "until it was found down %s passed, more than half of it all: votes and hold",
                 duration_phrase(deciding).text);
    if (waiting >= SLOW_LEAST_MS)
        add_slow(list, "between that it was found down and the run %s passed: something held it back, see the timeline",
                 duration_phrase(waiting).text);
    json_array_foreach(steps, i, step)
    {
        if (!judge_debt(list, step, ends))
            judge_step(list, step, all_ms);
    }
    return list;
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

/* Each look that found nothing new belongs to the run's own page. */
static bool is_aside(const json_t *entry)
{
    const json_t *detail = json_object_get(entry, "detail");
    if (is(entry, "kind", "run.attempt"))
        return is(detail, "outcome", outcome_text(OUTCOME_OK)) || is(detail, "outcome", outcome_text(OUTCOME_NOT_YET));
    return is(entry, "kind", "decision.goes") || is(entry, "kind", "decision.timer");
}

static void add_line(json_t *list, const char *at, int64_t began_at, const char *text)
{
    if (json_array_size(list) < MAX_LINES)
        json_array_append_new(list, json_pack("{s:s, s:o, s:s}", "at", at, "after_ms",
                                              ms_json(between(began_at, report_time(at))), "text", text));
}

static void add_chain(json_t *timeline, json_t *votes, const json_t *incident, int64_t began_at)
{
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(incident, "chain"), i, item)
    {
        const json_t *entry = json_object_get(item, "entry");
        if (is(entry, "kind", "decision.vote"))
            add_line(votes, text_of(entry, "at"), began_at, text_of(entry, "text"));
        else if (!is_aside(entry))
            add_line(timeline, text_of(entry, "at"), began_at, text_of(entry, "text"));
    }
}

/* Of a run without an incident: what its own record says. */
static void add_run(json_t *timeline, const json_t *run, int64_t began_at)
{
    size_t i;
    const json_t *step;
    char text[700];
    add_line(timeline, text_of(run, "started_at"), began_at, text_of(run, "reason"));
    json_array_foreach(json_object_get(run, "steps"), i, step)
    {
        if (!text_of(step, "finished_at")[0])
            continue;
        snprintf(text, sizeof text, "step %zu \"%.100s\" is %s: %.400s", i + 1, text_of(step, "name"),
                 text_of(step, "state"), last_text(step));
        utf8_clean(text); /* it may be cut */
        add_line(timeline, text_of(step, "finished_at"), began_at, text);
    }
    if (text_of(run, "finished_at")[0])
        add_line(timeline, text_of(run, "finished_at"), began_at, text_of(run, "state"));
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

/* -1: it is not over, or was not left, or was a rehearsal. */
static int64_t felt_ms(const struct report_of *of, const struct ends *ends)
{
    if (!is(of->run, "state", run_state_text(RUN_SUCCEEDED)) || is(of->run, "occasion", occasion_text(OCCASION_DRILL)))
        return -1;
    if (ends->measured_at >= 0)
        return between(ends->began_at, ends->measured_at);
    size_t i;
    const json_t *step;
    json_array_foreach(json_object_get(of->run, "steps"), i, step)
    {
        if (json_is_true(json_object_get(step, "is_measure")) && !is(step, "state", step_state_text(STEP_SKIPPED)))
            return -1; /* still measured, or never seen */
    }
    return between(ends->began_at, ends->steps_at);
}

json_t *report_json(const struct report_of *of)
{
    if (!json_is_object(of->incident) && !json_is_object(of->run))
        return NULL;
    const struct ends ends = ends_of(of);
    const json_t *any = of->run ? of->run : of->incident;
    const int64_t felt = felt_ms(of, &ends);
    json_t *steps = steps_json(of->run, ends.began_at), *votes = json_array(), *timeline = json_array();
    if (of->incident)
        add_chain(timeline, votes, of->incident, ends.began_at);
    else
        add_run(timeline, of->run, ends.began_at);
    json_t *report = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "service",
        or_null(any, "service"), "site", or_null(of->incident, "site"), "incident", or_null(of->incident, "id"), "run",
        or_null(of->run, "id"), "kind", or_null(of->run, "kind"), "occasion", or_null(of->run, "occasion"), "from",
        or_null(of->run, "from"), "to", or_null(of->run, "to"), "state", or_null(of->run, "state"), "rto_ms",
        ms_json(felt), "is_measured", felt >= 0 && ends.measured_at >= 0, "ttl_ms", (json_int_t)ends.ttl_ms,
        "objective_ms", of->rto_ms > 0 ? json_integer((json_int_t)of->rto_ms) : json_null(), "is_met",
        of->rto_ms > 0 && felt >= 0 ? json_boolean(felt <= of->rto_ms) : json_null(), "milestones",
        milestones_json(of, &ends), "slow", slow_json(&ends, steps, felt), "steps", steps, "votes", votes, "timeline",
        timeline);
    return report;
}
