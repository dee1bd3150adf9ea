/* The $1$ signature of OVHcloud's API, over the exact URL and body that are sent. Pure.
 *
 * Format: https://help.ovhcloud.com, "First steps with the OVHcloud APIs", and the official python-ovh and go-ovh. */
#ifndef TURNOUT_ACTIONS_OVH_SIGN_H
#define TURNOUT_ACTIONS_OVH_SIGN_H

#include "base/err.h"
#include "base/secret.h"

#include <stdint.h>

#define OVH_SIGNATURE_SIZE 44 /* "$1$", 40 hex digits, NUL */

/* `body` may be NULL; `timestamp` is the server's time in seconds. ERR_NO_MEMORY. */
MUST_CHECK enum err ovh_sign(const struct secret *application_secret, const struct secret *consumer_key,
                             const char *method, const char *url, const char *body, size_t body_len, int64_t timestamp,
                             char ret[OVH_SIGNATURE_SIZE]);

#endif
