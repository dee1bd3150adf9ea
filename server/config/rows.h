/* Mappings of the file by rows: keys checked, values validated, defaults filled in. Internal to server/config. */
#ifndef TURNOUT_SERVER_CONFIG_ROWS_H
#define TURNOUT_SERVER_CONFIG_ROWS_H

#include "config/reading.h"
#include "core/row.h"

/* A key, or a value of a key, that belongs to Turnout but does not work yet. */
struct later {
    const char *key;
    const char *value; /* NULL: the key as a whole */
};

/* What a mapping may hold. */
struct keys {
    const struct row *rows[2]; /* each may be NULL */
    const char *const *names;  /* further ones, NULL at the end; may be NULL */
    const struct later *later; /* ends with a NULL key; may be NULL */
};

/* Complains about every key that is neither of those. */
void keys_check(struct reading *r, const struct node *map, const struct keys *keys);

/* A text with ${...} or $${, to be filled in and validated for each pair of sites. */
struct template_use {
    const struct row *row;
    const struct node *node;
};

struct template_list {
    struct template_use *items;
    size_t count, room;
};

void template_list_done(struct template_list *list);

struct row_reader {
    struct reading *reading;
    const struct later *later;       /* as in keys; for its values */
    bool is_partial;                 /* only what is given: nothing is missing, and there are no defaults */
    struct template_list *templates; /* texts with ${...} are let pass and noted here; NULL: refused */
    /* Where the value of a ROW_SECRET goes, or those of a ROW_SECRETS; never NULL for a row that is one. */
    struct secret *(*secret_slot)(void *owner, const char *row);
    struct secret_list *(*secrets_slot)(void *owner, const char *row);
    void *owner;
};

/* The values of the rows as core/row.h says; those that are wrong are left out, after a complaint. NULL: out of memory.
 * Other keys are ignored: keys_check() is for them. `map` is a mapping or null. */
json_t *rows_read(const struct row_reader *reader, const struct node *map, const struct row *rows);

#endif
