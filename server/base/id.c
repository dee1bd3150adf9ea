#include "base/id.h"

#include <string.h>
#include <uuid/uuid.h>

bool id_is_nil(const struct id *id)
{
    return uuid_is_null(id->bytes) == 1;
}

bool id_equal(const struct id *a, const struct id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

const char *id_format(const struct id *id, char text[ID_TEXT_SIZE])
{
    uuid_unparse_lower(id->bytes, text);
    return text;
}

enum err id_parse(const char *text, size_t len, struct id *ret)
{
    if (len != ID_TEXT_SIZE - 1)
        return ERR_INVALID;
    char copy[ID_TEXT_SIZE];
    memcpy(copy, text, len);
    copy[len] = '\0';
    struct id id;
    if (uuid_parse(copy, id.bytes) != 0)
        return ERR_INVALID;
    *ret = id;
    return ERR_OK;
}
