/* See generic_time.h. */
#include "handlers/generic_time.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TIME_TEXT 40                  /* "2026-11-21T02:00:05.123456789+00:00" has 35 */
#define MAX_SECONDS INT64_C(253402300799) /* the end of the year 9999 */
#define DATE_LEN 10
#define TIME_LEN 19 /* date, one byte, and hours, minutes and seconds */

/* "2026-11-21 02:00:05.123" as "2026-11-21T02:00:05.123Z"; the date's parts may also have "." or "/" between them. What
 * has a zone keeps it. */
static bool utc_read(const char *text, size_t len, int64_t *ret_ms)
{
    char full[MAX_TIME_TEXT + 2];
    if (len < TIME_LEN || len > MAX_TIME_TEXT)
        return false;
    memcpy(full, text, len);
    if (text[4] == text[7] && (text[4] == '.' || text[4] == '/'))
        full[4] = full[7] = '-';
    if (text[DATE_LEN] == ' ')
        full[DATE_LEN] = 'T';
    size_t fraction = text[TIME_LEN < len ? TIME_LEN : len - 1] == '.' ? 1 : 0;
    for (size_t i = TIME_LEN + 1; fraction > 0 && i < len && text[i] >= '0' && text[i] <= '9'; i++)
        fraction++;
    if (TIME_LEN + fraction == len)
        full[len++] = 'Z';
    return time_parse(full, len, ret_ms) == ERR_OK;
}

/* Digits, perhaps a point and up to nine more. */
static bool seconds_read(const char *text, size_t len, int64_t *ret_ms)
{
    int64_t seconds = 0, ms = 0;
    size_t i = 0;
    for (; i < len && text[i] >= '0' && text[i] <= '9' && seconds <= MAX_SECONDS; i++)
        seconds = seconds * 10 + (text[i] - '0');
    if (i == 0 || seconds > MAX_SECONDS)
        return false;
    if (i < len && text[i] == '.') {
        size_t first = ++i;
        int64_t unit = 100;
        for (; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
            ms += unit * (text[i] - '0');
            unit /= 10;
        }
        if (i == first || i - first > 9)
            return false;
    }
    *ret_ms = seconds * 1000 + ms;
    return i == len;
}

static bool milliseconds_read(const char *text, size_t len, int64_t *ret_ms)
{
    int64_t ms = 0;
    size_t i = 0;
    for (; i < len && text[i] >= '0' && text[i] <= '9' && ms <= MAX_SECONDS * 1000; i++)
        ms = ms * 10 + (text[i] - '0');
    *ret_ms = ms;
    return i > 0 && i == len && ms <= MAX_SECONDS * 1000;
}

static bool number_read(const json_t *number, bool is_ms, int64_t *ret_ms)
{
    double value = json_number_value(number) * (is_ms ? 1 : 1000);
    if (!(value > 0 && value <= (double)MAX_SECONDS * 1000))
        return false;
    *ret_ms = (int64_t)(value + 0.5);
    return true;
}

bool generic_time_read(const json_t *value, const char *format, int64_t *ret_ms)
{
    bool is_ms = strcmp(format, "unix_ms") == 0;
    bool is_number = is_ms || strcmp(format, "unix") == 0;
    bool is_read = false;
    int64_t ms = 0;
    if (json_is_number(value) && is_number) {
        is_read = number_read(value, is_ms, &ms);
    } else if (json_is_string(value)) {
        const char *text = json_string_value(value);
        size_t len = json_string_length(value);
        is_read = is_ms                        ? milliseconds_read(text, len, &ms)
                  : is_number                  ? seconds_read(text, len, &ms)
                  : strcmp(format, "utc") == 0 ? utc_read(text, len, &ms)
                                               : time_parse(text, len, &ms) == ERR_OK;
    }
    if (!is_read || ms <= 0)
        return false;
    *ret_ms = ms;
    return true;
}
