#include "actions/route53_xml.h"

#include "actions/xml.h"
#include "base/cleanup.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMESPACE "https://route53.amazonaws.com/doc/2013-04-01/"
#define SET "ListResourceRecordSetsResponse/ResourceRecordSets/ResourceRecordSet"
#define MAX_MESSAGE 2000

/* Next character of a name, its octal escape resolved; 0 at the end, where a last dot counts as none. */
static int name_next(const char **at)
{
    const char *c = *at;
    if (c[0] == '.' && c[1] == '\0')
        return 0;
    if (c[0] == '\\' && c[1] >= '0' && c[1] <= '3' && c[2] >= '0' && c[2] <= '7' && c[3] >= '0' && c[3] <= '7') {
        *at += 4;
        return tolower((c[1] - '0') * 64 + (c[2] - '0') * 8 + (c[3] - '0'));
    }
    if (c[0] != '\0')
        *at += 1;
    return tolower((unsigned char)c[0]);
}

bool route53_name_equal(const char *a, const char *b)
{
    for (;;) {
        int x = name_next(&a), y = name_next(&b);
        if (x != y)
            return false;
        if (x == 0)
            return true;
    }
}

static void copy(char *ret, size_t room, const char *text)
{
    snprintf(ret, room, "%s", text);
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

struct set_search {
    const char *name, *type;
    struct route53_set *found;
    struct route53_set now; /* the one being read */
    char now_name[1024];
    char now_type[16];
    bool is_list;
    bool is_short; /* of memory */
};

static void set_end(struct set_search *search)
{
    if (strcmp(search->now_type, search->type) == 0 && route53_name_equal(search->now_name, search->name)) {
        int n_found = search->found->n_found;
        if (n_found == 0) {
            *search->found = search->now;
            search->now.values = NULL;
        }
        search->found->n_found = n_found + 1;
    }
    json_decref(search->now.values);
    search->now = (struct route53_set){.n_values = 0};
    search->now_name[0] = search->now_type[0] = '\0';
}

/* A child of a record set. Anything that a simple record does not have is kept by name. */
static void set_child(struct set_search *search, const char *child, const char *text)
{
    struct route53_set *now = &search->now;
    static const char *const known[] = {"ResourceRecords", "ResourceRecords/ResourceRecord"};
    if (strcmp(child, "Name") == 0) {
        copy(search->now_name, sizeof(search->now_name), text);
    } else if (strcmp(child, "Type") == 0) {
        copy(search->now_type, sizeof(search->now_type), text);
    } else if (strcmp(child, "TTL") == 0) {
        now->ttl = strtoll(text, NULL, 10);
    } else if (strcmp(child, "HealthCheckId") == 0) {
        copy(now->health_check, sizeof(now->health_check), text);
    } else if (strcmp(child, "ResourceRecords/ResourceRecord/Value") == 0) {
        if (now->n_values++ == 0) {
            copy(now->value, sizeof(now->value), text);
            now->values = json_array();
        }
        if (now->n_values <= ROUTE53_MAX_VALUES && json_array_append_new(now->values, json_string(text)) != 0)
            search->is_short = true;
    } else if (strcmp(child, known[0]) != 0 && strcmp(child, known[1]) != 0) {
        char element[sizeof(now->other)];
        copy(element, sizeof(element), child);
        element[strcspn(element, "/")] = '\0';
        copy(now->other, sizeof(now->other), element);
    }
}

static bool on_set_element(void *context, const char *path, const char *text)
{
    struct set_search *search = context;
    if (strcmp(path, SET) == 0)
        set_end(search);
    else if (strncmp(path, SET "/", sizeof(SET)) == 0)
        set_child(search, path + sizeof(SET), text);
    else if (strcmp(path, "ListResourceRecordSetsResponse") == 0)
        search->is_list = true;
    return true;
}

enum err route53_set_read(const char *body, size_t len, const char *name, const char *type, struct route53_set *ret,
                          struct errmsg *why)
{
    struct set_search search = {.name = name, .type = type, .found = ret};
    *ret = (struct route53_set){.n_values = 0};
    enum err err = xml_read(body, len, on_set_element, &search, why);
    json_decref(search.now.values);
    if (err == ERR_OK && search.is_short)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    if (err == ERR_OK && !search.is_list)
        return err_set(why, ERR_INVALID, "not a list of record sets");
    return err;
}

void route53_set_done(struct route53_set *set)
{
    json_decref(set->values);
    set->values = NULL;
}

/* ---- a page of all ---- */

struct page_search {
    route53_value_fn take;
    void *context;
    struct route53_page *page;
    char name[1024], type[16]; /* of the set being read: they come before its values */
    int64_t ttl;
    bool is_list;
};

static void name_plain(const char *name, char *ret, size_t room)
{
    size_t len = 0;
    for (int c = name_next(&name); c != 0 && len + 1 < room; c = name_next(&name))
        ret[len++] = (char)c;
    ret[len] = '\0';
}

static void page_set_child(struct page_search *search, const char *child, const char *text)
{
    if (strcmp(child, "Name") == 0)
        name_plain(text, search->name, sizeof(search->name));
    else if (strcmp(child, "Type") == 0)
        copy(search->type, sizeof(search->type), text);
    else if (strcmp(child, "TTL") == 0)
        search->ttl = strtoll(text, NULL, 10);
    else if (strcmp(child, "ResourceRecords/ResourceRecord/Value") == 0 || strcmp(child, "AliasTarget/DNSName") == 0)
        search->take(search->context, search->name, search->type, text, search->ttl);
}

static bool on_page_element(void *context, const char *path, const char *text)
{
    static const char root[] = "ListResourceRecordSetsResponse";
    struct page_search *search = context;
    struct route53_page *page = search->page;
    const char *rest = strncmp(path, root, sizeof(root) - 1) == 0 ? path + sizeof(root) - 1 : "?";
    if (rest[0] == '\0') {
        search->is_list = true;
    } else if (strcmp(path, SET) == 0) {
        search->name[0] = search->type[0] = '\0';
        search->ttl = 0;
    } else if (strncmp(path, SET "/", sizeof(SET)) == 0) {
        page_set_child(search, path + sizeof(SET), text);
    } else if (strcmp(rest, "/IsTruncated") == 0) {
        page->is_truncated = strcmp(text, "true") == 0;
    } else if (strcmp(rest, "/NextRecordName") == 0) {
        copy(page->next_name, sizeof(page->next_name), text);
    } else if (strcmp(rest, "/NextRecordType") == 0) {
        copy(page->next_type, sizeof(page->next_type), text);
    } else if (strcmp(rest, "/NextRecordIdentifier") == 0) {
        copy(page->next_identifier, sizeof(page->next_identifier), text);
    }
    return true;
}

enum err route53_page_read(const char *body, size_t len, route53_value_fn take, void *context, struct route53_page *ret,
                           struct errmsg *why)
{
    struct page_search search = {.take = take, .context = context, .page = ret};
    *ret = (struct route53_page){.is_truncated = false};
    enum err err = xml_read(body, len, on_page_element, &search, why);
    if (err == ERR_OK && !search.is_list)
        return err_set(why, ERR_INVALID, "not a list of record sets");
    return err;
}

/* ---- changes ----------------------------------------------------------------------------------------------------- */

static bool on_change_element(void *context, const char *path, const char *text)
{
    static const char prefix[] = "/change/";
    struct route53_change *change = context;
    const char *info = strstr(path, "Response/ChangeInfo/");
    if (!info)
        return true;
    info += strlen("Response/ChangeInfo/");
    if (strcmp(info, "Status") == 0)
        copy(change->status, sizeof(change->status), text);
    if (strcmp(info, "Id") != 0)
        return true;
    const char *id = strncmp(text, prefix, sizeof(prefix) - 1) == 0 ? text + sizeof(prefix) - 1 : text;
    if (strlen(id) >= sizeof(change->id))
        return false;
    copy(change->id, sizeof(change->id), id);
    return true;
}

static bool is_id(const char *text)
{
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_')
            return false;
    return text[0] != '\0';
}

enum err route53_change_read(const char *body, size_t len, struct route53_change *ret, struct errmsg *why)
{
    *ret = (struct route53_change){.id = ""};
    enum err err = xml_read(body, len, on_change_element, ret, why);
    if (err == ERR_OK && (!is_id(ret->id) || ret->status[0] == '\0'))
        return err_set(why, ERR_INVALID, "no change with an id and a status");
    return err;
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

static bool on_error_element(void *context, const char *path, const char *text)
{
    struct route53_error *error = context;
    size_t room = error->message.max_len - error->message.len; /* what is more is cut */
    bool is_batch = strncmp(path, "InvalidChangeBatch", strlen("InvalidChangeBatch")) == 0;
    if (is_batch)
        copy(error->code, sizeof(error->code), "InvalidChangeBatch");
    if (strcmp(path, "ErrorResponse/Error/Code") == 0)
        copy(error->code, sizeof(error->code), text);
    if (strcmp(path, "ErrorResponse/Error/Message") == 0 || (is_batch && strstr(path, "/Message") && text[0] != '\0'))
        strbuf_addf(&error->message, "%s%.*s", error->message.len ? "; " : "", (int)(room > 2 ? room - 2 : 0), text);
    return true;
}

enum err route53_error_read(const char *body, size_t len, struct route53_error *ret)
{
    *ret = (struct route53_error){.message = {.max_len = MAX_MESSAGE}};
    enum err err = xml_read(body, len, on_error_element, ret, NULL);
    if (err == ERR_OK && ret->message.is_broken)
        return ERR_NO_MEMORY;
    return err == ERR_OK && ret->code[0] == '\0' ? ERR_INVALID : err;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void element_add(struct strbuf *xml, const char *name, const char *text)
{
    strbuf_addf(xml, "<%s>", name);
    xml_escape(xml, text);
    strbuf_addf(xml, "</%s>", name);
}

void route53_batch_begin(struct strbuf *xml, const char *comment)
{
    strbuf_adds(xml, "<ChangeResourceRecordSetsRequest xmlns=\"" NAMESPACE "\"><ChangeBatch>");
    element_add(xml, "Comment", comment);
    strbuf_adds(xml, "<Changes>");
}

void route53_change_write(struct strbuf *xml, const char *action, const char *name, const char *type,
                          const json_t *values, int64_t ttl, const char *health_check)
{
    const json_t *value;
    size_t i;
    strbuf_addf(xml, "<Change><Action>%s</Action><ResourceRecordSet>", action);
    element_add(xml, "Name", name);
    element_add(xml, "Type", type);
    strbuf_addf(xml, "<TTL>%lld</TTL><ResourceRecords>", (long long)ttl);
    json_array_foreach(values, i, value)
    {
        strbuf_adds(xml, "<ResourceRecord>");
        element_add(xml, "Value", json_string_value(value) ? json_string_value(value) : "");
        strbuf_adds(xml, "</ResourceRecord>");
    }
    strbuf_adds(xml, "</ResourceRecords>");
    if (health_check[0] != '\0')
        element_add(xml, "HealthCheckId", health_check);
    strbuf_adds(xml, "</ResourceRecordSet></Change>");
}

void route53_batch_end(struct strbuf *xml)
{
    strbuf_adds(xml, "</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>");
}
