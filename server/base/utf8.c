#include "base/utf8.h"

#include <stddef.h>

/* Length of the well-formed sequence at `p` (RFC 3629, table of section 4), 0 when there is none. */
static size_t sequence_length(const unsigned char *p)
{
    if (p[0] < 0x80)
        return p[0] >= 0x20 && p[0] != 0x7f ? 1 : 0;
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t len;
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        len = 2;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        len = 3;
        low = p[0] == 0xe0 ? 0xa0 : low;
        high = p[0] == 0xed ? 0x9f : high;
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        len = 4;
        low = p[0] == 0xf0 ? 0x90 : low;
        high = p[0] == 0xf4 ? 0x8f : high;
    } else {
        return 0;
    }
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

void utf8_clean(char *text)
{
    unsigned char *p = (unsigned char *)text;
    while (*p) {
        size_t len = sequence_length(p);
        if (len == 0)
            *p++ = '?';
        else
            p += len;
    }
}
