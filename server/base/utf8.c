#include "base/utf8.h"

#include <string.h>

/* What may follow a first byte differs only in the second byte; that range excludes overlong forms, surrogates and
 * what is above U+10FFFF. */
size_t utf8_character_len(const char *text, size_t len)
{
    if (len == 0)
        return 0;
    const unsigned char *bytes = (const unsigned char *)text;
    unsigned char first = bytes[0];
    if (first < 0x80)
        return 1;
    size_t need;
    unsigned char low = 0x80, high = 0xbf;
    if (first >= 0xc2 && first <= 0xdf) {
        need = 2;
    } else if (first >= 0xe0 && first <= 0xef) {
        need = 3;
        if (first == 0xe0)
            low = 0xa0;
        else if (first == 0xed)
            high = 0x9f;
    } else if (first >= 0xf0 && first <= 0xf4) {
        need = 4;
        if (first == 0xf0)
            low = 0x90;
        else if (first == 0xf4)
            high = 0x8f;
    } else {
        return 0;
    }
    if (len < need || bytes[1] < low || bytes[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    }
    return need;
}

size_t utf8_cut(const char *text, size_t len, size_t max)
{
    size_t taken = 0;
    while (taken < len) {
        size_t character = utf8_character_len(text + taken, len - taken);
        character = character == 0 ? 1 : character;
        if (taken + character > max)
            break;
        taken += character;
    }
    return taken;
}

char *utf8_put(char *to, int32_t code)
{
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xC0 | (code >> 6));
        *to++ = (char)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        *to++ = (char)(0xE0 | (code >> 12));
        *to++ = (char)(0x80 | ((code >> 6) & 0x3F));
        *to++ = (char)(0x80 | (code & 0x3F));
    } else {
        *to++ = (char)(0xF0 | (code >> 18));
        *to++ = (char)(0x80 | ((code >> 12) & 0x3F));
        *to++ = (char)(0x80 | ((code >> 6) & 0x3F));
        *to++ = (char)(0x80 | (code & 0x3F));
    }
    return to;
}

void utf8_clean(char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        size_t len = utf8_character_len(text, left);
        unsigned char first = (unsigned char)*text;
        bool is_control = first < 0x20 || first == 0x7f || (first == 0xc2 && len == 2 && (unsigned char)text[1] < 0xa0);
        if (len == 0 || is_control) {
            *text = '?';
            len = 1;
        }
        text += len;
        left -= len;
    }
}
