#include "fetch/header.h"

#include "base/clock.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <strings.h>

#define MAX_RETRY_AFTER_MS ((int64_t)24 * 3600 * 1000)

static int64_t retry_after_parse(const char *text)
{
    if (isdigit((unsigned char)text[0])) {
        char *end = NULL;
        unsigned long long seconds = strtoull(text, &end, 10);
        if (*end != '\0')
            return -1;
        return seconds > (unsigned long long)MAX_RETRY_AFTER_MS / 1000 ? MAX_RETRY_AFTER_MS : (int64_t)seconds * 1000;
    }
    time_t at = curl_getdate(text, NULL);
    if (at == -1)
        return -1;
    int64_t left_ms = (int64_t)at * 1000 - clock_wall_ms();
    return left_ms < 0 ? 0 : left_ms > MAX_RETRY_AFTER_MS ? MAX_RETRY_AFTER_MS : left_ms;
}

static int64_t date_parse(const char *text)
{
    time_t at = curl_getdate(text, NULL);
    return at == -1 ? 0 : (int64_t)at * 1000;
}

/* -1: no number from 0 to `max`. */
static int64_t number_parse(const char *text, int64_t max)
{
    int64_t number = 0;
    if (text[0] == '\0')
        return -1;
    for (; *text; text++) {
        if (!isdigit((unsigned char)*text) || (number = number * 10 + (*text - '0')) > max)
            return -1;
    }
    return number;
}

static int64_t reset_parse(const char *text)
{
    int64_t seconds = number_parse(text, INT32_MAX);
    return seconds > 0 ? seconds * 1000 : 0;
}

void fetch_text_copy(char *ret, size_t room, const char *value)
{
    size_t i = 0;
    for (; value[i] != '\0' && i + 1 < room; i++)
        ret[i] = (char)(value[i] >= ' ' && value[i] < 0x7f ? value[i] : '?');
    ret[i] = '\0';
}

void fetch_header_take(struct fetch_response *response, const char *name, const char *value)
{
    static const char *const id_headers[] = {"x-amzn-requestid", "x-amz-request-id", "x-ovh-queryid", "x-request-id"};
    if (strcasecmp(name, "content-type") == 0)
        fetch_text_copy(response->content_type, sizeof(response->content_type), value);
    else if (strcasecmp(name, "retry-after") == 0)
        response->retry_after_ms = retry_after_parse(value);
    else if (strcasecmp(name, "x-maintenance-mode") == 0)
        response->is_maintenance = true;
    else if (strcasecmp(name, "date") == 0)
        response->date_at = date_parse(value);
    else if (strcasecmp(name, "x-ratelimit-remaining") == 0)
        response->rate_remaining = (int)number_parse(value, INT32_MAX);
    else if (strcasecmp(name, "x-ratelimit-reset") == 0)
        response->rate_reset_at = reset_parse(value);
    for (size_t i = 0; i < sizeof(id_headers) / sizeof(id_headers[0]); i++)
        if (strcasecmp(name, id_headers[i]) == 0)
            fetch_text_copy(response->request_id, sizeof(response->request_id), value);
}

void fetch_headers_forget(struct fetch_response *response)
{
    response->content_type[0] = '\0';
    response->request_id[0] = '\0';
    response->retry_after_ms = -1;
    response->is_maintenance = false;
    response->date_at = 0;
    response->rate_remaining = -1;
    response->rate_reset_at = 0;
}
