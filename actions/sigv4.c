#include "actions/sigv4.h"

#include "actions/common.h"
#include "base/digest.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_PARAMETERS 64

struct parameter {
    char *name; /* encoded; owned */
    char *value;
};

/* The parts of a URL, all borrowed from it. */
struct url_parts {
    const char *host; /* with the port, but for the scheme's own */
    size_t host_len;
    const char *path; /* may be empty */
    size_t path_len;
    const char *query; /* behind the ?; may be empty */
    size_t query_len;
};

static bool has_suffix(const char *text, size_t len, const char *suffix)
{
    size_t suffix_len = strlen(suffix);
    return len > suffix_len && memcmp(text + len - suffix_len, suffix, suffix_len) == 0;
}

/* A Host header leaves the scheme's own port out, and libcurl does so too. */
static enum err url_split(const char *url, struct url_parts *ret, struct errmsg *why)
{
    bool is_tls = strncasecmp(url, "https://", 8) == 0;
    if (!is_tls && strncasecmp(url, "http://", 7) != 0)
        return err_set(why, ERR_INVALID, "\"%.200s\" is not an http or https URL", url);
    ret->host = url + (is_tls ? 8 : 7);
    ret->host_len = strcspn(ret->host, "/?#");
    ret->path = ret->host + ret->host_len;
    ret->path_len = strcspn(ret->path, "?#");
    ret->query = ret->path + ret->path_len;
    if (*ret->query == '?')
        ret->query++;
    ret->query_len = strcspn(ret->query, "#");
    if (ret->host_len == 0 || memchr(ret->host, '@', ret->host_len))
        return err_set(why, ERR_INVALID, "\"%.200s\" has no plain host", url);
    const char *own_port = is_tls ? ":443" : ":80";
    if (has_suffix(ret->host, ret->host_len, own_port))
        ret->host_len -= strlen(own_port);
    return ERR_OK;
}

/* ---- the canonical request --------------------------------------------------------------------------------------- */

/* The character that "%XX" stands for, -1 when `text` does not begin with one. */
static int escape_read(const char *text, size_t len)
{
    int high = len > 2 && text[0] == '%' ? hex_value(text[1]) : -1;
    int low = high >= 0 ? hex_value(text[2]) : -1;
    return low >= 0 ? high * 16 + low : -1;
}

/* Encodes all but the unreserved characters; where asked, what is percent-encoded already is decoded first. */
static char *encode_again(const char *text, size_t len, bool is_decoded)
{
    struct strbuf made = STRBUF_INIT;
    for (size_t i = 0; i < len; i++) {
        int decoded = is_decoded ? escape_read(text + i, len - i) : -1;
        char one[2] = {decoded >= 0 ? (char)decoded : text[i], '\0'};
        if (one[0] == '\0')
            strbuf_adds(&made, "%00");
        else
            url_encode(&made, one);
        i += decoded >= 0 ? 2 : 0;
    }
    return strbuf_take(&made);
}

/* "." and ".." are resolved and empty segments dropped, as the receiver does; then each segment is encoded once more.
 */
static void path_add(struct strbuf *canonical, const char *path, size_t len)
{
    size_t starts[128], n_segments = 0, start = canonical->len;
    for (size_t i = 0; i < len;) {
        size_t segment = 0;
        while (i + segment < len && path[i + segment] != '/')
            segment++;
        bool is_up = segment == 2 && memcmp(path + i, "..", 2) == 0;
        if (is_up && n_segments > 0 && !canonical->is_broken) {
            canonical->len = starts[--n_segments];
            canonical->data[canonical->len] = '\0';
        } else if (segment > 0 && !is_up && !(segment == 1 && path[i] == '.') && n_segments < 128) {
            char *encoded = encode_again(path + i, segment, false);
            starts[n_segments++] = canonical->len;
            strbuf_addc(canonical, '/');
            if (encoded)
                strbuf_adds(canonical, encoded);
            else
                canonical->is_broken = true;
            free(encoded);
        }
        i += segment + 1;
    }
    if (canonical->len == start || (len > 0 && path[len - 1] == '/'))
        strbuf_addc(canonical, '/');
}

static int parameter_compare(const void *a, const void *b)
{
    const struct parameter *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order != 0 ? order : strcmp(x->value, y->value);
}

/* Sorted by encoded name, then by encoded value. */
static enum err query_add(struct strbuf *canonical, const char *query, size_t len, struct errmsg *why)
{
    struct parameter parameters[MAX_PARAMETERS];
    size_t n = 0;
    enum err err = ERR_OK;
    for (size_t i = 0; i < len && err == ERR_OK;) {
        const char *end = memchr(query + i, '&', len - i);
        size_t pair = end ? (size_t)(end - (query + i)) : len - i;
        const char *equals = memchr(query + i, '=', pair);
        size_t name = equals ? (size_t)(equals - (query + i)) : pair;
        if (pair > 0 && n == MAX_PARAMETERS) {
            err = err_set(why, ERR_INVALID, "a query of more than %d parameters", MAX_PARAMETERS);
        } else if (pair > 0) {
            parameters[n].name = encode_again(query + i, name, true);
            parameters[n].value = equals ? encode_again(equals + 1, pair - name - 1, true) : strdup("");
            if (!parameters[n].name || !parameters[n].value)
                err = err_set(why, ERR_NO_MEMORY, "out of memory");
            n++;
        }
        i += pair + 1;
    }
    if (err == ERR_OK && n > 1)
        qsort(parameters, n, sizeof(parameters[0]), parameter_compare);
    for (size_t i = 0; i < n; i++) {
        if (err == ERR_OK)
            strbuf_addf(canonical, "%s%s=%s", i ? "&" : "", parameters[i].name, parameters[i].value);
        free(parameters[i].name);
        free(parameters[i].value);
    }
    return err;
}

static int header_compare(const void *a, const void *b)
{
    const struct fetch_header *x = a, *y = b;
    return strcasecmp(x->name, y->name);
}

static void lower_add(struct strbuf *text, const char *name)
{
    for (const char *c = name; *c; c++)
        strbuf_addc(text, (char)tolower((unsigned char)*c));
}

/* Spaces around a value are dropped, runs of them within it become one. */
static void value_add(struct strbuf *text, const char *value)
{
    bool is_first = true;
    for (const char *c = value; *c;) {
        c += strspn(c, " \t");
        size_t word = strcspn(c, " \t");
        if (word > 0 && !is_first)
            strbuf_addc(text, ' ');
        strbuf_add(text, c, word);
        is_first = is_first && word == 0;
        c += word;
    }
}

static void headers_add(struct strbuf *canonical, struct strbuf *names, const struct fetch_header *headers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        lower_add(canonical, headers[i].name);
        strbuf_addc(canonical, ':');
        value_add(canonical, headers[i].value);
        strbuf_addc(canonical, '\n');
        if (i > 0)
            strbuf_addc(names, ';');
        lower_add(names, headers[i].name);
    }
}

/* All that is signed, in order. Returns how many. */
static size_t headers_collect(const struct sigv4_key *key, const struct fetch_request *request, const char *host,
                              const char *date, struct fetch_header ret[SIGV4_MAX_HEADERS + 3])
{
    size_t n = request->n_headers;
    if (n > 0)
        memcpy(ret, request->headers, n * sizeof(ret[0]));
    ret[n++] = (struct fetch_header){"Host", host, false};
    ret[n++] = (struct fetch_header){"X-Amz-Date", date, false};
    if (key->session_token)
        ret[n++] = (struct fetch_header){"X-Amz-Security-Token", key->session_token, true};
    qsort(ret, n, sizeof(ret[0]), header_compare);
    return n;
}

static enum err canonical_make(const struct sigv4_key *key, const struct fetch_request *request, const char *date,
                               struct strbuf *canonical, struct strbuf *names, struct errmsg *why)
{
    struct url_parts parts = {0};
    struct fetch_header headers[SIGV4_MAX_HEADERS + 3];
    if (request->n_headers > SIGV4_MAX_HEADERS)
        return err_set(why, ERR_INVALID, "more than %d headers to sign", SIGV4_MAX_HEADERS);
    enum err err = url_split(request->url, &parts, why);
    if (err != ERR_OK)
        return err;
    strbuf_addf(canonical, "%s\n", request->method);
    path_add(canonical, parts.path, parts.path_len);
    strbuf_addc(canonical, '\n');
    err = query_add(canonical, parts.query, parts.query_len, why);
    if (err != ERR_OK)
        return err;
    strbuf_addc(canonical, '\n');
    char *host = strndup(parts.host, parts.host_len);
    if (!host)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    headers_add(canonical, names, headers, headers_collect(key, request, host, date, headers));
    free(host);
    char hash[2 * SHA256_SIZE + 1];
    struct sha256 body = sha256_of(request->body ? request->body : "", request->body ? request->body_len : 0);
    hex_encode(body.bytes, sizeof(body.bytes), hash);
    strbuf_addf(canonical, "\n%s\n%s", strbuf_text(names), hash);
    if (canonical->is_broken || names->is_broken)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    return ERR_OK;
}

/* ---- the signature ----------------------------------------------------------------------------------------------- */

static struct sha256 hmac_text(const struct sha256 *key, const char *text)
{
    return hmac_sha256(key->bytes, sizeof(key->bytes), text, strlen(text));
}

static enum err signing_key(const struct sigv4_key *key, const char *day, struct sha256 *ret)
{
    struct strbuf first = STRBUF_INIT;
    strbuf_adds(&first, "AWS4");
    strbuf_add(&first, key->secret_access_key->bytes, key->secret_access_key->len);
    if (first.is_broken) {
        strbuf_done(&first);
        return ERR_NO_MEMORY;
    }
    struct sha256 step = hmac_sha256(first.data, first.len, day, strlen(day));
    secret_wipe(first.data, first.len);
    strbuf_done(&first);
    step = hmac_text(&step, key->region);
    step = hmac_text(&step, key->service);
    *ret = hmac_text(&step, "aws4_request");
    secret_wipe(&step, sizeof(step));
    return ERR_OK;
}

static enum err authorize(const struct sigv4_key *key, const char *date, const struct strbuf *canonical,
                          const char *names, struct strbuf *ret)
{
    char day[9], hash[2 * SHA256_SIZE + 1];
    struct strbuf scope = STRBUF_INIT, to_sign = STRBUF_INIT;
    struct sha256 digest = sha256_of(canonical->data, canonical->len), signer = {{0}};
    snprintf(day, sizeof(day), "%.8s", date);
    strbuf_addf(&scope, "%s/%s/%s/aws4_request", day, key->region, key->service);
    hex_encode(digest.bytes, sizeof(digest.bytes), hash);
    strbuf_addf(&to_sign, "AWS4-HMAC-SHA256\n%s\n%s\n%s", date, strbuf_text(&scope), hash);
    enum err err = scope.is_broken || to_sign.is_broken ? ERR_NO_MEMORY : signing_key(key, day, &signer);
    if (err == ERR_OK) {
        digest = hmac_text(&signer, to_sign.data);
        hex_encode(digest.bytes, sizeof(digest.bytes), hash);
        strbuf_addf(ret, "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s", key->access_key_id,
                    strbuf_text(&scope), names, hash);
    }
    secret_wipe(&signer, sizeof(signer));
    strbuf_done(&scope);
    strbuf_done(&to_sign);
    return err == ERR_OK && ret->is_broken ? ERR_NO_MEMORY : err;
}

enum err sigv4_sign(const struct sigv4_key *key, const struct fetch_request *request, int64_t wall_ms,
                    struct sigv4_signed *ret, struct errmsg *why)
{
    struct strbuf canonical = STRBUF_INIT, names = STRBUF_INIT;
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    *ret = (struct sigv4_signed){.authorization = STRBUF_INIT};
    if (!gmtime_r(&seconds, &utc) || strftime(ret->date, sizeof(ret->date), "%Y%m%dT%H%M%SZ", &utc) != 16)
        return err_set(why, ERR_INVALID, "the clock shows a time that cannot be signed");
    enum err err = canonical_make(key, request, ret->date, &canonical, &names, why);
    if (err == ERR_OK) {
        err = authorize(key, ret->date, &canonical, strbuf_text(&names), &ret->authorization);
        if (err != ERR_OK)
            (void)err_set(why, err, "out of memory");
    }
    if (canonical.data) /* it may hold the session token */
        secret_wipe(canonical.data, canonical.len);
    strbuf_done(&canonical);
    strbuf_done(&names);
    if (err != ERR_OK)
        sigv4_signed_done(ret);
    return err;
}

void sigv4_signed_done(struct sigv4_signed *made)
{
    strbuf_done(&made->authorization);
}
