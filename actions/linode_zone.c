#include "actions/linode_zone.h"

#include "actions/common.h"
#include "base/cleanup.h"

#include <stdio.h>
#include <string.h>

struct zone_record {
    const char *domain;
    const char *label;
    const char *type;
};

bool linode_ttl_is_rounded(int64_t wanted, int64_t got)
{
    static const int64_t kept[] = {30,    120,   300,    3600,   7200,   14400,   28800,
                                   57600, 86400, 172800, 345600, 604800, 1209600, 2419200};
    int64_t below = kept[0], above = kept[COUNT_OF(kept) - 1];
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        if (kept[i] <= wanted)
            below = kept[i];
        if (kept[COUNT_OF(kept) - 1 - i] >= wanted)
            above = kept[COUNT_OF(kept) - 1 - i];
    }
    if (wanted <= 0) /* the domain's own, which is not rounded */
        return got == wanted;
    return got == above || (got == below && wanted - below <= above - wanted);
}

/* Whether the owner of a zone file's line ("@", "app", "app.example.com.") is the record. */
static bool owner_is(const char *owner, const char *label, const char *domain)
{
    char full[600];
    size_t len = strlen(owner);
    if (len == 0 || owner[len - 1] != '.')
        return strcasecmp(owner, label[0] == '\0' ? "@" : label) == 0;
    snprintf(full, sizeof(full), "%s%s%s", label, label[0] == '\0' ? "" : ".", domain);
    return name_equal(owner, full);
}

/* The data of the line when it is one of the record's; NULL otherwise. Cuts the line into words. `owner` is the last
 * line's, which a line that begins with a space goes on with. */
static const char *zone_line_data(char *line, char *owner, size_t room, const struct zone_record *record)
{
    char *rest = NULL;
    bool has_owner = line[0] != ' ' && line[0] != '\t';
    char *word = strtok_r(line, " \t\r\n", &rest);
    if (!word || word[0] == ';' || word[0] == '$')
        return NULL;
    if (has_owner) {
        snprintf(owner, room, "%s", word);
        word = strtok_r(NULL, " \t\r\n", &rest);
    }
    while (word && (strcasecmp(word, "IN") == 0 || strspn(word, "0123456789") == strlen(word)))
        word = strtok_r(NULL, " \t\r\n", &rest);
    if (!word || strcasecmp(word, record->type) != 0 || !owner_is(owner, record->label, record->domain))
        return NULL;
    return strtok_r(NULL, " \t\r\n", &rest);
}

int linode_zone_find(const json_t *lines, const char *domain, const char *label, const char *type, char *found,
                     size_t room)
{
    struct zone_record record = {domain, label, type};
    char owner[600] = "@";
    const json_t *entry;
    size_t i;
    int n_found = 0;
    json_array_foreach(lines, i, entry)
    {
        char line[2048];
        const char *text = json_string_value(entry);
        int len = text ? snprintf(line, sizeof(line), "%s", text) : -1;
        if (len < 0 || (size_t)len >= sizeof(line))
            continue;
        const char *data = zone_line_data(line, owner, sizeof(owner), &record);
        if (data && n_found++ == 0)
            snprintf(found, room, "%s", data);
    }
    return n_found;
}
