#include "base/log.h"
#include "base/clock.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A line fits PIPE_BUF, so that lines of several threads do not mix in a pipe either. */
#define LINE_SIZE 4096
#define MESSAGE_SIZE 3072

static _Atomic int max_level = LOG_LEVEL_INFO;

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

void log_set_level(enum log_level level)
{
    atomic_store(&max_level, (int)level);
}

/* Writes the character at `text` (`len` bytes are left) so that it can be seen and can forge nothing on a terminal;
 * returns the bytes read, *ret_len those written. `ret` has room for 8. */
static size_t character_show(const char *text, size_t len, char *ret, size_t *ret_len)
{
    size_t n = utf8_character_len(text, len);
    unsigned char first = (unsigned char)text[0];
    /* C0, DEL, and C1, which some terminals obey as escape sequences. */
    bool is_control = first < 0x20 || first == 0x7f || (n == 2 && first == 0xc2 && (unsigned char)text[1] < 0xa0);
    if (n > 0 && !is_control) {
        memcpy(ret, text, n);
        *ret_len = n;
        return n;
    }
    if (first == '\n' || first == '\t' || first == '\r')
        *ret_len = (size_t)snprintf(ret, 8, "\\%c", first == '\n' ? 'n' : first == '\t' ? 't' : 'r');
    else
        *ret_len = (size_t)snprintf(ret, 8, "\\x%02x", first);
    return 1;
}

static void line_write(const char *line, size_t len)
{
    while (len > 0) {
        ssize_t done = write(STDERR_FILENO, line, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return; /* there is nowhere to tell */
        line += done;
        len -= (size_t)done;
    }
}

PRINTF_LIKE(2, 0)
static void log_line(enum log_level level, const char *format, va_list args)
{
    if ((int)level > atomic_load(&max_level))
        return;
    int saved_errno = errno;

    char message[MESSAGE_SIZE];
    int message_len = vsnprintf(message, sizeof(message), format, args);
    bool is_cut = message_len >= (int)sizeof(message);
    size_t left = is_cut ? sizeof(message) - 1 : message_len < 0 ? 0 : (size_t)message_len;

    char line[LINE_SIZE];
    char time[TIME_TEXT_SIZE];
    size_t len = (size_t)snprintf(line, sizeof(line), "%s %s ", time_format(clock_wall_ms(), time), level_names[level]);
    const size_t tail = sizeof("...\n");
    for (const char *at = message; left > 0;) {
        char shown[8];
        size_t shown_len;
        size_t n = character_show(at, left, shown, &shown_len);
        if (len + shown_len + tail > sizeof(line)) {
            is_cut = true;
            break;
        }
        memcpy(line + len, shown, shown_len);
        len += shown_len;
        at += n;
        left -= n;
    }
    if (is_cut) {
        memcpy(line + len, "...", 3);
        len += 3;
    }
    line[len++] = '\n';
    line_write(line, len);
    errno = saved_errno;
}

#define X(name, level)                                                                                                 \
    void name(const char *format, ...)                                                                                 \
    {                                                                                                                  \
        va_list args;                                                                                                  \
        va_start(args, format);                                                                                        \
        log_line(level, format, args);                                                                                 \
        va_end(args);                                                                                                  \
    }
X(log_error, LOG_LEVEL_ERROR)
X(log_warning, LOG_LEVEL_WARNING)
X(log_info, LOG_LEVEL_INFO)
X(log_debug, LOG_LEVEL_DEBUG)
#undef X
