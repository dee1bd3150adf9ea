#include "fetch/certificate.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* "2026-12-05 09:00:00 GMT" where libcurl uses GnuTLS, "Dec  5 09:00:00 2026 GMT" where it uses OpenSSL. */
static int64_t end_parse(const char *text)
{
    char whole[sizeof "2026-12-05T09:00:00Z"];
    int64_t at = 0;
    if (strlen(text) >= sizeof whole - 2 && text[4] == '-') {
        snprintf(whole, sizeof whole, "%.10sT%.8sZ", text, text + 11);
        return time_parse(whole, strlen(whole), &at) == ERR_OK ? at : 0;
    }
    time_t seconds = curl_getdate(text, NULL);
    return seconds == -1 ? 0 : (int64_t)seconds * 1000;
}

void fetch_certificate_ask(CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_CERTINFO, 1L);
}

/* The first of the chain: a server may show more than is needed, and what is not needed may have ended. */
int64_t fetch_certificate_end(CURL *easy)
{
    static const char label[] = "Expire date:";
    const struct curl_certinfo *chain = NULL;
    if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &chain) != CURLE_OK || !chain || chain->num_of_certs < 1)
        return 0;
    for (const struct curl_slist *line = chain->certinfo[0]; line; line = line->next)
        if (strncasecmp(line->data, label, sizeof label - 1) == 0)
            return end_parse(line->data + sizeof label - 1 + strspn(line->data + sizeof label - 1, " "));
    return 0;
}
