/* Where memory ends, libcurl goes on with what it has (curl_easy_reset() without an authority or a buffer), or says
 * something else ("Empty reply from server"): so it is noted here. */
#include "fetch/memory.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local bool is_short;

static void *noted(void *bytes)
{
    is_short = is_short || !bytes;
    return bytes;
}

static void *noting_malloc(size_t size)
{
    return noted(malloc(size));
}

static void *noting_calloc(size_t n, size_t size)
{
    return noted(calloc(n, size));
}

static void *noting_realloc(void *old, size_t size)
{
    return noted(realloc(old, size));
}

static char *noting_strdup(const char *text)
{
    return noted(strdup(text));
}

bool fetch_memory_start(void)
{
    return curl_global_init_mem(CURL_GLOBAL_DEFAULT, noting_malloc, free, noting_realloc, noting_strdup,
                                noting_calloc) == CURLE_OK;
}

void fetch_memory_begin(void)
{
    is_short = false;
}

bool fetch_memory_is_short(void)
{
    return is_short;
}

void fetch_memory_note(void)
{
    is_short = true;
}
