/* What `turnout replay` is made of: an incident's record becomes a scenario, and what is decided in that is compared
 * with what was. Only replay*.c include it. */
#ifndef TURNOUT_SERVER_REPLAY_H
#define TURNOUT_SERVER_REPLAY_H

#include "base/strbuf.h"
#include "core/model.h"

#include <jansson.h>

/* One decision that matters: what it comes to, to compare, and its sentence. */
struct replay_act {
    int64_t at;     /* since `clock` of the record */
    char key[160];  /* the same for the same decision */
    char text[300]; /* of the record, or of the replay */
};

struct replay_acts { /* grows; done() frees */
    struct replay_act *items;
    size_t n, room;
    bool is_broken; /* out of memory */
};

void replay_acts_add(struct replay_acts *acts, int64_t at, const char *text, const char *format, ...) PRINTF_LIKE(4, 5);
void replay_acts_done(struct replay_acts *acts);

struct replay_record {
    struct strbuf scenario;  /* its text; done by replay_record_done() */
    struct replay_acts acts; /* what was decided, in order */
    int service, site;       /* of the model */
    int64_t clock;           /* wall: what times count from */
    int64_t opened_at;       /* since `clock` */
    int n_unknown;           /* entries about what the configuration does not have: left out */
    bool is_about_others;    /* something was decided because of other services or sites */
    int64_t left_out;        /* entries that the API did not give */
};

/* Of an incident as the API gives it. False: it cannot be decided again, and why has been written. */
bool replay_record_read(const json_t *incident, const struct model *model, struct replay_record *ret,
                        struct errmsg *why);
void replay_record_done(struct replay_record *record);

#endif
