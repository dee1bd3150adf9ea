/* X-Forwarded-For and percent-encoding from hostile bytes. */
#include "http/forwarded.h"
#include "http/http_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define expect(condition) expect_true((condition), #condition)

static void expect_true(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "not so: %s\n", what);
    abort();
}

static void walk(const char *list)
{
    struct network trusted[2];
    struct address peer, address, again;
    char longer[70000];
    expect(network_parse("10.0.0.0/8", &trusted[0]) && network_parse("2001:db8::/32", &trusted[1]));
    expect(address_parse("192.0.2.1", &peer));
    address = peer;
    expect(!forwarded_walk(list, trusted, 2, &address) && address_equal(&address, &peer));
    expect(address_parse("10.1.2.3", &peer));
    address = peer;
    bool goes_on = forwarded_walk(list, trusted, 2, &address);
    bool is_trusted = networks_hold(trusted, 2, &address);
    /* Whatever a client puts before what a proxy has appended changes nothing. */
    snprintf(longer, sizeof longer, "203.0.113.9, %s", list);
    again = peer;
    (void)forwarded_walk(longer, trusted, 2, &again);
    if (!is_trusted || !goes_on)
        expect(address_equal(&again, &address));
    /* What a proxy appends is what counts. */
    snprintf(longer, sizeof longer, "%s, 203.0.113.9", list);
    again = peer;
    expect(address_parse("203.0.113.9", &address));
    (void)forwarded_walk(longer, trusted, 2, &again);
    expect(address_equal(&again, &address));
}

static void unescape(char *text)
{
    size_t before = strlen(text);
    char copy[65537];
    memcpy(copy, text, before + 1);
    size_t len = request_unescape(NULL, NULL, copy);
    expect(len <= before && copy[len] == '\0' && strlen(copy) == len);
    if (!strchr(text, '%'))
        expect(strcmp(copy, text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[65537];
    if (size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    walk(text);
    unescape(text);
    return 0;
}
