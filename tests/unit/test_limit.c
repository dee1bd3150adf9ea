/* Token buckets, alone and in a table of addresses. */
#include "test.h"

#include "http/limit.h"

#include <stdlib.h>

static int taken(struct limit *limit, int rate, int64_t now, int tries)
{
    int n = 0;
    for (int i = 0; i < tries; i++)
        n += limit_take(limit, rate, now);
    return n;
}

static void bursts_and_averages(void **state)
{
    (void)state;
    static const int rates[] = {1, 3, 10, 1000, 5000};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        struct limit limit = {0};
        const int64_t start = 1800000000000;
        assert_int_equal(taken(&limit, rates[i], start, 20000), 2 * rates[i]);
        assert_int_equal(taken(&limit, rates[i], start + 1000, 20000), rates[i]);
        int n = 0;
        for (int ms = 1; ms <= 10000; ms++)
            n += taken(&limit, rates[i], start + 1000 + ms, 10);
        assert_in_range(n, rates[i] * 10, rates[i] * 10 + 5); /* 1000000 / 3 is not whole */
        assert_int_equal(taken(&limit, rates[i], start + 99000, 20000), 2 * rates[i]);
    }
}

static struct peer peer_at(const char *text)
{
    struct address address;
    assert_true(address_parse(text, &address));
    return peer_of(&address);
}

static void addresses_are_apart(void **state)
{
    (void)state;
    struct limit_table *table = limit_table_new();
    const struct peer one = peer_at("192.0.2.1"), mapped = peer_at("::ffff:192.0.2.1"), two = peer_at("192.0.2.2"),
                      host = peer_at("2001:db8::1"), same = peer_at("2001:db8::ffff:2"),
                      next = peer_at("2001:db8:0:1::1");
    for (int i = 0; i < 20; i++)
        assert_true(limit_table_take(table, &one, 10, 5000));
    assert_false(limit_table_take(table, &one, 10, 5000));
    assert_false(limit_table_take(table, &mapped, 10, 5000));
    assert_true(limit_table_take(table, &two, 10, 5000));
    assert_false(limit_table_take(table, &one, 10, 5099));
    assert_true(limit_table_take(table, &one, 10, 5100));
    for (int i = 0; i < 20; i++)
        assert_true(limit_table_take(table, i % 2 ? &host : &same, 10, 5000));
    assert_false(limit_table_take(table, &host, 10, 5000));
    assert_false(limit_table_take(table, &same, 10, 5000));
    assert_true(limit_table_take(table, &next, 10, 5000));
    free(table);
}

/* A million addresses with a request each: nobody is forgotten for it, and nobody locked out. */
static void a_flood_of_addresses_changes_nothing(void **state)
{
    (void)state;
    struct limit_table *table = limit_table_new();
    const struct peer attacker = peer_at("192.0.2.1"), monitor = peer_at("192.0.2.2");
    int64_t now = 1000000;
    while (limit_table_take(table, &attacker, 100, now)) {
    }
    int let_in = 0, of_attacker = 0;
    for (uint32_t i = 0; i < 1000000; i++) {
        const uint32_t k = i * 2654435761u;
        struct address address;
        memset(address.bytes, 0, sizeof address.bytes);
        address.bytes[0] = 0x20;
        memcpy(address.bytes + 4, &k, sizeof k);
        const struct peer other = peer_of(&address);
        now = 1000000 + i / 50; /* 50 a millisecond for 20 s: more than one daemon takes */
        (void)limit_table_take(table, &other, 100, now);
        if (i % 5000 == 0)
            let_in += limit_table_take(table, &monitor, 100, now);
        of_attacker += limit_table_take(table, &attacker, 100, now);
    }
    assert_int_equal(let_in, 200);
    assert_in_range(of_attacker, 1990, 2001); /* 100 a second, as without them */
    free(table);
}

/* Three hundred floods at once, each far over its rate: a few others of ten thousand may share all buckets with them.
 */
static void floods_lock_nobody_out(void **state)
{
    (void)state;
    struct limit_table *table = limit_table_new();
    for (uint32_t i = 0; i < 300; i++) {
        struct address address = {{[10] = 0xff, [11] = 0xff, 10, 0, (uint8_t)(i >> 8), (uint8_t)i}};
        const struct peer peer = peer_of(&address);
        while (limit_table_take(table, &peer, 100, 50000)) {
        }
    }
    int refused = 0;
    for (uint32_t i = 0; i < 10000; i++) {
        struct address address = {{[10] = 0xff, [11] = 0xff, 192, 0, (uint8_t)(i >> 8), (uint8_t)i}};
        const struct peer peer = peer_of(&address);
        refused += !limit_table_take(table, &peer, 100, 50000);
    }
    assert_in_range(refused, 0, 2);
    free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bursts_and_averages),
        cmocka_unit_test(addresses_are_apart),
        cmocka_unit_test(a_flood_of_addresses_changes_nothing),
        cmocka_unit_test(floods_lock_nobody_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
