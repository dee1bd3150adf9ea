#include "config/value.h"

#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MAX_TEXT 4096 /* of a text without bounds of its own */
#define MAX_DURATION_MS (INT64_C(366) * 24 * 3600 * 1000)
#define MAX_PATH_TEXT 1024
#define MAX_NAME 253
#define MAX_LABEL 63

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

/* Decimal digits, a minus before them; no spaces, no plus, no leading zeros (which some read as octal). */
static bool number_parse(const char *text, int64_t *ret)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    const size_t n_digits = strspn(digits, "0123456789");
    if (n_digits == 0 || digits[n_digits] || (digits[0] == '0' && (n_digits > 1 || digits != text)))
        return false;
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    *ret = value;
    return errno == 0;
}

static bool is_within(const struct row *row, int64_t value)
{
    return (row->min == 0 && row->max == 0) || (value >= row->min && value <= row->max);
}

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit durations[] = {
    {"d", 24 * 3600 * 1000}, {"h", 3600 * 1000}, {"m", 60 * 1000}, {"s", 1000}, {"ms", 1}, {NULL, 0}};
static const struct unit sizes[] = {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {NULL, 0}};

/* A number and one of the units behind it. */
static bool amount_parse(const struct unit *units, int64_t max, const char *text, int64_t *ret)
{
    const size_t n_digits = strspn(text, "0123456789");
    char digits[16];
    int64_t number;
    if (n_digits == 0 || n_digits >= sizeof(digits))
        return false;
    memcpy(digits, text, n_digits);
    digits[n_digits] = '\0';
    if (!number_parse(digits, &number))
        return false;
    for (; units->name; units++) {
        if (strcmp(text + n_digits, units->name) == 0 && number <= max / units->factor) {
            *ret = number * units->factor;
            return true;
        }
    }
    return false;
}

/* In the largest unit that divides it; false: it is nothing, or none does. */
static bool amount_describe(const struct unit *units, int64_t amount, struct strbuf *out)
{
    for (; amount != 0 && units->name; units++) {
        if (amount % units->factor == 0) {
            strbuf_addf(out, "%" PRId64 "%s", amount / units->factor, units->name);
            return true;
        }
    }
    return false;
}

static bool duration_parse(const char *text, int64_t *ret)
{
    return amount_parse(durations, MAX_DURATION_MS, text, ret);
}

void duration_describe(int64_t ms, struct strbuf *out)
{
    if (!amount_describe(durations, ms, out))
        strbuf_adds(out, "0s");
}

/* Nothing may be written without a unit. */
static bool size_parse(const char *text, int64_t *ret)
{
    *ret = 0;
    return strcmp(text, "0") == 0 || amount_parse(sizes, INT64_MAX, text, ret);
}

static void size_describe(int64_t bytes, struct strbuf *out)
{
    if (!amount_describe(sizes, bytes, out))
        strbuf_addf(out, "%" PRId64 " bytes", bytes);
}

/* ---- names and addresses ----------------------------------------------------------------------------------------- */

static bool is_address(const char *text)
{
    struct in6_addr bytes;
    return inet_pton(AF_INET, text, &bytes) == 1 || inet_pton(AF_INET6, text, &bytes) == 1;
}

static bool is_label_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* A DNS name of letters, digits, - and _; "*" may be its first label; one dot may stand at the end. */
static bool is_name(const char *text)
{
    size_t len = strlen(text);
    if (len > 1 && text[len - 1] == '.')
        len--;
    if (len == 0 || len > MAX_NAME || is_address(text))
        return false;
    size_t label = 0;
    for (size_t i = 0; i <= len; i++) {
        if (i == len || text[i] == '.') {
            if (label == 0 || label > MAX_LABEL || text[i - 1] == '-' || text[i - label] == '-')
                return false;
            label = 0;
        } else if (is_label_character(text[i]) || (i == 0 && text[0] == '*' && (len == 1 || text[1] == '.'))) {
            label++;
        } else {
            return false;
        }
    }
    return true;
}

static bool port_parse(const char *text, int64_t min, int64_t *ret)
{
    return number_parse(text, ret) && *ret >= min && *ret <= 65535;
}

/* Splits HOST:PORT and [IPv6]:PORT; `port` stays NULL when there is none. A bare IPv6 address has none. */
static bool endpoint_split(const char *text, char *host, size_t room, const char **port)
{
    const char *end;
    *port = NULL;
    if (text[0] == '[') {
        end = strchr(++text, ']');
        if (!end || (end[1] && end[1] != ':'))
            return false;
        *port = end[1] ? end + 2 : NULL;
    } else {
        end = strchr(text, ':');
        if (end && strchr(end + 1, ':'))
            end = NULL;
        else if (end)
            *port = end + 1;
        if (!end)
            end = text + strlen(text);
    }
    const size_t len = (size_t)(end - text);
    if (len == 0 || len >= room)
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    return true;
}

static bool is_endpoint(const char *text, bool may_be_name, bool needs_port)
{
    char host[MAX_NAME + 2];
    const char *port;
    int64_t number;
    if (!endpoint_split(text, host, sizeof(host), &port) || (needs_port && !port))
        return false;
    if (port && !port_parse(port, 1, &number))
        return false;
    if (text[0] == '[') {
        struct in6_addr bytes;
        return inet_pton(AF_INET6, host, &bytes) == 1;
    }
    return is_address(host) || (may_be_name && host[0] != '*' && is_name(host));
}

/* http:// or https://, a host, perhaps a port, then printable ASCII: no user information, no fragment. */
static bool is_url(const char *text)
{
    const char *rest = strncasecmp(text, "http://", 7) == 0    ? text + 7
                       : strncasecmp(text, "https://", 8) == 0 ? text + 8
                                                               : NULL;
    if (!rest || strlen(text) > MAX_TEXT)
        return false;
    const size_t len = strcspn(rest, "/?");
    char authority[MAX_NAME + 16];
    if (len == 0 || len >= sizeof(authority))
        return false;
    memcpy(authority, rest, len);
    authority[len] = '\0';
    if (!is_endpoint(authority, true, false) ||
        (authority[0] != '[' && strchr(authority, ':') != strrchr(authority, ':')))
        return false;
    for (const char *c = rest + len; *c; c++) {
        if (*c <= ' ' || *c > '~' || strchr("#\"<>\\^`{|}", *c))
            return false;
    }
    return true;
}

bool listen_address_parse(const char *text, struct sockaddr_storage *ret, socklen_t *ret_len)
{
    char host[INET6_ADDRSTRLEN];
    const char *port;
    int64_t number;
    if (!endpoint_split(text, host, sizeof(host), &port) || !port || !port_parse(port, 0, &number))
        return false;
    memset(ret, 0, sizeof(*ret));
    if (text[0] == '[') {
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)number)};
        memcpy(ret, &v6, sizeof(v6));
        *ret_len = sizeof(v6);
        return inet_pton(AF_INET6, host, &((struct sockaddr_in6 *)ret)->sin6_addr) == 1;
    }
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)number)};
    memcpy(ret, &v4, sizeof(v4));
    *ret_len = sizeof(v4);
    return inet_pton(AF_INET, host, &((struct sockaddr_in *)ret)->sin_addr) == 1;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

bool value_is_list(enum row_type type)
{
    return type == ROW_STRINGS || type == ROW_CHOICES || type == ROW_URLS || type == ROW_ENDPOINTS ||
           type == ROW_NETWORKS;
}

bool value_is_text(enum row_type type)
{
    switch (type) {
    case ROW_STRING:
    case ROW_CHOICE:
    case ROW_CHOICES:
    case ROW_URL:
    case ROW_URLS:
    case ROW_NAME:
    case ROW_ADDRESS:
    case ROW_ENDPOINT:
    case ROW_STRINGS:
    case ROW_ENDPOINTS:
    case ROW_NETWORKS:
    case ROW_PATH:
        return true;
    case ROW_INT:
    case ROW_DURATION:
    case ROW_SIZE:
    case ROW_BOOL:
    case ROW_TEXTS:
    case ROW_SECRET:
    case ROW_SECRETS:
    case ROW_MAP:
    case ROW_MAPS:
    case ROW_MATCH:
        return false;
    }
    return false;
}

static bool is_choice(const char *choices, const char *text)
{
    const size_t len = strlen(text);
    for (const char *part = choices; len > 0 && !strchr(text, '|') && part; part = strchr(part, '|')) {
        part += *part == '|';
        if (strncmp(part, text, len) == 0 && (part[len] == '|' || !part[len]))
            return true;
    }
    return false;
}

static bool is_text_of_length(const struct row *row, const char *text)
{
    const size_t len = strlen(text);
    return row->min == 0 && row->max == 0 ? len <= MAX_TEXT : is_within(row, (int64_t)len);
}

json_t *value_of_text(const struct row *row, const char *text)
{
    int64_t number;
    bool fits = false;
    switch (row->type) {
    case ROW_INT:
        return number_parse(text, &number) && is_within(row, number) ? json_integer(number) : NULL;
    case ROW_DURATION:
        if (row->choices && (strcmp(text, row->choices) == 0 || strcmp(text, "0s") == 0))
            return json_integer(0);
        return duration_parse(text, &number) && is_within(row, number) ? json_integer(number) : NULL;
    case ROW_SIZE:
        return size_parse(text, &number) && (number == 0 || is_within(row, number)) ? json_integer(number) : NULL;
    case ROW_BOOL:
        return strcmp(text, "true") == 0 ? json_true() : strcmp(text, "false") == 0 ? json_false() : NULL;
    case ROW_STRING:
    case ROW_STRINGS:
        fits = is_text_of_length(row, text);
        break;
    case ROW_CHOICE:
    case ROW_CHOICES:
        fits = is_choice(row->choices, text);
        break;
    case ROW_URL:
    case ROW_URLS:
        fits = is_url(text);
        break;
    case ROW_NAME:
        fits = is_name(text);
        break;
    case ROW_ADDRESS:
        fits = is_address(text);
        break;
    case ROW_ENDPOINT:
        fits = is_endpoint(text, true, true);
        break;
    case ROW_ENDPOINTS:
        fits = is_endpoint(text, false, false);
        break;
    case ROW_NETWORKS:
        fits = network_parse(text, &(struct network){.prefix = 0});
        break;
    case ROW_PATH:
        fits = text[0] && strlen(text) < MAX_PATH_TEXT;
        break;
    case ROW_TEXTS:
    case ROW_SECRET:
    case ROW_SECRETS:
    case ROW_MAP:
    case ROW_MAPS:
    case ROW_MATCH:
        break;
    }
    return fits ? json_string(text) : NULL;
}

/* ---- for people -------------------------------------------------------------------------------------------------- */

static void describe_bounds(const struct row *row, const char *unit, struct strbuf *out)
{
    if (row->min == 0 && row->max == 0)
        return;
    if (row->type == ROW_SIZE) {
        strbuf_adds(out, " from ");
        size_describe(row->min, out);
        strbuf_adds(out, " to ");
        size_describe(row->max, out);
        strbuf_adds(out, ", or 0 for none");
    } else if (row->type == ROW_DURATION) {
        strbuf_adds(out, " from ");
        duration_describe(row->min, out);
        strbuf_adds(out, " to ");
        duration_describe(row->max, out);
    } else {
        strbuf_addf(out, "%s%" PRId64 " to %" PRId64 "%s", row->type == ROW_INT ? " from " : " of ", row->min, row->max,
                    unit);
    }
}

static void describe_choices(const char *choices, struct strbuf *out)
{
    strbuf_adds(out, strchr(choices, '|') ? "one of " : "");
    for (const char *c = choices; *c; c++) {
        if (*c == '|')
            strbuf_adds(out, ", ");
        else
            strbuf_addc(out, *c);
    }
}

void value_describe(const struct row *row, struct strbuf *out)
{
    switch (row->type) {
    case ROW_STRING:
        strbuf_adds(out, "text");
        describe_bounds(row, " bytes", out);
        break;
    case ROW_INT:
        strbuf_adds(out, "a whole number");
        describe_bounds(row, "", out);
        break;
    case ROW_DURATION:
        strbuf_adds(out, "a duration such as 500ms, 30s, 5m, 2h or 7d");
        describe_bounds(row, "", out);
        if (row->choices)
            strbuf_addf(out, ", or %s", row->choices);
        break;
    case ROW_SIZE:
        strbuf_adds(out, "a size such as 512KiB, 16MiB or 1GiB");
        describe_bounds(row, "", out);
        break;
    case ROW_BOOL:
        strbuf_adds(out, "true or false");
        break;
    case ROW_CHOICE:
        describe_choices(row->choices, out);
        break;
    case ROW_CHOICES:
        describe_choices(row->choices, out);
        strbuf_adds(out, ", or a list of them");
        break;
    case ROW_URL:
        strbuf_adds(out, "an http:// or https:// URL without user information and fragment");
        break;
    case ROW_URLS:
        strbuf_adds(out, "an http:// or https:// URL without user information and fragment, or a list of them");
        break;
    case ROW_NAME:
        strbuf_adds(out, "a DNS name");
        break;
    case ROW_ADDRESS:
        strbuf_adds(out, "an IPv4 or IPv6 address");
        break;
    case ROW_ENDPOINT:
        strbuf_adds(out, "ADDRESS:PORT, NAME:PORT or [IPv6]:PORT");
        break;
    case ROW_STRINGS:
        strbuf_adds(out, "text or a list of texts");
        describe_bounds(row, " bytes", out);
        break;
    case ROW_ENDPOINTS:
        strbuf_adds(out, "ADDRESS, ADDRESS:PORT or [IPv6]:PORT, or a list of them");
        break;
    case ROW_SECRET:
        strbuf_adds(out, "a secret, as \"${env:NAME}\" or \"${file:PATH}\"");
        break;
    case ROW_NETWORKS:
        strbuf_adds(out, "an IP address, or ADDRESS/PREFIX without bits behind the prefix, or a list of them");
        break;
    case ROW_PATH:
        strbuf_adds(out, "a path");
        break;
    case ROW_TEXTS:
        strbuf_adds(out, "a mapping of names to texts");
        break;
    case ROW_SECRETS:
        strbuf_adds(out, "a secret, as \"${env:NAME}\" or \"${file:PATH}\", or a list of them");
        break;
    case ROW_MAP:
        strbuf_adds(out, "a mapping");
        break;
    case ROW_MAPS:
        strbuf_adds(out, "a mapping or a list of them");
        break;
    case ROW_MATCH:
        strbuf_adds(out, "a mapping of labels to a text, a list of texts, or \"~\" and a regular expression");
        break;
    }
}
