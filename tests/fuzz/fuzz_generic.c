/* Fuzzes the generic handler: bodies of several sources, and its signatures against a plain reading of the rules.
 *
 * The first byte of an input says which source: "p", "u" and "m" take a body (the times are texts, seconds,
 * milliseconds), "i" one of several alerts; "h" and "b" a line for the signature and the body; "w" three lines for the
 * headers of Standard Webhooks and the body. A "$" in a signature's line becomes the right signature. */
#include "source.h"

#define NOW INT64_C(1795226405000)
#define SECRET "fuzz"
#define KEY "0123456789abcdef"
#define COMMON                                                                                                         \
    "kind: generic, identity: [/id, /on/0/~1], state: /state, down: [down, 0, false], up: [up, 1, true], ignored: "    \
    "[x, 2], "                                                                                                         \
    "labels: {a: /a, b: /on/0/b, '': ''}, time: [/then, /at], "

static void base64_encode(const uint8_t *bytes, char text[45])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0, at = 0; i < SHA256_SIZE; i += 3, at += 4) {
        uint32_t bits =
            (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | (i + 2 < SHA256_SIZE ? (uint32_t)bytes[i + 2] : 0);
        for (size_t k = 0; k < 4; k++)
            text[at + k] = digits[bits >> (18 - 6 * k) & 63];
    }
    text[43] = '=';
    text[44] = '\0';
}

/* By all readings the alerts are those of the stored body. */
static void expect_taken(const struct handler_request *request, const struct said *outcome)
{
    struct handler_request stored_request = *request;
    stored_request.is_stored = true;
    const struct said stored = parse(request->source->handler, &stored_request);
    expect_same(outcome, &stored, "a signed body says something else once it is stored");
}

static void try_body(const struct source *source, const char *text, size_t len)
{
    const struct handler_request request = {.source = source, .body = text, .len = len, .now = NOW};
    const struct said outcome = parse(source->handler, &request);
    expect(outcome.err != ERR_DENIED, "denied without a signature that could be wrong");
    expect(outcome.err != ERR_OK || outcome.n > 0 || outcome.says_nothing, "no alert, and no reason why");
}

static void try_hmac(const struct source *source, bool is_base64, const char *text, size_t len)
{
    struct fuzz_headers headers = {.names = {"X-Signature", NULL}};
    char right[2 * SHA256_SIZE + 1], whole[100];
    if (!line_take(&text, &len, headers.values[0]))
        return;
    struct sha256 mac = hmac_sha256(SECRET, strlen(SECRET), text, len);
    if (is_base64)
        base64_encode(mac.bytes, right);
    else
        hex_encode(mac.bytes, sizeof mac.bytes, right);
    fill_in(headers.values[0], right);
    snprintf(whole, sizeof whole, "%s%s", is_base64 ? "" : "sha256=", right);
    bool is_right = is_base64 ? strcmp(headers.values[0], whole) == 0
                              : strncmp(headers.values[0], whole, 7) == 0 && strcasecmp(headers.values[0], whole) == 0;
    const struct handler_request request = {
        .source = source, .body = text, .len = len, .header = header_of, .context = &headers, .now = NOW};
    const struct said outcome = parse(source->handler, &request);
    if (is_right)
        expect_taken(&request, &outcome);
    else
        expect(outcome.err == ERR_DENIED, "a body was taken that is not signed");
}

static bool is_recent(const char *timestamp)
{
    size_t len = strlen(timestamp);
    if (len == 0 || len > 12 || strspn(timestamp, "0123456789") != len)
        return false;
    int64_t age = NOW - strtoll(timestamp, NULL, 10) * 1000;
    return age <= 300000 && age >= -300000;
}

/* Whether "v1,SIGNATURE" is a word of the list. */
static bool is_in_list(const char *list, const char *signature)
{
    char word[64];
    snprintf(word, sizeof word, "v1,%s", signature);
    size_t len = strlen(word);
    for (const char *at = strstr(list, word); at; at = strstr(at + 1, word)) {
        if ((at == list || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    }
    return false;
}

static void try_standard(const struct source *source, const char *text, size_t len)
{
    struct fuzz_headers headers = {.names = {"webhook-id", "webhook-timestamp", "webhook-signature"}};
    char right[45];
    for (size_t i = 0; i < 3; i++)
        if (!line_take(&text, &len, headers.values[i]))
            return;
    const char *id = headers.values[0], *timestamp = headers.values[1];
    const struct bytes_view parts[] = {
        {id, strlen(id)}, {".", 1}, {timestamp, strlen(timestamp)}, {".", 1}, {text, len}};
    struct sha256 mac = hmac_sha256_of_parts(KEY, strlen(KEY), parts, 5);
    base64_encode(mac.bytes, right);
    fill_in(headers.values[2], right);
    const struct handler_request request = {
        .source = source, .body = text, .len = len, .header = header_of, .context = &headers, .now = NOW};
    const struct said outcome = parse(source->handler, &request);
    /* At most 11 signatures fit into a line: the bound of a list is not reached. */
    if (id[0] && strlen(id) <= 256 && !strchr(id, '.') && is_recent(timestamp) && is_in_list(headers.values[2], right))
        expect_taken(&request, &outcome);
    else
        expect(outcome.err == ERR_DENIED, "a body was taken that is not signed");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct source *texts, *seconds, *milliseconds, *items, *hex, *base64, *standard;
    if (!texts) {
        texts = source_load(COMMON "time_format: utc, bearer: '0123456789abcdef'");
        seconds = source_load(COMMON "time_format: unix, bearer: '0123456789abcdef'");
        milliseconds = source_load(COMMON "time_format: unix_ms, bearer: '0123456789abcdef'");
        items = source_load(COMMON "time_format: rfc3339, items: /items, bearer: '0123456789abcdef'");
        hex = source_load(COMMON "hmac_secret: [other, " SECRET "], hmac_header: X-Signature, hmac_prefix: sha256=");
        base64 = source_load(COMMON "hmac_secret: " SECRET ", hmac_header: X-Signature, hmac_encoding: base64");
        standard = source_load(COMMON "standard_webhooks_secret: whsec_MDEyMzQ1Njc4OWFiY2RlZg==");
    }
    if (size == 0)
        return 0;
    const char *text = (const char *)data + 1;
    switch (data[0]) {
    case 'p':
        try_body(texts, text, size - 1);
        break;
    case 'u':
        try_body(seconds, text, size - 1);
        break;
    case 'm':
        try_body(milliseconds, text, size - 1);
        break;
    case 'i':
        try_body(items, text, size - 1);
        break;
    case 'h':
    case 'b':
        try_hmac(data[0] == 'h' ? hex : base64, data[0] == 'b', text, size - 1);
        break;
    case 'w':
        try_standard(standard, text, size - 1);
        break;
    default:
        break;
    }
    return 0;
}
