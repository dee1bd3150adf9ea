/* Addresses and networks. */
#include "test.h"

#include "base/address.h"

static void addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown; /* NULL: not taken */
        bool is_ipv4;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", true},
        {"0.0.0.0", "0.0.0.0", true},
        {"255.255.255.255", "255.255.255.255", true},
        {"::ffff:192.0.2.1", "192.0.2.1", true},
        {"::FFFF:c000:201", "192.0.2.1", true},
        {"2001:DB8:0:0::1", "2001:db8::1", false},
        {"::", "::", false},
        {"::1", "::1", false},
        {"::192.0.2.1", "::192.0.2.1", false},
        {"", NULL, false},
        {"192.0.2", NULL, false},
        {"192.0.2.256", NULL, false},
        {"192.0.2.01", NULL, false},
        {"0x7f.0.0.1", NULL, false},
        {"3221225985", NULL, false},
        {"192.0.2.1 ", NULL, false},
        {" 192.0.2.1", NULL, false},
        {"192.0.2.1:80", NULL, false},
        {"[::1]", NULL, false},
        {"fe80::1%lo", NULL, false},
        {":::", NULL, false},
        {"1:2:3:4:5:6:7:8:9", NULL, false},
        {"::12345", NULL, false},
        {"localhost", NULL, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct address address;
        char text[ADDRESS_TEXT_SIZE];
        bool is_taken = address_parse(cases[i].text, &address);
        if (is_taken != (cases[i].shown != NULL))
            fail_msg("%s", cases[i].text);
        if (!is_taken)
            continue;
        assert_string_equal(address_format(&address, text), cases[i].shown);
        assert_int_equal(address_is_ipv4(&address), cases[i].is_ipv4);
    }
}

static void addresses_compare_by_their_bytes(void **state)
{
    (void)state;
    struct address a, b, c;
    assert_true(address_parse("192.0.2.1", &a) && address_parse("::ffff:192.0.2.1", &b) &&
                address_parse("::192.0.2.1", &c));
    assert_true(address_equal(&a, &b));
    assert_false(address_equal(&a, &c));
}

static void networks(void **state)
{
    (void)state;
    static const struct {
        const char *network, *in, *out; /* `in` NULL: no network */
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", "192.0.2.2"},
        {"192.0.2.0/24", "192.0.2.255", "192.0.3.0"},
        {"192.0.2.0/24", "::ffff:192.0.2.9", "::192.0.2.9"},
        {"192.0.2.128/25", "192.0.2.128", "192.0.2.127"},
        {"192.0.2.254/31", "192.0.2.255", "192.0.2.253"},
        {"192.0.2.1/32", "192.0.2.1", "192.0.2.0"},
        {"128.0.0.0/1", "255.255.255.255", "127.255.255.255"},
        {"0.0.0.0/0", "203.0.113.9", "2001:db8::1"}, /* every IPv4 address, and no other */
        {"::/0", "2001:db8::1", NULL},
        {"::/0", "192.0.2.1", NULL},
        {"2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"},
        {"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::"},
        {"2001:db8::1", "2001:db8::1", "2001:db8::"},
        {"2001:db8::/127", "2001:db8::1", "2001:db8::2"},
        {"::ffff:192.0.2.0/120", "192.0.2.77", "192.0.3.77"},
        {"192.0.2.1/24", NULL, NULL}, /* bits behind the prefix */
        {"2001:db8::1/64", NULL, NULL},
        {"192.0.2.0/33", NULL, NULL},
        {"::/129", NULL, NULL},
        {"192.0.2.0/", NULL, NULL},
        {"192.0.2.0/024", NULL, NULL},
        {"192.0.2.0/-1", NULL, NULL},
        {"192.0.2.0/+8", NULL, NULL},
        {"192.0.2.0/8x", NULL, NULL},
        {"192.0.2.0/1000", NULL, NULL},
        {"192.0.2.0/255.255.255.0", NULL, NULL},
        {"192.0.2.0/24/24", NULL, NULL},
        {"/24", NULL, NULL},
        {"", NULL, NULL},
        {"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/8", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct network network;
        struct address address;
        if (network_parse(cases[i].network, &network) != (cases[i].in != NULL))
            fail_msg("%s", cases[i].network);
        if (!cases[i].in)
            continue;
        struct network again;
        char text[NETWORK_TEXT_SIZE];
        assert_true(network_parse(network_format(&network, text), &again));
        assert_true(again.prefix == network.prefix && address_equal(&again.address, &network.address));
        assert_true(address_parse(cases[i].in, &address));
        if (!network_holds(&network, &address))
            fail_msg("%s holds %s", cases[i].network, cases[i].in);
        if (!cases[i].out)
            continue;
        assert_true(address_parse(cases[i].out, &address));
        if (network_holds(&network, &address))
            fail_msg("%s does not hold %s", cases[i].network, cases[i].out);
    }
}

static void lists_of_networks(void **state)
{
    (void)state;
    struct network list[2];
    struct address address;
    assert_true(network_parse("192.0.2.0/24", &list[0]) && network_parse("2001:db8::/32", &list[1]));
    assert_true(address_parse("2001:db8::5", &address));
    assert_true(networks_hold(list, 2, &address));
    assert_false(networks_hold(list, 1, &address));
    assert_false(networks_hold(list, 0, &address));
    assert_false(networks_hold(NULL, 0, &address));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(addresses_compare_by_their_bytes),
        cmocka_unit_test(networks),
        cmocka_unit_test(lists_of_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
