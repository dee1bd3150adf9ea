/* Settings as rows: what a mapping in the configuration may hold, with type, bounds, default and help.
 *
 * The same rows validate, fill in defaults, and print `turnout actions` and `turnout sources`, so these cannot
 * drift apart. Values are kept as a jansson object: after validation every row that has a default or was given is
 * there, with this JSON type: string rows as string, ROW_INT, ROW_DURATION (milliseconds) and ROW_SIZE (bytes) as
 * integer, ROW_BOOL as boolean, ROW_STRINGS and other lists as array of strings, ROW_MAP and ROW_TEXTS as object.
 * Secrets never enter the JSON: they are put where their owner wants them, by row name. */
#ifndef TURNOUT_CORE_ROW_H
#define TURNOUT_CORE_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum row_type {
    ROW_STRING,
    ROW_INT,      /* min..max */
    ROW_DURATION, /* "500ms", "30s", "5m", "2h", "7d"; kept in ms; min..max in ms; `choices`: a word for 0 */
    ROW_SIZE,     /* "512KiB", "16MiB", "1GiB"; kept in bytes; min..max in bytes; "0" is always allowed */
    ROW_BOOL,
    ROW_CHOICE,    /* one of `choices`, separated by '|' */
    ROW_CHOICES,   /* one of `choices` or a list of them */
    ROW_URL,       /* http:// or https://, with a host, without user information */
    ROW_URLS,      /* one URL or a list of them */
    ROW_NAME,      /* a DNS name, a trailing dot allowed */
    ROW_ADDRESS,   /* an IPv4 or IPv6 address */
    ROW_ENDPOINT,  /* ADDRESS:PORT, NAME:PORT or [IPv6]:PORT */
    ROW_STRINGS,   /* one string or a list of strings */
    ROW_ENDPOINTS, /* one ADDRESS[:PORT] or a list of them; 53 is filled in by who uses it */
    ROW_NETWORKS,  /* one IPv4 or IPv6 address or ADDRESS/PREFIX, or a list of them */
    ROW_PATH,      /* of a file or folder; relative ones are kept as seen from the folder of the configuration */
    ROW_TEXTS,     /* a mapping of keys of the user's own to texts */
    ROW_SECRET,
    ROW_SECRETS, /* one secret or a list of them */
    ROW_MAP,     /* a mapping described by `rows`; without these it is read by who owns the row */
    ROW_MAPS,    /* one such mapping or a list of them: described here, read by who owns the row */
    ROW_MATCH,   /* labels and what they must be, as in an alert rule: likewise */
};

struct row {
    const char *name;
    enum row_type type;
    bool is_required;
    bool is_identity;         /* of an action: names the thing it works on. Other values here are another thing */
    const char *default_text; /* as it would be written in YAML; NULL: absent when not given */
    int64_t min, max;         /* of int (value), duration (ms) and string (length); both 0: no bound beyond sanity */
    const char *choices;      /* of ROW_CHOICE and ROW_CHOICES; of ROW_DURATION: the word that stands for 0 */
    const struct row *rows;   /* of ROW_MAP and ROW_MAPS; ends with a NULL name */
    const char *help;         /* one sentence without a full stop, with the unit */
};

#endif
