/* ${to.KEY}, ${from.KEY} and ${service.name} in the strings of a step's arguments. What is put in is never looked at
 * again, so a value cannot bring a template of its own. Conditions, defaults and functions do not belong here: a
 * playbook has to be readable while the house burns. */
#include "core/playbook.h"

#include "base/cleanup.h"
#include "base/strbuf.h"

#include <stdint.h>
#include <string.h>

#define TEMPLATE_DEPTH_MAX 32
#define TEMPLATE_RESULT_MAX ((size_t)64 * 1024)
#define TEMPLATE_NAME_MAX 128 /* of what stands between the braces; anything longer is not known */

struct filling {
    const struct service *service;
    int from, to;
    struct errmsg *why;
};

static void cleanup_strbuf(struct strbuf *s)
{
    strbuf_done(s);
}

static void cleanup_json(json_t **json)
{
    json_decref(*json);
}

/* ---- the nearest known name -------------------------------------------------------------------------------------- */

static size_t least(size_t a, size_t b, size_t c)
{
    size_t least_of_two = a < b ? a : b;
    return least_of_two < c ? least_of_two : c;
}

/* Levenshtein's: insertions, deletions and replacements. Longer names are compared as far as TEMPLATE_NAME_MAX. */
static size_t distance(const char *a, const char *b)
{
    size_t a_len = strnlen(a, TEMPLATE_NAME_MAX);
    size_t b_len = strnlen(b, TEMPLATE_NAME_MAX);
    size_t row[TEMPLATE_NAME_MAX + 1];
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t above = row[j];
            row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_len];
}

struct nearest {
    const char *text;
    char name[TEMPLATE_NAME_MAX + 1];
    size_t distance;
};

static void nearest_offer(struct nearest *nearest, const char *scope, const char *key)
{
    char known[TEMPLATE_NAME_MAX + 1];
    (void)snprintf(known, sizeof known, "%s.%s", scope, key);
    size_t d = distance(nearest->text, known);
    if (d >= nearest->distance)
        return;
    nearest->distance = d;
    memcpy(nearest->name, known, sizeof known);
}

static void nearest_offer_site(struct nearest *nearest, const struct filling *filling, const char *scope, int site)
{
    nearest_offer(nearest, scope, "name");
    if (site < 0)
        return;
    void *i = json_object_iter(filling->service->sites[site].values);
    for (; i; i = json_object_iter_next(filling->service->sites[site].values, i))
        nearest_offer(nearest, scope, json_object_iter_key(i));
}

static enum err unknown_name(const struct filling *filling, const char *name)
{
    struct nearest nearest = {.text = name, .distance = SIZE_MAX};
    nearest_offer(&nearest, "service", "name");
    nearest_offer_site(&nearest, filling, "to", filling->to);
    nearest_offer_site(&nearest, filling, "from", filling->from >= 0 ? filling->from : filling->to);
    return err_set(filling->why, ERR_INVALID, "${%s} is not known; the nearest that is: ${%s}", name, nearest.name);
}

/* ---- one string -------------------------------------------------------------------------------------------------- */

static const char *site_value(const struct site *site, const char *key)
{
    const char *value = json_string_value(json_object_get(site->values, key));
    if (!value && strcmp(key, "name") == 0)
        return site->name;
    return value;
}

static enum err put_value(const struct filling *filling, const char *name, struct strbuf *result)
{
    const char *value = NULL;
    if (strcmp(name, "service.name") == 0) {
        value = filling->service->name;
    } else if (strncmp(name, "to.", 3) == 0) {
        value = site_value(&filling->service->sites[filling->to], name + 3);
    } else if (strncmp(name, "from.", 5) == 0) {
        if (filling->from < 0)
            return err_set(filling->why, ERR_INVALID, "${%s} cannot be filled in: it is not known from where", name);
        value = site_value(&filling->service->sites[filling->from], name + 5);
    }
    if (!value)
        return unknown_name(filling, name);
    strbuf_adds(result, value);
    return ERR_OK;
}

/* The next "${" in text[*at..len) that is not "$${"; copies what stands before it to `result` (may be NULL), with "$${"
 * made "${". false: there is none. */
static bool next_template(const char *text, size_t len, size_t *at, struct strbuf *result)
{
    for (; *at < len; (*at)++) {
        size_t left = len - *at;
        bool is_literal = left >= 3 && memcmp(text + *at, "$${", 3) == 0;
        if (is_literal)
            (*at)++;
        else if (left >= 2 && memcmp(text + *at, "${", 2) == 0)
            return true;
        if (result)
            strbuf_addc(result, text[*at]);
        if (is_literal) {
            (*at)++;
            if (result)
                strbuf_addc(result, '{');
        }
    }
    return false;
}

static enum err resolve_string(const struct filling *filling, const json_t *string, json_t **ret)
{
    CLEANUP(cleanup_strbuf) struct strbuf result = {.max_len = TEMPLATE_RESULT_MAX};
    const char *text = json_string_value(string);
    size_t len = json_string_length(string);
    size_t at = 0;
    while (next_template(text, len, &at, &result)) {
        const char *begin = text + at + 2;
        const char *end = memchr(begin, '}', len - at - 2);
        if (!end)
            return err_set(filling->why, ERR_INVALID, "\"${\" without \"}\"; a literal one is written \"$${\"");
        char name[TEMPLATE_NAME_MAX + 1];
        size_t name_len = (size_t)(end - begin);
        if (name_len > TEMPLATE_NAME_MAX || memchr(begin, 0, name_len))
            return err_set(filling->why, ERR_INVALID, "\"${%.32s…}\" is not known", begin);
        memcpy(name, begin, name_len);
        name[name_len] = 0;
        enum err err = put_value(filling, name, &result);
        if (err != ERR_OK)
            return err;
        at = (size_t)(end - text) + 1;
    }
    if (result.is_broken)
        return err_set(filling->why, ERR_INVALID, "longer than %zu bytes when filled in", TEMPLATE_RESULT_MAX);
    *ret = json_stringn(strbuf_text(&result), result.len);
    return *ret ? ERR_OK : err_set(filling->why, ERR_INVALID, "not valid UTF-8 when filled in");
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

/* Puts "expect" before "body: what is wrong" as "expect.body: what is wrong", and before "[1]: …" as "expect[1]: …". */
static enum err add_path(const struct filling *filling, enum err err, const char *key, bool is_leaf)
{
    if (!filling->why)
        return err;
    struct errmsg inner = *filling->why;
    const char *join = is_leaf ? ": " : inner.text[0] == '[' ? "" : ".";
    return err_set(filling->why, err, "%.64s%s%s", key, join, inner.text);
}

static bool is_leaf(const json_t *json)
{
    return !json_is_object(json) && !json_is_array(json);
}

static enum err resolve(const struct filling *filling, json_t *json, int depth, json_t **ret);

static enum err resolve_object(const struct filling *filling, json_t *json, int depth, json_t **ret)
{
    CLEANUP(cleanup_json) json_t *object = json_object();
    for (void *i = json_object_iter(json); i; i = json_object_iter_next(json, i)) {
        json_t *value = NULL;
        enum err err = resolve(filling, json_object_iter_value(i), depth, &value);
        if (err != ERR_OK)
            return add_path(filling, err, json_object_iter_key(i), is_leaf(json_object_iter_value(i)));
        if (json_object_set_new(object, json_object_iter_key(i), value) != 0)
            return err_set(filling->why, ERR_NO_MEMORY, "out of memory");
    }
    *ret = TAKE(object);
    return ERR_OK;
}

static enum err resolve_array(const struct filling *filling, json_t *json, int depth, json_t **ret)
{
    CLEANUP(cleanup_json) json_t *array = json_array();
    for (size_t i = 0; i < json_array_size(json); i++) {
        json_t *value = NULL;
        json_t *item = json_array_get(json, i);
        enum err err = resolve(filling, item, depth, &value);
        if (err != ERR_OK) {
            char index[32];
            (void)snprintf(index, sizeof index, "[%zu]", i);
            return add_path(filling, err, index, is_leaf(item));
        }
        if (json_array_append_new(array, value) != 0)
            return err_set(filling->why, ERR_NO_MEMORY, "out of memory");
    }
    *ret = TAKE(array);
    return ERR_OK;
}

static enum err resolve(const struct filling *filling, json_t *json, int depth, json_t **ret)
{
    if (depth > TEMPLATE_DEPTH_MAX)
        return err_set(filling->why, ERR_INVALID, "...: nested deeper than %d", TEMPLATE_DEPTH_MAX);
    if (json_is_string(json))
        return resolve_string(filling, json, ret);
    if (json_is_object(json))
        return resolve_object(filling, json, depth + 1, ret);
    if (json_is_array(json))
        return resolve_array(filling, json, depth + 1, ret);
    *ret = json_deep_copy(json);
    return *ret ? ERR_OK : err_set(filling->why, ERR_NO_MEMORY, "out of memory");
}

/* jansson's iterators want an object that may be changed, and do not change it. */
static json_t *writable(const json_t *json)
{
    return (json_t *)(uintptr_t)json;
}

enum err args_resolve(const struct service *service, int from, int to, const json_t *args, json_t **ret,
                      struct errmsg *why)
{
    const struct filling filling = {.service = service, .from = from, .to = to, .why = why};
    return resolve(&filling, writable(args), 0, ret);
}

static bool string_needs_from(const json_t *string)
{
    const char *text = json_string_value(string);
    size_t len = json_string_length(string);
    for (size_t at = 0; next_template(text, len, &at, NULL); at += 2)
        if (len - at > 7 && memcmp(text + at, "${from.", 7) == 0)
            return true;
    return false;
}

static bool need_from(json_t *json, int depth)
{
    if (depth > TEMPLATE_DEPTH_MAX)
        return false; /* args_resolve() refuses it */
    if (json_is_string(json))
        return string_needs_from(json);
    for (size_t i = 0; json_is_array(json) && i < json_array_size(json); i++)
        if (need_from(json_array_get(json, i), depth + 1))
            return true;
    if (!json_is_object(json))
        return false;
    for (void *i = json_object_iter(json); i; i = json_object_iter_next(json, i))
        if (need_from(json_object_iter_value(i), depth + 1))
            return true;
    return false;
}

bool args_need_from(const json_t *args)
{
    return need_from(writable(args), 0);
}
