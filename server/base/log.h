/* The log: one line per event on standard error, "TIME level message", control characters made visible.
 *
 * Callers log once, where the line can carry the object (delivery, run). Secrets never reach it: they live in
 * `struct secret`, which has no way to be printed. Thread-safe: a line is one write. */
#ifndef TURNOUT_BASE_LOG_H
#define TURNOUT_BASE_LOG_H

#include "base/err.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level); /* default info */
void log_error(const char *format, ...) PRINTF_LIKE(1, 2);
void log_warning(const char *format, ...) PRINTF_LIKE(1, 2);
void log_info(const char *format, ...) PRINTF_LIKE(1, 2);
void log_debug(const char *format, ...) PRINTF_LIKE(1, 2);

#endif
