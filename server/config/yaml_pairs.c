#include "config/yaml_pairs.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

enum err pair_list_add(struct pair_list *list, struct node_pair pair, bool is_merged)
{
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 8;
        struct pair_entry *items = reallocarray(list->items, room, sizeof(*items));
        if (!items)
            return ERR_NO_MEMORY;
        list->items = items;
        list->room = room;
    }
    list->items[list->count] = (struct pair_entry){.pair = pair, .order = list->count, .is_merged = is_merged};
    list->count++;
    return ERR_OK;
}

void pair_list_done(struct pair_list *list)
{
    free(list->items);
    *list = (struct pair_list){0};
}

/* By key; for one key own pairs before merged ones, then in the order given: the first has precedence. */
static int entry_compare(const void *a, const void *b)
{
    const struct pair_entry *left = *(struct pair_entry *const *)a;
    const struct pair_entry *right = *(struct pair_entry *const *)b;
    int by_text = strcmp(left->pair.key->text, right->pair.key->text);
    if (by_text != 0)
        return by_text;
    if (left->is_merged != right->is_merged)
        return left->is_merged ? 1 : -1;
    return left->order < right->order ? -1 : 1;
}

enum err pair_list_settle(struct pair_list *list, const struct node **ret_first, const struct node **ret_second)
{
    /* Sorted, since comparing each with each would be slow for the largest mapping that the bounds allow. */
    AUTO_FREE struct pair_entry **sorted = calloc(list->count + 1, sizeof(struct pair_entry *));
    if (!sorted)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < list->count; i++)
        sorted[i] = &list->items[i];
    qsort(sorted, list->count, sizeof(struct pair_entry *), entry_compare);
    const struct pair_entry *first = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const struct node *key = sorted[i]->pair.key;
        if (!first || strcmp(first->pair.key->text, key->text) != 0) {
            first = sorted[i];
        } else if (sorted[i]->is_merged) {
            sorted[i]->is_dropped = true;
        } else {
            *ret_first = first->pair.key;
            *ret_second = key;
            return ERR_CONFLICT;
        }
    }
    return ERR_OK;
}
