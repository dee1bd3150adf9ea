#include "base/clock.h"

#include "base/crash_point.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MS_PER_SECOND 1000
#define SECONDS_PER_DAY ((int64_t)24 * 60 * 60)
/* The years that RFC 3339 can write. */
#define FIRST_MS (INT64_C(-62167219200) * MS_PER_SECOND)
#define LAST_MS (INT64_C(253402300800) * MS_PER_SECOND - 1)

static int64_t offset;
static char boot_id[64];

static int64_t clock_read_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * MS_PER_SECOND + now.tv_nsec / 1000000 + crash_skew_ms();
}

void clock_start(void)
{
    offset = clock_read_ms(CLOCK_REALTIME) - clock_read_ms(CLOCK_BOOTTIME);

    boot_id[0] = '\0';
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t len = read(fd, boot_id, sizeof(boot_id) - 1);
    close(fd);
    boot_id[len > 0 ? len : 0] = '\0';
    boot_id[strcspn(boot_id, "\n")] = '\0';
}

int64_t clock_wall_ms(void)
{
    return clock_read_ms(CLOCK_REALTIME);
}

int64_t clock_steady_ms(void)
{
    return clock_read_ms(CLOCK_BOOTTIME) + offset;
}

int64_t clock_offset_ms(void)
{
    return offset;
}

const char *clock_boot_id(void)
{
    return boot_id;
}

/* Stored numbers are outside data: a sum beyond the range stays at its end. */
static int64_t add_saturated(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return a < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

int64_t clock_due_from_stored(int64_t due_at, const char *stored_boot_id, int64_t offset_ms)
{
    if (boot_id[0] && strcmp(stored_boot_id, boot_id) == 0) {
        int64_t difference;
        if (__builtin_sub_overflow(offset, offset_ms, &difference))
            difference = offset_ms < 0 ? INT64_MAX : INT64_MIN;
        return add_saturated(due_at, difference);
    }
    return add_saturated(due_at, clock_steady_ms() - clock_wall_ms());
}

const char *time_format(int64_t wall_ms, char text[TIME_TEXT_SIZE])
{
    if (wall_ms < FIRST_MS)
        wall_ms = FIRST_MS;
    if (wall_ms > LAST_MS)
        wall_ms = LAST_MS;
    int64_t ms = wall_ms % MS_PER_SECOND;
    int64_t seconds = wall_ms / MS_PER_SECOND;
    if (ms < 0) {
        ms += MS_PER_SECOND;
        seconds--;
    }
    time_t time = (time_t)seconds;
    struct tm utc;
    gmtime_r(&time, &utc);
    /* The remainders change nothing; they show the compiler that the text fits. */
    snprintf(text, TIME_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)(utc.tm_year + 1900) % 10000,
             (unsigned)(utc.tm_mon + 1) % 100, (unsigned)utc.tm_mday % 100, (unsigned)utc.tm_hour % 100,
             (unsigned)utc.tm_min % 100, (unsigned)utc.tm_sec % 100, (unsigned)ms % 1000);
    return text;
}

/* What is still to be read of a time. */
struct scanner {
    const char *at;
    const char *end;
};

/* Exactly `digits` digits; false when there are fewer. */
static bool scan_number(struct scanner *scanner, int digits, int *ret)
{
    if (scanner->end - scanner->at < digits)
        return false;
    int value = 0;
    for (int i = 0; i < digits; i++) {
        char c = scanner->at[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    scanner->at += digits;
    *ret = value;
    return true;
}

static bool scan_one_of(struct scanner *scanner, const char *characters, char *ret)
{
    if (scanner->at == scanner->end || *scanner->at == '\0' || !strchr(characters, *scanner->at))
        return false;
    *ret = *scanner->at++;
    return true;
}

/* ".123456789", cut to milliseconds; nothing is 0. */
static bool scan_fraction(struct scanner *scanner, int *ret_ms)
{
    *ret_ms = 0;
    char c;
    if (!scan_one_of(scanner, ".", &c))
        return true;
    int digits = 0, ms = 0, digit;
    while (scan_number(scanner, 1, &digit)) {
        if (++digits <= 3)
            ms = ms * 10 + digit;
    }
    for (int i = digits; i < 3; i++)
        ms *= 10;
    *ret_ms = ms;
    return digits >= 1 && digits <= 9;
}

/* "Z" or "+02:00", as seconds east of Greenwich. */
static bool scan_offset(struct scanner *scanner, int *ret_seconds)
{
    char c;
    if (!scan_one_of(scanner, "Zz+-", &c))
        return false;
    *ret_seconds = 0;
    if (c == 'Z' || c == 'z')
        return true;
    int hours, minutes;
    char colon;
    if (!scan_number(scanner, 2, &hours) || !scan_one_of(scanner, ":", &colon) || !scan_number(scanner, 2, &minutes) ||
        hours > 23 || minutes > 59)
        return false;
    *ret_seconds = (hours * 60 + minutes) * 60 * (c == '-' ? -1 : 1);
    return true;
}

static bool is_leap_year(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01; false when there is no such day. */
static bool date_days(int year, int month, int day, int64_t *ret)
{
    static const int before_month[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    const int64_t before_1970 = 719162; /* days from 0001-01-01 */
    if (year < 1 || month < 1 || month > 12)
        return false;
    int leap = is_leap_year(year) ? 1 : 0;
    int days_in_month = before_month[month] - before_month[month - 1] + (month == 2 ? leap : 0);
    if (day < 1 || day > days_in_month)
        return false;
    int64_t years = year - 1;
    int64_t days = years * 365 + years / 4 - years / 100 + years / 400;
    days += before_month[month - 1] + (month > 2 ? leap : 0) + day - 1;
    *ret = days - before_1970;
    return true;
}

enum err time_parse(const char *text, size_t len, int64_t *ret_ms)
{
    struct scanner scanner = {text, text + len};
    int year, month, day, hour, minute, second, ms, east;
    char separator;
    if (!scan_number(&scanner, 4, &year) || !scan_one_of(&scanner, "-", &separator) ||
        !scan_number(&scanner, 2, &month) || !scan_one_of(&scanner, "-", &separator) ||
        !scan_number(&scanner, 2, &day) || !scan_one_of(&scanner, "Tt", &separator) ||
        !scan_number(&scanner, 2, &hour) || !scan_one_of(&scanner, ":", &separator) ||
        !scan_number(&scanner, 2, &minute) || !scan_one_of(&scanner, ":", &separator) ||
        !scan_number(&scanner, 2, &second) || !scan_fraction(&scanner, &ms) || !scan_offset(&scanner, &east) ||
        scanner.at != scanner.end)
        return ERR_INVALID;
    int64_t days;
    /* Second 60 is a leap second; it counts as the first of the next minute, as POSIX time has it. */
    if (!date_days(year, month, day, &days) || hour > 23 || minute > 59 || second > 60)
        return ERR_INVALID;
    int64_t seconds = days * SECONDS_PER_DAY + ((int64_t)hour * 60 + minute) * 60 + second - east;
    if (second == 60 && seconds % SECONDS_PER_DAY != 0)
        return ERR_INVALID;
    *ret_ms = seconds * MS_PER_SECOND + ms;
    return ERR_OK;
}

enum err time_parse_seconds(const char *text, size_t len, int64_t *ret_ms)
{
    struct scanner scanner = {text, text + len};
    int64_t seconds = 0;
    int digit, ms;
    while (seconds <= LAST_MS / MS_PER_SECOND && scan_number(&scanner, 1, &digit))
        seconds = seconds * 10 + digit;
    if (seconds == 0 || seconds > LAST_MS / MS_PER_SECOND || !scan_fraction(&scanner, &ms) || scanner.at < scanner.end)
        return ERR_INVALID;
    *ret_ms = seconds * MS_PER_SECOND + ms;
    return ERR_OK;
}
