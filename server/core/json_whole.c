/* JSON as text for what is kept or hashed. json_dumps() leaves keys out when memory is short in the middle of it, and
 * says nothing: so the room is taken before, and the text compared with it. What is only shown to a person may go on
 * using json_dumps(). */
#include "core/json_whole.h"

#include <stdlib.h>

char *json_whole(const json_t *json, size_t flags)
{
    size_t size = json ? json_dumpb(json, NULL, 0, flags) : 0;
    char *text = size > 0 ? malloc(size + 1) : NULL;
    if (!text || json_dumpb(json, text, size, flags) != size) {
        free(text);
        return NULL;
    }
    text[size] = '\0';
    return text;
}
