#include "config/words.h"

#include <stdio.h>
#include <string.h>

#define MAX_SHOWN 64
#define MAX_COMPARED 64 /* longer words are not compared */
#define MAX_LISTED 12

/* C0 and C1 control characters and DEL: a terminal would obey them. */
static bool is_control(const char *at)
{
    const unsigned char first = (unsigned char)at[0], second = (unsigned char)at[1];
    return first < 0x20 || first == 0x7f || (first == 0xc2 && second >= 0x80 && second < 0xa0);
}

static bool is_inside_character(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

struct shown shown(const char *text)
{
    size_t end = strlen(text);
    const bool is_cut = end > MAX_SHOWN;
    if (is_cut) {
        end = MAX_SHOWN;
        while (end > 0 && is_inside_character(text[end]))
            end--;
    }
    struct shown ret;
    size_t used = 0;
    ret.text[used++] = '"';
    for (size_t i = 0; i < end; i++) {
        bool is_hidden = is_control(text + i) || (i > 0 && is_inside_character(text[i]) && is_control(text + i - 1));
        if (is_hidden)
            used += (size_t)snprintf(ret.text + used, 5, "\\x%02x", (unsigned)(unsigned char)text[i]);
        else
            ret.text[used++] = text[i];
    }
    snprintf(ret.text + used, sizeof(ret.text) - used, is_cut ? "...\"" : "\"");
    return ret;
}

void names_add(struct names *names, const char *name)
{
    if (name && names->count < MAX_NAMES)
        names->items[names->count++] = name;
}

static size_t min_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment distance; both at most MAX_COMPARED long. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][MAX_COMPARED + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_len; j++)
        last[j] = j;
    memset(before, 0, sizeof(rows[0]));
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t replaced = last[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = min_of(replaced, min_of(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min_of(row[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[b_len];
}

const char *names_nearest(const struct names *names, const char *text)
{
    const size_t len = strlen(text);
    if (len > MAX_COMPARED)
        return NULL;
    const char *best = NULL;
    size_t best_distance = len < 3 ? 2 : len / 3 + 1; /* has to be less than this */
    for (size_t i = 0; i < names->count; i++) {
        size_t name_len = strlen(names->items[i]);
        if (name_len == 0 || name_len > MAX_COMPARED)
            continue;
        size_t d = distance(text, len, names->items[i], name_len);
        if (d < best_distance && d < name_len) {
            best = names->items[i];
            best_distance = d;
        }
    }
    return best;
}

const char *names_hint(const struct names *names, const char *text, char *ret, size_t room)
{
    const char *nearest = names_nearest(names, text);
    if (nearest) {
        snprintf(ret, room, "did you mean %s?", shown(nearest).text);
        return ret;
    }
    if (names->count == 0) {
        snprintf(ret, room, "there are none");
        return ret;
    }
    size_t used = (size_t)snprintf(ret, room, "it can be ");
    for (size_t i = 0; i < names->count && used < room; i++) {
        const char *between = i == 0 ? "" : i + 1 == names->count ? " or " : ", ";
        const struct shown name = shown(names->items[i]);
        int more = i == MAX_LISTED ? snprintf(ret + used, room - used, ", ...")
                                   : snprintf(ret + used, room - used, "%s%.*s", between, (int)strlen(name.text) - 2,
                                              name.text + 1);
        used += more > 0 ? (size_t)more : 0;
        if (i == MAX_LISTED)
            break;
    }
    return ret;
}
