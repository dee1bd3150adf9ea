/* What libcurl tells of the server's certificate. For fetch/fetch.c alone. */
#ifndef TURNOUT_SERVER_FETCH_CERTIFICATE_H
#define TURNOUT_SERVER_FETCH_CERTIFICATE_H

#include <curl/curl.h>
#include <stdint.h>

/* Before a transfer: it is to be told. */
void fetch_certificate_ask(CURL *easy);
/* Behind it: when the server's own certificate ends, wall; 0: there was none, or libcurl does not say. */
int64_t fetch_certificate_end(CURL *easy);

#endif
