/* X-Forwarded-For, true and false. The proxies are 10.0.0.0/8 and 2001:db8:f::/48. */
#include "test.h"

#include "http/forwarded.h"

#include <stdlib.h>

static struct network trusted[2];

static void expect(const char *peer, const char *list, const char *client, bool is_open)
{
    struct address address;
    char text[ADDRESS_TEXT_SIZE];
    assert_true(address_parse(peer, &address));
    bool more = forwarded_walk(list, trusted, 2, &address);
    assert_string_equal(address_format(&address, text), client);
    assert_int_equal(more && networks_hold(trusted, 2, &address), is_open);
}

static void lists(void **state)
{
    (void)state;
    expect("10.0.0.1", "192.0.2.7", "192.0.2.7", false);
    expect("10.0.0.1", " \t192.0.2.7\t ", "192.0.2.7", false);
    expect("10.0.0.1", "192.0.2.7:443", "192.0.2.7", false);
    expect("10.0.0.1", "2001:db8::7", "2001:db8::7", false);
    expect("10.0.0.1", "[2001:db8::7]", "2001:db8::7", false);
    expect("10.0.0.1", "[2001:db8::7]:65535", "2001:db8::7", false);
    expect("10.0.0.1", "::ffff:192.0.2.7", "192.0.2.7", false);
    expect("::ffff:10.0.0.1", "192.0.2.7", "192.0.2.7", false);
    expect("2001:db8:f::1", "192.0.2.7", "192.0.2.7", false);
    /* what the client has written stands before, and is not looked at */
    expect("10.0.0.1", "198.51.100.1, 192.0.2.7", "192.0.2.7", false);
    expect("10.0.0.1", "garbage,,10.0.0.9,192.0.2.7", "192.0.2.7", false);
    /* through several of ours */
    expect("10.0.0.1", "198.51.100.1,192.0.2.7, 10.0.0.2 ,2001:db8:f::2", "192.0.2.7", false);
    expect("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3", true);
    /* a peer that is none of ours is believed nothing */
    expect("192.0.2.1", "198.51.100.1", "192.0.2.1", false);
    expect("192.0.2.1", "10.0.0.1", "192.0.2.1", false);
}

static void garbage(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      ",",
                                      "192.0.2.7,",
                                      "unknown",
                                      "_hidden",
                                      "192.0.2.7:",
                                      "192.0.2.7:x",
                                      "192.0.2.7:123456",
                                      "192.0.2",
                                      "192.0.2.7.8",
                                      "192.0.2.07",
                                      "[192.0.2.7",
                                      "[2001:db8::7]x",
                                      "[2001:db8::7]:",
                                      "[]",
                                      "[",
                                      "fe80::1%eth0",
                                      "192.0.2.7 192.0.2.8",
                                      "\"192.0.2.7\"",
                                      "1234:1234:1234:1234:1234:1234:1234:1234:1234:1234:1234:1234:1234:1234"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect("10.0.0.1", bad[i], "10.0.0.1", false);
    expect("10.0.0.1", "192.0.2.7, nonsense, 10.0.0.2", "10.0.0.2", false);
}

static int set_up(void **state)
{
    (void)state;
    assert_true(network_parse("10.0.0.0/8", &trusted[0]));
    assert_true(network_parse("2001:db8:f::/48", &trusted[1]));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lists), cmocka_unit_test(garbage)};
    return cmocka_run_group_tests(tests, set_up, NULL);
}
