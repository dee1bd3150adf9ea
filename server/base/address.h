/* IP addresses and networks (CIDR), IPv4 and IPv6 alike: an IPv4 address is its IPv4-mapped IPv6 address. Pure. */
#ifndef TURNOUT_BASE_ADDRESS_H
#define TURNOUT_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRESS_TEXT_SIZE 46
#define NETWORK_TEXT_SIZE (ADDRESS_TEXT_SIZE + 4)

struct address {
    uint8_t bytes[16];
};

struct network {
    struct address address; /* bits behind the prefix are 0 */
    int prefix;             /* 0..128, of the 16 bytes */
};

/* "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"; no zone, no port, no brackets. */
bool address_parse(const char *text, struct address *ret);
/* As people write it: IPv4 in dotted form. Returns `text`. */
const char *address_format(const struct address *address, char text[ADDRESS_TEXT_SIZE]);
/* Also one that was written as an IPv4-mapped one. */
bool address_is_ipv4(const struct address *address);
bool address_equal(const struct address *a, const struct address *b);
/* An address, or ADDRESS/PREFIX with no bit set behind the prefix. */
bool network_parse(const char *text, struct network *ret);
/* As network_parse() reads it: an address alone where it is one only. Returns `text`. */
const char *network_format(const struct network *network, char text[NETWORK_TEXT_SIZE]);
bool network_holds(const struct network *network, const struct address *address);
bool networks_hold(const struct network *networks, size_t n, const struct address *address);

#endif
