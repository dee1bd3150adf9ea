/* See forwarded.h. */
#include "http/forwarded.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80". */
static bool hop_parse(const char *text, size_t len, struct address *ret)
{
    char hop[ADDRESS_TEXT_SIZE + sizeof "[]:65535"];
    if (len == 0 || len >= sizeof hop)
        return false;
    memcpy(hop, text, len);
    hop[len] = '\0';
    char *address = hop, *end = NULL;
    if (hop[0] == '[') {
        address++;
        end = strchr(address, ']');
        if (!end || (end[1] != '\0' && end[1] != ':'))
            return false;
    } else if (strchr(hop, ':') == strrchr(hop, ':')) {
        end = strchr(hop, ':');
    }
    const char *port = end ? strchr(end, ':') : NULL;
    size_t digits = port ? strspn(port + 1, "0123456789") : 0;
    if (port && (digits == 0 || digits > 5 || port[1 + digits] != '\0'))
        return false;
    if (end)
        *end = '\0';
    return address_parse(address, ret);
}

bool forwarded_walk(const char *list, const struct network *trusted, size_t n_trusted, struct address *address)
{
    size_t end = strlen(list);
    while (networks_hold(trusted, n_trusted, address)) {
        size_t start = end;
        while (start > 0 && list[start - 1] != ',')
            start--;
        size_t from = start, to = end;
        while (from < to && is_space(list[from]))
            from++;
        while (to > from && is_space(list[to - 1]))
            to--;
        if (!hop_parse(list + from, to - from, address))
            return false;
        if (start == 0)
            return true;
        end = start - 1;
    }
    return false;
}
