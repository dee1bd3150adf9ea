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
    bool is_right = false;
    /* All are compared, and the user like a secret, so that time does not tell which was right. */
    for (size_t i = 0; i < source->n_basic; i++) {
        const struct basic_credential *basic = &source->basic[i];
        const struct secret user = {basic->user, strlen(basic->user)};
        bool is_user = secret_equal(&user, text, user_len);
        bool is_password = secret_equal(&basic->password, colon ? colon + 1 : text, colon ? len - user_len - 1 : len);
        is_right |= colon && is_user && is_password;
    }
    secret_wipe(text, sizeof text);
    return is_right;
}

bool credential_is_needed(const struct source *source)
{
    return source->bearer.n > 0 || source->path_token.n > 0 || source->n_basic > 0;
}

bool credential_is_right(const struct source *source, const char *authorization, const char *path_token)
{
    if (!credential_is_needed(source))
        return true;
    const char *bearer = credential_bearer(authorization);
    const char *basic = after_scheme(authorization, "Basic");
    if (path_token && path_token[0] && secret_list_equal(&source->path_token, path_token, strlen(path_token)))
        return true;
    if (bearer && secret_list_equal(&source->bearer, bearer, strlen(bearer)))
        return true;
    return basic && basic_is_right(source, basic);
}
