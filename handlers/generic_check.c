/* See generic_check.h. */
#include "handlers/generic_check.h"

#include "handlers/document.h"

#include <string.h>

bool generic_is_listed(const json_t *values, const struct json_text *text)
{
    size_t i;
    json_t *value;
    json_array_foreach((json_t *)(uintptr_t)values, i, value)
    {
        if (json_string_length(value) == text->len && memcmp(json_string_value(value), text->text, text->len) == 0)
            return true;
    }
    return false;
}

static enum err expect_pointer(const char *row, const json_t *value, struct errmsg *why)
{
    const char *pointer = json_string_value(value);
    if (pointer && !document_is_pointer(pointer))
        return err_set(why, ERR_INVALID,
                       "\"%.100s\" (%s) is not a JSON pointer; it must be \"\" or \"/\" and the names on the way, with "
                       "\"~1\" for \"/\" and \"~0\" for \"~\" in them",
                       pointer, row);
    return ERR_OK;
}

static enum err expect_pointers(const char *row, const json_t *list, struct errmsg *why)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < json_array_size(list) && err == ERR_OK; i++)
        err = expect_pointer(row, json_array_get(list, i), why);
    return err;
}

static enum err check_pointers(const json_t *args, struct errmsg *why)
{
    const char *name;
    json_t *pointer;
    if (json_array_size(json_object_get(args, "identity")) > GENERIC_MAX_IDENTITY)
        return err_set(why, ERR_INVALID, "\"identity\" names more than %d places", GENERIC_MAX_IDENTITY);
    enum err err = expect_pointers("identity", json_object_get(args, "identity"), why);
    if (err == ERR_OK)
        err = expect_pointer("state", json_object_get(args, "state"), why);
    if (err == ERR_OK)
        err = expect_pointers("time", json_object_get(args, "time"), why);
    if (err == ERR_OK)
        err = expect_pointer("items", json_object_get(args, "items"), why);
    json_object_foreach(json_object_get(args, "labels"), name, pointer)
    {
        if (err == ERR_OK)
            err = expect_pointer("labels", pointer, why);
    }
    return err;
}

/* A state may stand in one of the lists only. */
static enum err check_states(const json_t *args, struct errmsg *why)
{
    static const char *const rows_of_states[] = {"down", "up", "ignored"};
    for (size_t i = 0; i < 3; i++) {
        const char *row = rows_of_states[i], *other = rows_of_states[(i + 1) % 3];
        size_t k;
        json_t *value;
        json_array_foreach(json_object_get(args, row), k, value)
        {
            const struct json_text text = {json_string_value(value), json_string_length(value)};
            if (generic_is_listed(json_object_get(args, other), &text))
                return err_set(why, ERR_INVALID, "\"%.100s\" cannot be both \"%s\" and \"%s\"", text.text, row, other);
        }
    }
    return ERR_OK;
}

enum err generic_check(const json_t *args, struct errmsg *why)
{
    enum err err = check_pointers(args, why);
    return err == ERR_OK ? check_states(args, why) : err;
}
