/* See address.h. */
#include "base/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define IPV4_PREFIX 96 /* bits of ::ffff:0:0/96 */

static const uint8_t ipv4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool address_is_ipv4(const struct address *address)
{
    return memcmp(address->bytes, ipv4_mapped, sizeof ipv4_mapped) == 0;
}

bool address_parse(const char *text, struct address *ret)
{
    struct address address;
    if (inet_pton(AF_INET6, text, address.bytes) != 1) {
        memcpy(address.bytes, ipv4_mapped, sizeof ipv4_mapped);
        if (inet_pton(AF_INET, text, address.bytes + sizeof ipv4_mapped) != 1)
            return false;
    }
    *ret = address;
    return true;
}

const char *address_format(const struct address *address, char text[ADDRESS_TEXT_SIZE])
{
    bool is_4 = address_is_ipv4(address);
    if (!inet_ntop(is_4 ? AF_INET : AF_INET6, address->bytes + (is_4 ? sizeof ipv4_mapped : 0), text,
                   ADDRESS_TEXT_SIZE))
        text[0] = '\0';
    return text;
}

bool address_equal(const struct address *a, const struct address *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* Up to three digits; -1 for anything else. */
static int number_parse(const char *text)
{
    size_t len = strspn(text, "0123456789");
    if (len == 0 || len > 3 || text[len] || (text[0] == '0' && len > 1))
        return -1;
    int number = 0;
    for (size_t i = 0; i < len; i++)
        number = number * 10 + (text[i] - '0');
    return number;
}

static struct address masked(const struct address *address, int prefix)
{
    struct address masked = *address;
    for (int bit = prefix; bit < 128; bit++)
        masked.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
    return masked;
}

bool network_parse(const char *text, struct network *ret)
{
    char address[ADDRESS_TEXT_SIZE];
    size_t len = strcspn(text, "/");
    if (len >= sizeof address)
        return false;
    memcpy(address, text, len);
    address[len] = '\0';
    struct network network = {.prefix = 128};
    if (!address_parse(address, &network.address))
        return false;
    if (text[len] == '/') {
        bool is_dotted = strchr(address, ':') == NULL;
        int prefix = number_parse(text + len + 1);
        network.prefix = is_dotted ? prefix + IPV4_PREFIX : prefix;
        if (prefix < 0 || network.prefix > 128)
            return false;
        struct address bare = masked(&network.address, network.prefix);
        if (!address_equal(&bare, &network.address))
            return false;
    }
    *ret = network;
    return true;
}

const char *network_format(const struct network *network, char text[NETWORK_TEXT_SIZE])
{
    char address[ADDRESS_TEXT_SIZE];
    int prefix = network->prefix - (address_is_ipv4(&network->address) ? IPV4_PREFIX : 0);
    address_format(&network->address, address);
    if (network->prefix == 128)
        (void)snprintf(text, NETWORK_TEXT_SIZE, "%s", address);
    else
        (void)snprintf(text, NETWORK_TEXT_SIZE, "%s/%d", address, prefix);
    return text;
}

bool network_holds(const struct network *network, const struct address *address)
{
    size_t whole = (size_t)network->prefix / 8;
    int rest = network->prefix % 8;
    if (memcmp(network->address.bytes, address->bytes, whole) != 0)
        return false;
    return rest == 0 || ((network->address.bytes[whole] ^ address->bytes[whole]) & (0xff << (8 - rest)) & 0xff) == 0;
}

bool networks_hold(const struct network *networks, size_t n, const struct address *address)
{
    for (size_t i = 0; i < n; i++)
        if (network_holds(&networks[i], address))
            return true;
    return false;
}
