#include "config/problems.h"

#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes `text`; NULL (out of memory) still counts. */
static void take(struct problems *problems, int line, int column, char *text)
{
    if (!text || problems->count == MAX_PROBLEMS) {
        problems->n_left_out++;
        free(text);
        return;
    }
    utf8_clean(text); /* words of actions and of libraries may hold line breaks from the file */
    problems->items[problems->count] =
        (struct problem){.line = line, .column = column, .order = problems->count, .text = text};
    problems->count++;
}

void problems_add(struct problems *problems, const struct node *at, const char *prefix, const char *format,
                  va_list args)
{
    char *text = NULL, *whole = NULL;
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    if (!text || asprintf(&whole, "%s%s", prefix, text) < 0)
        whole = NULL;
    free(text);
    take(problems, at ? at->line : 0, at ? at->column : 0, whole);
}

void problems_add_at(struct problems *problems, int line, int column, const char *text)
{
    take(problems, line, column, strdup(text));
}

static int problem_compare(const void *a, const void *b)
{
    const struct problem *left = a, *right = b;
    if (left->line != right->line)
        return left->line < right->line ? -1 : 1;
    if (left->column != right->column)
        return left->column < right->column ? -1 : 1;
    return left->order < right->order ? -1 : 1;
}

/* An aliased part is read once for each use of it, and wrong each time. */
static bool is_repetition(const struct problems *problems, size_t i)
{
    const struct problem *this = &problems->items[i];
    for (size_t j = i; j-- > 0;) {
        const struct problem *other = &problems->items[j];
        if (other->line != this->line || other->column != this->column)
            return false;
        if (strcmp(other->text, this->text) == 0)
            return true;
    }
    return false;
}

void problems_print(struct problems *problems, const char *path, struct strbuf *out)
{
    qsort(problems->items, problems->count, sizeof(problems->items[0]), problem_compare);
    for (size_t i = 0; i < problems->count; i++) {
        const struct problem *problem = &problems->items[i];
        if (is_repetition(problems, i))
            continue;
        if (problem->line == 0)
            strbuf_addf(out, "%s: %s\n", path, problem->text);
        else
            strbuf_addf(out, "%s:%d:%d: %s\n", path, problem->line, problem->column, problem->text);
    }
    if (problems->n_left_out > 0)
        strbuf_addf(out, "%s: %zu more are left out; mend these first\n", path, problems->n_left_out);
}

void problems_done(struct problems *problems)
{
    for (size_t i = 0; i < problems->count; i++)
        free(problems->items[i].text);
    problems->count = 0;
    problems->n_left_out = 0;
}
