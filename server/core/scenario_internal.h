/* What the scenario's files share; nobody else includes this. */
#ifndef TURNOUT_CORE_SCENARIO_INTERNAL_H
#define TURNOUT_CORE_SCENARIO_INTERNAL_H

#include "core/alert.h"
#include "core/scenario.h"

#define MAX_LINE 2000       /* bytes */
#define MAX_LINES 100000    /* EVENT and EXPECT of one file, each `repeat` counted */
#define MAX_SET_LINES 10000 /* TARGET and BEFORE likewise, shared ones in each case */
#define MAX_REPEAT 2000     /* of one line */
#define MAX_SCENARIO_SERVICES 2000
#define MAX_CASES 1000  /* of one file */
#define MAX_PROBLEMS 50 /* told of one file */
#define LONGEST_MS ((int64_t)10 * 365 * 86400000)
#define WORD_SIZE 256
#define ANY (-3) /* an index or value that an expectation leaves open */

/* ---- words of a line ----------------------------------------------------------------------------------------------
 */

/* Walks one line. After the first problem nothing more is found, so that each line has one. */
struct reader {
    const char *file;
    struct strbuf *errors;
    int n_problems; /* of the file */
    int line;
    const char *text; /* of the line, without its comment */
    const char *at;   /* behind the word */
    int before;       /* columns that stand before `text` */
    bool is_failed;   /* of this line */
    bool is_broken;   /* out of memory */
    int service;      /* the one that was named last: the next is often named next */
    /* the word that was read last */
    char word[WORD_SIZE];
    int column;
    bool is_quoted;
};

void reader_line(struct reader *r, int line, const char *text, int before);
void reader_fail(struct reader *r, const char *format, ...) PRINTF_LIKE(2, 3); /* at the last word */
/* The next word, or text in double quotes. False: there is none, and that is no problem. */
bool reader_next(struct reader *r);
/* The same where one has to be; `what` would be right. */
bool reader_need(struct reader *r, const char *what);
/* Takes the next word where it is this one. */
bool reader_is(struct reader *r, const char *word);
/* Everything that is left, trimmed; "" when nothing is. */
const char *reader_rest(struct reader *r);
void reader_end(struct reader *r);                           /* there must be no more words */
int64_t reader_duration(struct reader *r, const char *what); /* "1m30s"; ms; 0 where it fails */
bool duration_read(const char *text, int64_t *ret);          /* the same of a text */
int reader_number(struct reader *r, int min, int max, const char *what);
bool has_shape(const char *text, const char *shape); /* `d` stands for a digit, everything else for itself */
int two_digits(const char *text);
bool wall_read(const char *text, int64_t *ret); /* "2026-11-02T12:00:00Z", ms */
/* `text` with "%" replaced by a number; NULL: out of memory, or too long for a line. Owned by the caller. */
char *line_numbered(const char *text, int number);

/* The next word of a list that commas separate; as strsep(). */
bool list_next(char **rest, char **ret);
const char *reader_need_word(struct reader *r, const char *what); /* never NULL */
char *reader_copy(struct reader *r, const char *text);            /* NULL: failed */
/* A name as the configuration allows it, and none that means something else in a scenario. */
bool reader_name_is_good(struct reader *r, const char *name);
/* Room for one more behind `n` items; the room doubles, so that it need not be kept. NULL: failed. */
void *reader_grow(struct reader *r, void *items, int n, size_t size);
#define GROW(r, items, n)                                                                                              \
    (__extension__({                                                                                                   \
        void *grown_ = reader_grow((r), (items), (n), sizeof *(items));                                                \
        if (grown_)                                                                                                    \
            (items) = grown_;                                                                                          \
        grown_ != NULL;                                                                                                \
    }))

int reader_service(struct reader *r, const struct model *model);  /* -1: failed */
int reader_site(struct reader *r, const struct service *service); /* SITE_NONE: failed */
int reader_voter(struct reader *r, const struct model *model);    /* -1: failed */
int service_named(struct reader *r, const struct model *model);   /* the word read last; -1, which is no problem yet */
int site_named(struct reader *r, const struct service *service);  /* the word read last */
const char *sites_text(const struct service *service, char *text, size_t size); /* "gra, rbx" */

/* ---- what the lines say ------------------------------------------------------------------------------------------ */

/* BEFORE: a thing as it would have been decided, or one of the outlook. */
enum before_kind { BEFORE_THING, BEFORE_VOTE, BEFORE_CUT_OFF, BEFORE_KILLED, BEFORE_BEAT };

struct before {
    enum before_kind kind;
    int service;
    struct thing thing; /* its time: how long until then, or (VOTE) since it was heard */
};

enum happening_kind {
    HAPPENS_NOTHING,
    HAPPENS_ALERT,    /* a source's: state, site (or SITE_OF_ALERT_TIME), times */
    HAPPENS_DELIVERY, /* of a source, without an alert of ours */
    HAPPENS_BEAT,
    HAPPENS_BEAT_ENDS,
    HAPPENS_SAYS,     /* what the probe or an operator says now of a site */
    HAPPENS_OPERATOR, /* a call: `event` */
    HAPPENS_OBSERVED,
    HAPPENS_DEBTS,  /* so many steps are owed at a site now: `event` */
    HAPPENS_RUN,    /* the run's state: `event` */
    HAPPENS_EFFECT, /* the run is about to have its first effect, and has it if it may */
    HAPPENS_POINT,  /* it is at its next point of no return */
    HAPPENS_RESTART,
    HAPPENS_KILL,   /* what was not saved is lost */
    HAPPENS_REBOOT, /* timers go by the wall clock from then on */
    HAPPENS_CLOCK,  /* the wall clock jumps by `duration` */
    HAPPENS_CUT_OFF,
    HAPPENS_KILL_SWITCH,
};

struct happening {
    enum happening_kind kind;
    int service, voter;
    struct event event; /* its texts are owned here */
    enum alert_state state;
    char *who, *text, *alert;            /* owned; may be NULL */
    int64_t began_at, ended_at, said_at; /* since the case's beginning, or TIME_UNKNOWN */
    int64_t duration;
    bool is_over; /* CUT_OFF, KILL_SWITCH */
};

enum expect_kind {
    EXPECT_THINGS,
    EXPECT_NOTHING,
    EXPECT_ACTIVE,
    EXPECT_RUN,
    EXPECT_PAUSED,
    EXPECT_VOTES,
    EXPECT_VOTE,
    EXPECT_INCIDENT,
    EXPECT_TIMER,
    EXPECT_DEBTS
};

/* A thing to be found, every field ANY where it is left open; or what the state has to be. */
struct expectation {
    enum expect_kind kind;
    int service;
    int count; /* of THINGS: exactly so many; ANY: one at least */
    int thing, reason, site, from, to, voter, flag, vote, timer, run_state, direction, occasion, active;
    bool is_due; /* `due` counts */
    int64_t due; /* of a timer: how long until then; 0: it is not set */
    int number;  /* of VOTES */
    char *text;  /* owned: a part of the sentence; NULL */
};

struct line {
    int line;
    bool is_event;     /* else EXPECT */
    bool is_timed;     /* EXPECT +30s: time goes on until then */
    bool is_continued; /* by `repeat`: at once with the one before */
    int64_t at;
    const char *text; /* as written; the scenario's */
    struct happening happening;
    struct expectation expectation;
};

struct scenario_case {
    char *title;
    int line;
    struct model own;
    const struct model *model; /* &own, or the one that was given */
    int64_t wall;              /* at the beginning */
    struct before *before;
    size_t n_before, room_before;
    struct line *lines;
    size_t n_lines, room_lines;
    bool has_expectation;
};

struct scenario {
    char *file;
    char *text; /* of the file, its lines ended by NUL */
    struct scenario_case *cases;
    int n_cases;
};

/* scenario_target.c */
void target_read(struct reader *r, struct model *model);                          /* one line */
void target_end(struct reader *r, struct model *model);                           /* what follows from all of them */
int target_provider_get(struct reader *r, struct model *model, const char *name); /* -1: failed */
void target_read_freeze(struct reader *r, struct freeze **freezes, int *n);
/* scenario_service.c */
void target_read_service(struct reader *r, struct model *model);
void target_add_rule(struct reader *r, struct service *service, int source, int site);
/* scenario_before.c */
void before_read(struct reader *r, struct scenario_case *scase);
/* scenario_event.c */
void event_read(struct reader *r, const struct model *model, struct happening *ret);
void happening_done(struct happening *happening);
/* scenario_expect.c */
void expect_read(struct reader *r, const struct model *model, struct expectation *ret);
bool expect_matches(const struct expectation *expectation, int service, const struct thing *thing, int64_t now);
/* A thing that a case with expectations has to mention. */
bool expect_is_asked_for(const struct thing *thing);
/* Of the state; `ret` gets what it is instead, in words. */
bool expect_state(const struct expectation *expectation, const struct model *model, const struct service_view *view,
                  int64_t now, char *ret, size_t size);

#endif
