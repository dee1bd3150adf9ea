/* Words, durations and names of a scenario's line, and what to say where they are none. */
#include "core/scenario_internal.h"

#include "base/utf8.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void reader_line(struct reader *r, int line, const char *text, int before)
{
    r->line = line;
    r->before = before;
    r->text = r->at = text;
    r->is_failed = false;
    r->word[0] = '\0';
    r->column = before + 1;
    r->is_quoted = false;
}

void reader_fail(struct reader *r, const char *format, ...)
{
    if (r->is_failed)
        return;
    r->is_failed = true;
    if (++r->n_problems > MAX_PROBLEMS)
        return;
    char text[800];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    utf8_clean(text);
    strbuf_addf(r->errors, "%s:%d:%d: %s\n", r->file, r->line, r->column, text);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void skip_blanks(struct reader *r)
{
    while (is_blank(*r->at))
        r->at++;
    if (*r->at == '#' && (r->at == r->text || is_blank(r->at[-1])))
        r->at += strlen(r->at);
}

bool reader_next(struct reader *r)
{
    if (r->is_failed)
        return false;
    skip_blanks(r);
    r->column = r->before + (int)(r->at - r->text) + 1;
    r->word[0] = '\0';
    r->is_quoted = *r->at == '"';
    if (!*r->at)
        return false;
    const char *start = r->is_quoted ? r->at + 1 : r->at;
    const char *end = start;
    while (*end && (r->is_quoted ? *end != '"' : !is_blank(*end)))
        end++;
    size_t len = (size_t)(end - start);
    if (r->is_quoted && !*end) {
        reader_fail(r, "the text has no end; close it with \"");
        return false;
    }
    if (len >= sizeof r->word) {
        reader_fail(r, "a word of %zu bytes; at most %zu", len, sizeof r->word - 1);
        return false;
    }
    memcpy(r->word, start, len);
    r->word[len] = '\0';
    r->at = r->is_quoted ? end + 1 : end;
    return true;
}

bool reader_need(struct reader *r, const char *what)
{
    if (reader_next(r))
        return true;
    reader_fail(r, "the line ends here; %s would be right", what);
    return false;
}

bool reader_is(struct reader *r, const char *word)
{
    if (r->is_failed)
        return false;
    const struct reader before = *r;
    if (reader_next(r) && !r->is_quoted && strcmp(r->word, word) == 0)
        return true;
    if (!r->is_failed)
        *r = before;
    return false;
}

const char *reader_rest(struct reader *r)
{
    if (r->is_failed)
        return "";
    while (is_blank(*r->at))
        r->at++;
    r->column = r->before + (int)(r->at - r->text) + 1;
    const char *rest = r->at;
    r->at += strlen(r->at);
    return rest;
}

void reader_end(struct reader *r)
{
    if (reader_next(r))
        reader_fail(r, "%.64s is too much; the line ends before it", r->word);
}

/* ---- numbers and times ------------------------------------------------------------------------------------------- */

bool duration_read(const char *text, int64_t *ret)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    int64_t sum = 0;
    if (!*text)
        return false;
    while (*text) {
        if (!isdigit((unsigned char)*text))
            return false;
        int64_t number = 0;
        for (; isdigit((unsigned char)*text); text++) {
            number = number * 10 + (*text - '0');
            if (number > LONGEST_MS)
                return false;
        }
        size_t len = strspn(text, "msdh");
        size_t unit = 0;
        while (unit < sizeof units / sizeof units[0] &&
               !(strlen(units[unit].unit) == len && strncmp(units[unit].unit, text, len) == 0))
            unit++;
        if (unit == sizeof units / sizeof units[0])
            return false;
        text += len;
        if (number > LONGEST_MS / units[unit].ms)
            return false;
        sum += number * units[unit].ms;
        if (sum > LONGEST_MS)
            return false;
    }
    *ret = sum;
    return true;
}

int64_t reader_duration(struct reader *r, const char *what)
{
    int64_t ms = 0;
    if (reader_need(r, what) && !duration_read(r->word, &ms))
        reader_fail(r, "%.64s is no duration; %s would be right", r->word, what);
    return r->is_failed ? 0 : ms;
}

int reader_number(struct reader *r, int min, int max, const char *what)
{
    if (!reader_need(r, what))
        return min;
    char *end = r->word;
    long number = strlen(r->word) < 10 && isdigit((unsigned char)r->word[0]) ? strtol(r->word, &end, 10) : -1;
    if (number < min || number > max || *end) {
        reader_fail(r, "%.64s; %s would be right, from %d to %d", r->word, what, min, max);
        return min;
    }
    return (int)number;
}

/* Days since 1970 of a date in the Gregorian calendar. */
static int64_t days_of(int year, int month, int day)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t y = year - 1;
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    int64_t days = y * 365 + y / 4 - y / 100 + y / 400 - 719162;
    return days + before[month - 1] + (month > 2 && is_leap) + day - 1;
}

bool has_shape(const char *text, const char *shape)
{
    for (; *shape; shape++, text++)
        if (*shape == 'd' ? !isdigit((unsigned char)*text) : *text != *shape)
            return false;
    return *text == '\0';
}

int two_digits(const char *text)
{
    return (text[0] - '0') * 10 + text[1] - '0';
}

bool wall_read(const char *text, int64_t *ret)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:ddZ";
    if (!has_shape(text, shape))
        return false;
    int year = two_digits(text) * 100 + two_digits(text + 2), month = two_digits(text + 5), day = two_digits(text + 8);
    int hour = two_digits(text + 11), minute = two_digits(text + 14), second = two_digits(text + 17);
    if (year < 1971 || year > 9000 || month < 1 || month > 12 || day < 1 || hour < 0 || hour > 23 || minute < 0 ||
        minute > 59 || second < 0 || second > 59)
        return false;
    int64_t next_month = days_of(month == 12 ? year + 1 : year, month % 12 + 1, 1);
    if (days_of(year, month, day) >= next_month)
        return false;
    *ret = (((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000;
    return true;
}

struct scenario_time scenario_time(int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    struct scenario_time time = {"+"};
    if (ms <= 0) {
        (void)snprintf(time.text, sizeof time.text, "+0s");
        return time;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t len = strlen(time.text);
        if (ms >= units[i].ms)
            (void)snprintf(time.text + len, sizeof time.text - len, "%" PRId64 "%s", ms / units[i].ms, units[i].unit);
        ms %= units[i].ms;
    }
    return time;
}

char *line_numbered(const char *text, int number)
{
    struct strbuf line = STRBUF_INIT;
    line.max_len = MAX_LINE;
    for (const char *c = text; *c; c++) {
        if (*c == '%')
            strbuf_addf(&line, "%d", number);
        else
            strbuf_addc(&line, *c);
    }
    return line.len > 0 || line.is_broken ? strbuf_take(&line) : strdup("");
}

/* ---- what is made from them
 * ------------------------------------------------------------------------------------------ */

/* Room for one more behind `n`; the room doubles, so it need not be kept. */
void *reader_grow(struct reader *r, void *items, int n, size_t size)
{
    if (n > 0 && (n & (n - 1)) != 0)
        return items;
    void *grown = realloc(items, (n == 0 ? 1 : 2 * (size_t)n) * size);
    if (!grown) {
        r->is_broken = true;
        reader_fail(r, "out of memory");
    }
    return grown;
}

char *reader_copy(struct reader *r, const char *text)
{
    char *ret = strdup(text);
    if (!ret) {
        r->is_broken = true;
        reader_fail(r, "out of memory");
    }
    return ret;
}

/* Names as the configuration allows them, and none that means something else in an EVENT. */
bool reader_name_is_good(struct reader *r, const char *name)
{
    static const char *const taken[] = {"operator", "probe",   "run",         "observed", "restart", "kill", "reboot",
                                        "clock",    "cut_off", "kill_switch", "nothing",  "state",   "no",   "repeat",
                                        "active",   "because", "source",      "service",  "moving",  "split"};
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        if (strcmp(name, taken[i]) == 0) {
            reader_fail(r, "%s is a word of the scenario's own; another name would be right", name);
            return false;
        }
    }
    for (const char *c = name; *c; c++) {
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-' && *c != '.') {
            reader_fail(r, "%.64s is no name; letters, digits, \"-\", \"_\" and \".\" would be right", name);
            return false;
        }
    }
    if (name[0] && strlen(name) <= 63)
        return true;
    reader_fail(r, "a name has 1 to 63 bytes");
    return false;
}

/* Takes the next of the words that commas separate. */
bool list_next(char **rest, char **ret)
{
    *ret = strsep(rest, ",");
    return *ret != NULL;
}

const char *reader_need_word(struct reader *r, const char *what)
{
    return reader_need(r, what) ? r->word : "";
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

const char *sites_text(const struct service *service, char *text, size_t size)
{
    size_t len = 0;
    text[0] = '\0';
    for (int i = 0; i < service->n_sites && len < size; i++) {
        int n = snprintf(text + len, size - len, "%s%.40s", i ? ", " : "", service->sites[i].name);
        len += n > 0 ? (size_t)n : 0;
    }
    return text;
}

int service_named(struct reader *r, const struct model *model)
{
    for (int i = r->service; i >= 0 && i <= r->service + 1 && i < model->n_services; i++)
        if (strcmp(model->services[i].name, r->word) == 0)
            return r->service = i;
    return r->service = model_service_find(model, r->word);
}

int reader_service(struct reader *r, const struct model *model)
{
    if (!reader_need(r, "the name of a service"))
        return -1;
    int service = service_named(r, model);
    if (service < 0 && model->n_services > 0)
        reader_fail(r, "there is no service %.64s; the first one is %.64s", r->word, model->services[0].name);
    else if (service < 0)
        reader_fail(r, "there is no service %.64s; name it in a line `service …` of TARGET", r->word);
    return service;
}

int site_named(struct reader *r, const struct service *service)
{
    char sites[200];
    int site = service_site_find(service, r->word);
    if (site < 0)
        reader_fail(r, "%.64s has no site %.64s; it has %s", service->name, r->word,
                    sites_text(service, sites, sizeof sites));
    return site;
}

int reader_site(struct reader *r, const struct service *service)
{
    return reader_need(r, "the name of a site") ? site_named(r, service) : SITE_NONE;
}

int reader_voter(struct reader *r, const struct model *model)
{
    if (!reader_need(r, "the name of a source, or probe, or operator"))
        return -1;
    int voter = model_voter_find(model, r->word);
    if (voter < 0)
        reader_fail(r, "there is no source %.64s; name it in a line `source …` of TARGET", r->word);
    return voter;
}
