/* The frame of a scenario's file: its cases, and which lines belong to what. TARGET and BEFORE above the first CASE are
 * the beginning of every case. */
#include "core/scenario_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum section { SECTION_NONE, SECTION_TARGET, SECTION_BEFORE };

struct shared_line {
    enum section section;
    int line;
    const char *text;
    int before; /* columns before it */
};

/* While a file is read. */
struct reading {
    struct reader reader;
    struct scenario *scenario;
    const struct model *given;
    struct shared_line *shared;
    size_t n_shared, room_shared;
    size_t n_set_lines, n_lines; /* for the bounds */
    enum section section;
    struct scenario_case *scase; /* the last one; NULL: none has begun */
    bool has_model;              /* of `scase`: TARGET is over */
    int64_t at;                  /* of its last line with a time */
    int n_harmless;              /* problems that no later line depends on */
};

static bool is_spoilt(const struct reading *reading)
{
    return reading->reader.n_problems > reading->n_harmless;
}

static void no_memory(struct reading *reading)
{
    reading->reader.is_broken = true;
    reader_fail(&reading->reader, "out of memory");
}

/* ---- one line that may be several -------------------------------------------------------------------------------- */

typedef void (*take_line)(struct reading *reading, bool is_continued, void *context);

/* Hands the rest of the reader's line to `take`, as often as `repeat N` before it says. */
static void each_of_repeat(struct reading *reading, size_t *n_taken, size_t max, take_line take, void *context)
{
    struct reader *r = &reading->reader;
    int n = reader_is(r, "repeat") ? reader_number(r, 1, MAX_REPEAT, "how often") : 0;
    *n_taken += n == 0 ? 1 : (size_t)n;
    if (*n_taken > max && !r->is_failed)
        reader_fail(r, "more than %zu such lines in one file, each `repeat` counted", max);
    if (r->is_failed)
        return;
    if (n == 0) {
        take(reading, false, context);
        return;
    }
    const char *rest = r->at;
    int before = r->before + (int)(r->at - r->text);
    int line = r->line;
    for (int i = 1; i <= n && !r->is_failed; i++) {
        char *text = line_numbered(rest, i);
        if (!text) {
            reader_fail(r, "with its numbers filled in the line is longer than %d bytes", MAX_LINE);
            return;
        }
        reader_line(r, line, text, before);
        take(reading, i > 1, context);
        r->text = r->at = ""; /* the text is about to go */
        free(text);
    }
}

/* ---- TARGET and BEFORE ------------------------------------------------------------------------------------------- */

static void take_target(struct reading *reading, bool is_continued, void *context)
{
    (void)is_continued;
    (void)context;
    target_read(&reading->reader, &reading->scase->own);
}

static void take_before(struct reading *reading, bool is_continued, void *context)
{
    (void)is_continued;
    (void)context;
    before_read(&reading->reader, reading->scase);
}

static void read_shared(struct reading *reading, enum section section)
{
    for (size_t i = 0; i < reading->n_shared; i++) {
        const struct shared_line *shared = &reading->shared[i];
        if (shared->section != section)
            continue;
        reader_line(&reading->reader, shared->line, shared->text, shared->before);
        each_of_repeat(reading, &reading->n_set_lines, MAX_SET_LINES,
                       section == SECTION_TARGET ? take_target : take_before, NULL);
    }
}

/* To the line that was left for others. */
static void go_back(struct reader *r, const struct reader *before)
{
    int n_problems = r->n_problems;
    bool is_broken = r->is_broken;
    *r = *before;
    r->n_problems = n_problems;
    r->is_broken |= is_broken;
}

/* TARGET is over: the lines to come are about this model. */
static void model_end(struct reading *reading)
{
    struct reader *r = &reading->reader;
    if (is_spoilt(reading))
        r->is_failed = true;
    if (reading->has_model || r->is_failed)
        return;
    const struct reader before = *r;
    reading->has_model = true;
    reading->scase->model = reading->given ? reading->given : &reading->scase->own;
    if (!reading->given) {
        reader_line(r, reading->scase->line, "", 0);
        target_end(r, &reading->scase->own);
    }
    if (!is_spoilt(reading))
        read_shared(reading, SECTION_BEFORE);
    go_back(r, &before);
    r->is_failed = is_spoilt(reading);
}

static void case_begin(struct reading *reading, const char *title)
{
    struct scenario *scenario = reading->scenario;
    struct reader *r = &reading->reader;
    if (scenario->n_cases == MAX_CASES) {
        reader_fail(r, "more than %d cases in one file", MAX_CASES);
        return;
    }
    struct scenario_case *grown = realloc(scenario->cases, ((size_t)scenario->n_cases + 1) * sizeof *scenario->cases);
    if (grown)
        scenario->cases = grown;
    char *copied = grown ? strdup(title) : NULL;
    if (!copied) {
        no_memory(reading);
        return;
    }
    struct scenario_case *scase = reading->scase = &scenario->cases[scenario->n_cases++];
    *scase = (struct scenario_case){.title = copied, .line = r->line};
    (void)wall_read("2026-01-05T12:00:00Z", &scase->wall); /* a Monday */
    reading->has_model = false;
    reading->at = 0;
    const struct reader before = *r;
    read_shared(reading, SECTION_TARGET);
    go_back(r, &before);
}

static void keep_shared(struct reading *reading)
{
    if (reading->n_shared == reading->room_shared) {
        size_t room = reading->room_shared ? 2 * reading->room_shared : 16;
        struct shared_line *grown = realloc(reading->shared, room * sizeof *grown);
        if (!grown) {
            no_memory(reading);
            return;
        }
        reading->shared = grown;
        reading->room_shared = room;
    }
    const struct reader *r = &reading->reader;
    reading->shared[reading->n_shared++] = (struct shared_line){
        .section = reading->section, .line = r->line, .text = r->at, .before = (int)(r->at - r->text)};
}

/* A line of a section, the reader before it. */
static void read_set_line(struct reading *reading)
{
    struct reader *r = &reading->reader;
    if (!reading->scase) {
        keep_shared(reading);
        return;
    }
    if (reading->section == SECTION_BEFORE)
        model_end(reading);
    else if (reading->has_model)
        reader_fail(r, "TARGET has to come first in a case");
    if (!r->is_failed)
        each_of_repeat(reading, &reading->n_set_lines, MAX_SET_LINES,
                       reading->section == SECTION_TARGET ? take_target : take_before, NULL);
}

static void read_section(struct reading *reading, enum section section)
{
    struct reader *r = &reading->reader;
    reading->section = section;
    if (section == SECTION_TARGET && reading->scase && reading->has_model)
        reader_fail(r, "TARGET has to come first in a case");
    const struct reader before = *r;
    if (!reader_next(r) || r->is_failed)
        return;
    *r = before;
    read_set_line(reading);
}

/* ---- EVENT and EXPECT -------------------------------------------------------------------------------------------- */

static struct line *line_new(struct reading *reading)
{
    struct scenario_case *scase = reading->scase;
    if (scase->n_lines == scase->room_lines) {
        size_t room = scase->room_lines ? 2 * scase->room_lines : 16;
        struct line *grown = realloc(scase->lines, room * sizeof *grown);
        if (!grown) {
            no_memory(reading);
            return NULL;
        }
        scase->lines = grown;
        scase->room_lines = room;
    }
    struct line *line = &scase->lines[scase->n_lines];
    *line = (struct line){.line = reading->reader.line, .at = reading->at};
    return line;
}

struct new_line {
    bool is_event, is_timed;
    const char *text;
};

static void take_event_or_expect(struct reading *reading, bool is_continued, void *context)
{
    const struct new_line *new = context;
    struct scenario_case *scase = reading->scase;
    struct line *line = line_new(reading);
    if (!line)
        return;
    line->is_event = new->is_event;
    line->is_timed = new->is_timed && !is_continued;
    line->is_continued = is_continued;
    line->text = new->text;
    scase->n_lines++;
    if (new->is_event) {
        event_read(&reading->reader, scase->model, &line->happening);
        if (line->happening.kind == HAPPENS_RESTART || line->happening.kind == HAPPENS_KILL ||
            line->happening.kind == HAPPENS_REBOOT)
            reading->at += line->happening.duration;
    } else {
        expect_read(&reading->reader, scase->model, &line->expectation);
        scase->has_expectation = true;
    }
}

/* "+30s" */
static void read_time(struct reading *reading, bool is_needed, bool *ret_is_timed)
{
    struct reader *r = &reading->reader;
    const struct reader before = *r;
    int64_t at = 0;
    *ret_is_timed = reader_next(r) && r->word[0] == '+';
    if (r->is_failed)
        return;
    if (!*ret_is_timed && !is_needed)
        *r = before;
    else if (!*ret_is_timed || !duration_read(r->word + 1, &at))
        reader_fail(r, "%.64s is no time; +30s, since the beginning of the case, would be right", r->word);
    else if (at < reading->at)
        reader_fail(r, "%.64s is before the line above, which ends at %s", r->word, scenario_time(reading->at).text);
    else
        reading->at = at;
}

static void read_event_or_expect(struct reading *reading, bool is_event)
{
    struct reader *r = &reading->reader;
    struct new_line new = {.is_event = is_event};
    reading->section = SECTION_NONE;
    if (!reading->scase)
        case_begin(reading, "the scenario");
    if (!r->is_failed)
        model_end(reading);
    if (r->is_failed)
        return;
    int n_problems = r->n_problems;
    new.text = r->text + strspn(r->text, " \t");
    read_time(reading, is_event, &new.is_timed);
    if (!r->is_failed)
        each_of_repeat(reading, &reading->n_lines, MAX_LINES, take_event_or_expect, &new);
    reading->n_harmless += r->n_problems - n_problems;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static void case_end(struct reading *reading)
{
    if (reading->scase && !is_spoilt(reading))
        model_end(reading);
}

static void read_case(struct reading *reading)
{
    struct reader *r = &reading->reader;
    const char *title = reader_rest(r);
    case_end(reading);
    reading->section = SECTION_NONE;
    if (!*title)
        reader_fail(r, "a CASE needs a title, which says what is shown");
    if (!r->is_failed && !is_spoilt(reading))
        case_begin(reading, title);
}

static void read_line(struct reading *reading, int number, const char *text)
{
    struct reader *r = &reading->reader;
    reader_line(r, number, text, 0);
    if (strlen(text) > MAX_LINE) {
        reader_fail(r, "the line is longer than %d bytes", MAX_LINE);
        return;
    }
    const struct reader before = *r;
    if (!reader_next(r))
        return;
    if (strcmp(r->word, "CASE") == 0) {
        read_case(reading);
    } else if (strcmp(r->word, "TARGET") == 0) {
        read_section(reading, SECTION_TARGET);
    } else if (strcmp(r->word, "BEFORE") == 0) {
        read_section(reading, SECTION_BEFORE);
    } else if (strcmp(r->word, "EVENT") == 0) {
        read_event_or_expect(reading, true);
    } else if (strcmp(r->word, "EXPECT") == 0) {
        read_event_or_expect(reading, false);
    } else if (reading->section == SECTION_NONE) {
        reader_fail(r, "%.64s; CASE, TARGET, BEFORE, EVENT or EXPECT would be right", r->word);
    } else {
        *r = before;
        read_set_line(reading);
    }
}

static void read_lines(struct reading *reading)
{
    int number = 0;
    char *rest = reading->scenario->text;
    /* After a problem names may be missing that later lines use: those would only be told of in vain. */
    for (char *line = strsep(&rest, "\n"); line && !is_spoilt(reading); line = strsep(&rest, "\n"))
        read_line(reading, ++number, line);
    case_end(reading);
    if (reading->reader.n_problems > MAX_PROBLEMS)
        strbuf_addf(reading->reader.errors, "%s: %d problems more\n", reading->scenario->file,
                    reading->reader.n_problems - MAX_PROBLEMS);
    if (reading->reader.n_problems == 0 && reading->scenario->n_cases == 0) {
        reader_line(&reading->reader, number, "", 0);
        reader_fail(&reading->reader, "there is no case; CASE with a title, then EVENT lines would be right");
    }
}

enum err scenario_read(const char *file, const char *text, size_t len, const struct model *model, struct scenario **ret,
                       struct strbuf *errors)
{
    if (len > SCENARIO_MAX_BYTES || memchr(text, '\0', len)) {
        bool is_long = len > SCENARIO_MAX_BYTES;
        strbuf_addf(errors, "%s:1:1: %s\n", file,
                    is_long ? "the file is longer than 1 MiB" : "there is a NUL byte in the file; it has to be text");
        return is_long ? ERR_TOO_BIG : ERR_INVALID;
    }
    struct scenario *scenario = calloc(1, sizeof *scenario);
    if (scenario) {
        scenario->file = strdup(file);
        scenario->text = strndup(text, len);
    }
    if (!scenario || !scenario->file || !scenario->text) {
        scenario_free(scenario);
        return ERR_NO_MEMORY;
    }
    struct reading reading = {
        .reader = {.file = scenario->file, .errors = errors}, .scenario = scenario, .given = model};
    read_lines(&reading);
    free(reading.shared);
    for (int i = 0; i < scenario->n_cases; i++) /* they have moved while there came to be more */
        scenario->cases[i].model = model ? model : &scenario->cases[i].own;
    if (reading.reader.n_problems == 0 && !reading.reader.is_broken) {
        *ret = scenario;
        return ERR_OK;
    }
    scenario_free(scenario);
    return reading.reader.is_broken ? ERR_NO_MEMORY : ERR_INVALID;
}

static void case_done(struct scenario_case *scase)
{
    for (size_t i = 0; i < scase->n_lines; i++) {
        happening_done(&scase->lines[i].happening);
        free(scase->lines[i].expectation.text);
    }
    free(scase->lines);
    free(scase->before);
    free(scase->title);
    model_done(&scase->own);
}

void scenario_free(struct scenario *scenario)
{
    if (!scenario)
        return;
    for (int i = 0; i < scenario->n_cases; i++)
        case_done(&scenario->cases[i]);
    free(scenario->cases);
    free(scenario->text);
    free(scenario->file);
    free(scenario);
}

int scenario_n_cases(const struct scenario *scenario)
{
    return scenario->n_cases;
}

const char *scenario_title(const struct scenario *scenario, int n)
{
    return scenario->cases[n].title;
}

int scenario_line(const struct scenario *scenario, int n)
{
    return scenario->cases[n].line;
}
