/* Credentials of the Authorization header, compared in constant time. Nothing here keeps, logs or shows them. */
#include "http/http_internal.h"

#include "base/digest.h"

#include <string.h>
#include <strings.h>

#define MAX_BASIC 1024 /* bytes of "user:password" */

/* What follows the scheme; NULL when it is another one. */
static const char *after_scheme(const char *authorization, const char *scheme)
{
    size_t len = strlen(scheme);
    if (!authorization || strncasecmp(authorization, scheme, len) != 0 || authorization[len] != ' ')
        return NULL;
    return authorization + len + strspn(authorization + len, " ");
}

const char *credential_bearer(const char *authorization)
{
    return after_scheme(authorization, "Bearer");
}

static bool basic_is_right(const struct source *source, const char *base64)
{
    char text[MAX_BASIC];
    size_t len;
    if (base64_decode(base64, strlen(base64), text, sizeof text, &len) != ERR_OK)
        return false;
    const char *colon = memchr(text, ':', len);
    size_t user_len = colon ? (size_t)(colon - text) : len;
    /* Compared like a secret, so that time does not tell whether the user was right. */
    const struct secret user = {source->basic_user, strlen(source->basic_user)};
    bool is_user = secret_equal(&user, text, user_len);
    bool is_password =
        secret_equal(&source->basic_password, colon ? colon + 1 : text, colon ? len - user_len - 1 : len);
    secret_wipe(text, sizeof text);
    return colon && is_user && is_password;
}

bool credential_is_right(const struct source *source, const char *authorization)
{
    const char *bearer = credential_bearer(authorization);
    if (bearer && secret_is_set(&source->bearer))
        return secret_equal(&source->bearer, bearer, strlen(bearer));
    const char *basic = after_scheme(authorization, "Basic");
    if (basic && source->basic_user)
        return basic_is_right(source, basic);
    return false;
}
