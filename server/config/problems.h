/* What is wrong with the file: collected with places, printed in their order, so that all of it is mended at once. */
#ifndef TURNOUT_SERVER_CONFIG_PROBLEMS_H
#define TURNOUT_SERVER_CONFIG_PROBLEMS_H

#include "base/strbuf.h"
#include "config/yaml_tree.h"

#include <stdarg.h>

#define MAX_PROBLEMS 200

struct problem {
    int line, column; /* line 0: of the file as a whole */
    size_t order;
    char *text;
};

struct problems {
    struct problem items[MAX_PROBLEMS];
    size_t count;
    size_t n_left_out;
};

/* `at` may be NULL: the file as a whole. */
void problems_add(struct problems *problems, const struct node *at, const char *prefix, const char *format,
                  va_list args) PRINTF_LIKE(4, 0);
void problems_add_at(struct problems *problems, int line, int column, const char *text);
/* Adds "PATH:LINE:COLUMN: text\n" for each, sorted, repetitions left out. */
void problems_print(struct problems *problems, const char *path, struct strbuf *out);
void problems_done(struct problems *problems);

#endif
