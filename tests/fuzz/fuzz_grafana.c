/* Fuzzes the Grafana handler: its bodies against the Alertmanager handler, and its signatures against a plain reading
 * of the rule.
 *
 * The first byte of an input says which: "p", a body; "h", a line for the signature, then the body; "t", a line for the
 * signature, a line for the time, then the body. A "$" in the signature's line becomes the right signature. */
#include "source.h"

#define NOW INT64_C(1795226405000)
#define SECRET "fuzz"

static void try_body(const struct source *source, const char *text, size_t len)
{
    const struct handler_request request = {.source = source, .body = text, .len = len, .is_stored = true};
    const struct said ours = parse(source->handler, &request);
    const struct said theirs = parse(handler_find("alertmanager"), &request);
    expect_same(&ours, &theirs, "Grafana's body is not read as Alertmanager's");
}

static void sign(const char *timestamp, const char *text, size_t len, char hex[2 * SHA256_SIZE + 1])
{
    const struct bytes_view parts[] = {{timestamp, strlen(timestamp)}, {":", 1}, {text, len}};
    size_t first = timestamp[0] ? 0 : 2;
    struct sha256 mac = hmac_sha256_of_parts(SECRET, strlen(SECRET), parts + first, 3 - first);
    hex_encode(mac.bytes, sizeof mac.bytes, hex);
}

static bool is_recent(const char *timestamp)
{
    size_t len = strlen(timestamp);
    if (len == 0 || len > 12 || strspn(timestamp, "0123456789") != len)
        return false;
    int64_t age = NOW - strtoll(timestamp, NULL, 10) * 1000;
    return age <= 300000 && age >= -300000;
}

static void try_signed(const struct source *source, bool has_time, const char *text, size_t len)
{
    struct fuzz_headers headers = {.names = {"X-Grafana-Alerting-Signature", has_time ? "X-Time" : NULL}};
    char right[2 * SHA256_SIZE + 1];
    if (!line_take(&text, &len, headers.values[0]) || (has_time && !line_take(&text, &len, headers.values[1])))
        return;
    sign(has_time ? headers.values[1] : "", text, len, right);
    fill_in(headers.values[0], right);
    struct handler_request request = {
        .source = source, .body = text, .len = len, .header = header_of, .context = &headers, .now = NOW};
    const struct said outcome = parse(source->handler, &request);
    if (strcasecmp(headers.values[0], right) != 0 || (has_time && !is_recent(headers.values[1]))) {
        expect(outcome.err == ERR_DENIED, "a body was taken that is not signed");
        return;
    }
    request.is_stored = true;
    const struct said stored = parse(source->handler, &request);
    expect_same(&outcome, &stored, "a signed body says something else once it is stored");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct source *plain, *with_header, *with_time;
    if (!plain) {
        plain = source_load("kind: grafana, bearer: '0123456789abcdef'");
        with_header = source_load("kind: grafana, hmac_secret: " SECRET);
        with_time = source_load("kind: grafana, hmac_secret: [other, " SECRET "], timestamp_header: X-Time");
    }
    if (size == 0)
        return 0;
    const char *text = (const char *)data + 1;
    if (data[0] == 'p')
        try_body(plain, text, size - 1);
    else if (data[0] == 'h')
        try_signed(with_header, false, text, size - 1);
    else if (data[0] == 't')
        try_signed(with_time, true, text, size - 1);
    return 0;
}
