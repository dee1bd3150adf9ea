/* See signature.h. */
#include "handlers/signature.h"

#include "base/digest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SIGNATURES 16       /* in one header; a sender that changes its key sends two */
#define MAX_ID 256              /* bytes of webhook-id */
#define MAX_TIMESTAMP_DIGITS 12 /* seconds; enough for 30,000 years */
#define MIN_KEY 16
#define MAX_KEY 64

/* Signatures as they were given, decoded. */
struct given {
    struct sha256 macs[MAX_SIGNATURES];
    size_t n;
};

static enum err mac_decode(enum signature_encoding encoding, const char *text, size_t len, struct sha256 *ret)
{
    size_t mac_len = sizeof ret->bytes;
    switch (encoding) {
    case SIGNATURE_HEX:
        return hex_decode(text, len, ret->bytes, sizeof ret->bytes);
    case SIGNATURE_BASE64:
        if (base64_decode(text, len, ret->bytes, sizeof ret->bytes, &mac_len) != ERR_OK)
            return ERR_INVALID;
        return mac_len == sizeof ret->bytes ? ERR_OK : ERR_INVALID;
    }
    return ERR_INVALID;
}

/* Whether one of the signatures given is that of the parts by one of the secrets. Every pair is compared, so that time
 * does not tell which it was. */
static bool is_signed_by_one(const struct secret_list *secrets, const struct bytes_view *parts, size_t n_parts,
                             const struct given *given)
{
    bool is_right = false;
    for (size_t i = 0; i < secrets->n; i++) {
        const struct secret *key = &secrets->items[i];
        if (!secret_is_set(key))
            continue;
        struct sha256 mac = hmac_sha256_of_parts(key->bytes, key->len, parts, n_parts);
        const struct secret wanted = {(char *)mac.bytes, sizeof mac.bytes};
        for (size_t k = 0; k < given->n; k++)
            is_right |= secret_equal(&wanted, (const char *)given->macs[k].bytes, sizeof given->macs[k].bytes);
        secret_wipe(&mac, sizeof mac);
    }
    return is_right;
}

static const char *header_of(const struct handler_request *request, const char *name)
{
    return request->header ? request->header(request, name) : NULL;
}

static enum err required_header(const struct handler_request *request, const char *name, const char **ret,
                                struct errmsg *why)
{
    *ret = header_of(request, name);
    if (!*ret || !**ret)
        return err_set(why, ERR_DENIED, "the delivery is not signed: it has no header %s", name);
    return ERR_OK;
}

/* Digits only: with a sign or a space before it the same number would have several texts, and where the timestamp ends
 * and the body begins could be argued about. */
static enum err timestamp_read(const struct handler_request *request, const char *name, const char **ret_text,
                               int64_t *ret_ms, struct errmsg *why)
{
    enum err err = required_header(request, name, ret_text, why);
    if (err != ERR_OK)
        return err;
    size_t digits = strspn(*ret_text, "0123456789");
    if (digits == 0 || digits > MAX_TIMESTAMP_DIGITS || (*ret_text)[digits])
        return err_set(why, ERR_DENIED, "the header %s must be whole seconds since 1970", name);
    *ret_ms = (int64_t)strtoll(*ret_text, NULL, 10) * 1000;
    return ERR_OK;
}

static enum err expect_recent(int64_t signed_at, int64_t tolerance_ms, int64_t now, struct errmsg *why)
{
    int64_t age = now - signed_at;
    if (age > tolerance_ms)
        return err_set(why, ERR_DENIED,
                       "it was signed %" PRId64 " s ago, and at most %" PRId64
                       " s are taken: a copy of an old delivery, or a clock that is wrong",
                       age / 1000, tolerance_ms / 1000);
    if (age < -tolerance_ms)
        return err_set(why, ERR_DENIED,
                       "it was signed %" PRId64 " s from now, and at most %" PRId64
                       " s are taken: the sender's clock or ours is wrong",
                       -age / 1000, tolerance_ms / 1000);
    return ERR_OK;
}

static enum err signature_read(const struct signature_rule *rule, const struct handler_request *request,
                               struct given *ret, struct errmsg *why)
{
    const char *text;
    enum err err = required_header(request, rule->header, &text, why);
    if (err != ERR_OK)
        return err;
    size_t prefix_len = strlen(rule->prefix);
    if (strncmp(text, rule->prefix, prefix_len) != 0 ||
        mac_decode(rule->encoding, text + prefix_len, strlen(text + prefix_len), &ret->macs[0]) != ERR_OK)
        return err_set(why, ERR_DENIED, "the header %s is not \"%s\" and the %s of 32 bytes", rule->header,
                       rule->prefix, rule->encoding == SIGNATURE_HEX ? "hex digits" : "base64");
    ret->n = 1;
    return ERR_OK;
}

enum err signature_verify(const struct signature_rule *rule, const struct handler_request *request, struct errmsg *why)
{
    struct given given;
    const char *timestamp = "";
    int64_t signed_at = request->now;
    if (request->is_stored)
        return ERR_OK;
    enum err err = signature_read(rule, request, &given, why);
    if (err == ERR_OK && rule->timestamp_header)
        err = timestamp_read(request, rule->timestamp_header, &timestamp, &signed_at, why);
    if (err != ERR_OK)
        return err;
    const struct bytes_view parts[] = {{timestamp, strlen(timestamp)}, {":", 1}, {request->body, request->len}};
    size_t first = rule->timestamp_header ? 0 : 2;
    if (!is_signed_by_one(rule->secrets, parts + first, 3 - first, &given))
        return err_set(why, ERR_DENIED, "the signature in %s is not that of this body%s by any of our secrets",
                       rule->header, rule->timestamp_header ? " and time" : "");
    return expect_recent(signed_at, rule->tolerance_ms, request->now, why);
}

/* ---- Standard Webhooks ------------------------------------------------------------------------------------------- */

/* Those of the list that are version 1; what cannot be decoded is no signature, but no reason to refuse another. */
static void list_read(const char *list, struct given *ret)
{
    ret->n = 0;
    for (const char *at = list; *at && ret->n < MAX_SIGNATURES;) {
        size_t len = strcspn(at, " ");
        if (len > 3 && strncmp(at, "v1,", 3) == 0 &&
            mac_decode(SIGNATURE_BASE64, at + 3, len - 3, &ret->macs[ret->n]) == ERR_OK)
            ret->n++;
        at += len + strspn(at + len, " ");
    }
}

/* Without a full stop in it: otherwise the same signed bytes could be read as another id and another body. */
static enum err id_read(const struct handler_request *request, const char **ret, struct errmsg *why)
{
    enum err err = required_header(request, "webhook-id", ret, why);
    if (err == ERR_OK && (strlen(*ret) > MAX_ID || strchr(*ret, '.')))
        return err_set(why, ERR_DENIED, "the header webhook-id is longer than %d bytes or holds a full stop", MAX_ID);
    return err;
}

enum err signature_verify_standard(const struct secret_list *keys, int64_t tolerance_ms,
                                   const struct handler_request *request, struct errmsg *why)
{
    struct given given;
    const char *id, *timestamp, *list;
    int64_t signed_at;
    if (request->is_stored)
        return ERR_OK;
    enum err err = id_read(request, &id, why);
    if (err == ERR_OK)
        err = timestamp_read(request, "webhook-timestamp", &timestamp, &signed_at, why);
    if (err == ERR_OK)
        err = required_header(request, "webhook-signature", &list, why);
    if (err != ERR_OK)
        return err;
    list_read(list, &given);
    if (given.n == 0)
        return err_set(why, ERR_DENIED, "the header webhook-signature holds no \"v1,\" and the base64 of 32 bytes");
    const struct bytes_view parts[] = {
        {id, strlen(id)}, {".", 1}, {timestamp, strlen(timestamp)}, {".", 1}, {request->body, request->len}};
    if (!is_signed_by_one(keys, parts, sizeof parts / sizeof parts[0], &given))
        return err_set(why, ERR_DENIED,
                       "no signature in webhook-signature is that of this id, time and body by any of our secrets");
    return expect_recent(signed_at, tolerance_ms, request->now, why);
}

enum err signature_key_read(const struct secret *text, struct secret *ret, struct errmsg *why)
{
    static const char prefix[] = "whsec_";
    const size_t prefix_len = sizeof prefix - 1;
    char key[MAX_KEY];
    size_t len = 0;
    bool is_key = text->len > prefix_len && strncmp(text->bytes, prefix, prefix_len) == 0 &&
                  base64_decode(text->bytes + prefix_len, text->len - prefix_len, key, sizeof key, &len) == ERR_OK &&
                  len >= MIN_KEY;
    enum err err = ERR_OK;
    if (!is_key)
        err = err_set(why, ERR_INVALID,
                      "a secret of Standard Webhooks must be \"whsec_\" and the base64 of %d to %d bytes", MIN_KEY,
                      MAX_KEY);
    else if (secret_set(ret, key, len) != ERR_OK)
        err = err_set(why, ERR_NO_MEMORY, "out of memory");
    secret_wipe(key, sizeof key);
    return err;
}
