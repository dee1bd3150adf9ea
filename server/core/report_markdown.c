/* The report as Markdown. See report.h. */
#include "core/report.h"
#include "core/words.h"

#include <inttypes.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* In a cell or a line: what would end it is taken out. */
static void add_text(struct strbuf *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (*c == '|')
            strbuf_adds(out, "\\|");
        else
            strbuf_addc(out, (unsigned char)*c < ' ' || *c == 0x7f ? ' ' : *c);
    }
}

/* "06:42:32" of a time with its date. */
static void add_clock(struct strbuf *out, const char *at)
{
    if (strlen(at) == 24)
        strbuf_add(out, at + 11, 8);
    else
        add_text(out, at);
}

static void add_ms(struct strbuf *out, const json_t *ms)
{
    strbuf_adds(out, json_is_integer(ms) ? duration_phrase(json_integer_value(ms)).text : "");
}

static bool is_drill(const json_t *report)
{
    return strcmp(text_of(report, "occasion"), occasion_text(OCCASION_DRILL)) == 0;
}

static void add_verdict(struct strbuf *out, const json_t *report)
{
    const json_t *rto = json_object_get(report, "rto_ms"), *objective = json_object_get(report, "objective_ms");
    const int64_t ttl_ms = json_integer_value(json_object_get(report, "ttl_ms"));
    const bool is_measured = json_is_true(json_object_get(report, "is_measured"));
    if (is_drill(report)) {
        strbuf_adds(out, "**A rehearsal: the service stayed where it is**.\n");
        return;
    }
    if (!json_is_integer(rto)) {
        strbuf_adds(out, "**It is not known that users have the service again**");
    } else {
        strbuf_adds(out, is_measured ? "**Users had the service again after " : "**The last step was over after ");
        add_ms(out, rto);
        strbuf_adds(out, "**");
    }
    if (json_is_integer(objective)) {
        strbuf_adds(out, "; the objective is ");
        add_ms(out, objective);
        strbuf_adds(out, !json_is_integer(rto)                             ? ""
                         : json_is_true(json_object_get(report, "is_met")) ? ": met"
                                                                           : ": **missed**");
    }
    strbuf_adds(out, ".");
    if (json_is_integer(rto) && !is_measured && ttl_ms > 0)
        strbuf_addf(out,
                    " No measure says when they had; old DNS answers may have been in use for another %s (the TTL that "
                    "the records had).",
                    duration_phrase(ttl_ms).text);
    strbuf_adds(out, "\n");
}

static void add_head(struct strbuf *out, const json_t *report)
{
    strbuf_adds(out, "# ");
    add_text(out, text_of(report, "service"));
    if (text_of(report, "run")[0]) {
        strbuf_adds(out, ": ");
        add_text(out, is_drill(report) ? "drill" : text_of(report, "kind"));
        if (text_of(report, "from")[0]) {
            strbuf_adds(out, " from ");
            add_text(out, text_of(report, "from"));
        }
        strbuf_adds(out, " to ");
        add_text(out, text_of(report, "to"));
        strbuf_adds(out, ", ");
        add_text(out, text_of(report, "state"));
    } else {
        strbuf_adds(out, ": ");
        add_text(out, text_of(report, "site"));
        strbuf_adds(out, " was said to be down, and nothing was moved");
    }
    const json_t *first = json_array_get(json_object_get(report, "milestones"), 0);
    strbuf_addf(out, "\n\n%.10s", text_of(first, "at"));
    if (text_of(report, "incident")[0])
        strbuf_addf(out, ", incident %s", text_of(report, "incident"));
    if (text_of(report, "run")[0])
        strbuf_addf(out, ", run %s", text_of(report, "run"));
    strbuf_adds(out, ". All times are UTC.\n\n");
}

static void add_milestones(struct strbuf *out, const json_t *milestones)
{
    size_t i;
    const json_t *milestone;
    strbuf_adds(out, "\n| | at | after |\n|---|---|---|\n");
    json_array_foreach(milestones, i, milestone)
    {
        strbuf_addf(out, "| %s | ", text_of(milestone, "name"));
        add_clock(out, text_of(milestone, "at"));
        strbuf_adds(out, " | ");
        add_ms(out, json_object_get(milestone, "after_ms"));
        strbuf_adds(out, " |\n");
    }
}

static void add_step(struct strbuf *out, const json_t *step)
{
    strbuf_addf(out, "| %" JSON_INTEGER_FORMAT " | ", json_integer_value(json_object_get(step, "n")));
    add_text(out, text_of(step, "name"));
    strbuf_adds(out, json_is_true(json_object_get(step, "is_measure")) ? " (measure) | " : " | ");
    add_text(out, text_of(step, "state"));
    strbuf_adds(out, " | ");
    add_ms(out, json_object_get(step, "began_after_ms"));
    strbuf_adds(out, " | ");
    add_ms(out, json_object_get(step, "took_ms"));
    strbuf_adds(out, " | ");
    add_ms(out, json_object_get(step, "expected_ms"));
    strbuf_addf(out, " | %" JSON_INTEGER_FORMAT " | ", json_integer_value(json_object_get(step, "attempts")));
    add_text(out, text_of(step, "text"));
    strbuf_adds(out, " |\n");
}

static void add_steps(struct strbuf *out, const json_t *steps)
{
    size_t i;
    const json_t *step;
    if (json_array_size(steps) == 0)
        return;
    strbuf_adds(out, "\n## Steps\n\n| | step | | began after | took | expected | attempts | last |\n"
                     "|---|---|---|---|---|---|---|---|\n");
    json_array_foreach(steps, i, step) add_step(out, step);
}

static void add_texts(struct strbuf *out, const char *title, const json_t *texts)
{
    size_t i;
    const json_t *text;
    json_array_foreach(texts, i, text)
    {
        strbuf_addf(out, "%s- ", i == 0 ? title : "");
        add_text(out, json_string_value(text) ? json_string_value(text) : "");
        strbuf_addc(out, '\n');
    }
}

static void add_lines(struct strbuf *out, const char *title, const json_t *lines)
{
    size_t i;
    const json_t *line;
    json_array_foreach(lines, i, line)
    {
        strbuf_addf(out, "%s- ", i == 0 ? title : "");
        add_clock(out, text_of(line, "at"));
        strbuf_adds(out, " (+");
        add_ms(out, json_object_get(line, "after_ms"));
        strbuf_adds(out, ") ");
        add_text(out, text_of(line, "text"));
        strbuf_addc(out, '\n');
    }
}

void report_markdown(const json_t *report, struct strbuf *ret)
{
    add_head(ret, report);
    add_verdict(ret, report);
    add_milestones(ret, json_object_get(report, "milestones"));
    add_texts(ret, "\n## What was slow\n\n", json_object_get(report, "slow"));
    add_steps(ret, json_object_get(report, "steps"));
    add_lines(ret, "\n## Votes\n\n", json_object_get(report, "votes"));
    add_lines(ret, "\n## Timeline\n\n", json_object_get(report, "timeline"));
}
