/* The kinds of events as text: for the log, and for who reads it to decide again. Stable. */
#ifndef TURNOUT_CORE_EVENT_TEXT_H
#define TURNOUT_CORE_EVENT_TEXT_H

#include "core/decide.h"

const char *event_kind_text(enum event_kind kind);             /* never NULL */
bool event_kind_parse(const char *text, enum event_kind *ret); /* false: there is no such kind */

#endif
