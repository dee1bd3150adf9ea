#include "actions/ovh_sign.h"

#include "base/digest.h"
#include "base/strbuf.h"

#include <string.h>

enum err ovh_sign(const struct secret *application_secret, const struct secret *consumer_key, const char *method,
                  const char *url, const char *body, size_t body_len, int64_t timestamp, char ret[OVH_SIGNATURE_SIZE])
{
    struct strbuf text = STRBUF_INIT;
    uint8_t digest[SHA1_SIZE];
    strbuf_adds(&text, application_secret->bytes ? application_secret->bytes : "");
    strbuf_addc(&text, '+');
    strbuf_adds(&text, consumer_key->bytes ? consumer_key->bytes : "");
    strbuf_addf(&text, "+%s+%s+", method, url);
    strbuf_add(&text, body ? body : "", body ? body_len : 0);
    strbuf_addf(&text, "+%lld", (long long)timestamp);
    bool is_broken = text.is_broken;
    if (!is_broken) {
        sha1_of(text.data, text.len, digest);
        memcpy(ret, "$1$", 3);
        hex_encode(digest, sizeof(digest), ret + 3);
    }
    if (text.data)
        secret_wipe(text.data, text.len);
    strbuf_done(&text);
    return is_broken ? ERR_NO_MEMORY : ERR_OK;
}
