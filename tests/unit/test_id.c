#include "base/random.h"
#include "tests/unit/test.h"

#include <pthread.h>
#include <stdlib.h>

static void text(void **state)
{
    (void)state;
    struct id id;
    char buffer[ID_TEXT_SIZE];
    const char *lower = "019d2f3a-7b1c-7def-8abc-0123456789ab";
    assert_int_equal(id_parse(lower, 36, &id), ERR_OK);
    assert_string_equal(id_format(&id, buffer), lower);
    assert_int_equal(id_parse("019D2F3A-7B1C-7DEF-8ABC-0123456789AB", 36, &id), ERR_OK);
    assert_string_equal(id_format(&id, buffer), lower);
    assert_false(id_is_nil(&id));
    struct id same = id, nil = {{0}};
    assert_true(id_equal(&id, &same));
    same.bytes[15] ^= 1;
    assert_false(id_equal(&id, &same));
    assert_true(id_is_nil(&nil));
    assert_int_equal(id_parse("00000000-0000-0000-0000-000000000000", 36, &id), ERR_OK);
    assert_true(id_is_nil(&id));
}

static void text_that_is_no_id(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "019d2f3a7b1c7def8abc0123456789ab",
        "019d2f3a-7b1c-7def-8abc-0123456789a",
        "019d2f3a-7b1c-7def-8abc-0123456789abc",
        "019d2f3a-7b1c-7def-8abc-0123456789ag",
        "019d2f3a-7b1c-7def-8abc+0123456789ab",
        "019d2f3a7-b1c-7def-8abc-0123456789ab",
        "{19d2f3a-7b1c-7def-8abc-0123456789a}",
        " 19d2f3a-7b1c-7def-8abc-0123456789ab",
        "019d2f3a-7b1c-7def-8abc-0123456789a\n",
    };
    struct id id = {{7}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (id_parse(bad[i], strlen(bad[i]), &id) != ERR_INVALID)
            fail_msg("taken: \"%s\"", bad[i]);
    }
    assert_int_equal(id_parse("019d2f3a-7b1c-7def-8abc-0123456789\0b", 36, &id), ERR_INVALID);
    assert_int_equal(id.bytes[0], 7);
}

static int64_t id_ms(const struct id *id)
{
    int64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id->bytes[i];
    return ms;
}

static void assert_increases(struct id *last, struct id next)
{
    assert_true(memcmp(last->bytes, next.bytes, 16) < 0);
    assert_int_equal(next.bytes[6] >> 4, 7);
    assert_int_equal(next.bytes[8] >> 6, 2);
    *last = next;
}

static void ids_increase(void **state)
{
    (void)state;
    struct id last = id_new(-5);
    assert_int_equal(id_ms(&last), 0);
    assert_increases(&last, id_new(1000));
    assert_int_equal(id_ms(&last), 1000);
    for (int i = 0; i < 100; i++)
        assert_increases(&last, id_new(1000)); /* within a millisecond */
    assert_int_equal(id_ms(&last), 1000);
    assert_increases(&last, id_new(500)); /* the clock steps back */
    assert_int_equal(id_ms(&last), 1000);
    for (int i = 0; i < 10000; i++)
        assert_increases(&last, id_new(1000)); /* more than the counter holds */
    assert_in_range(id_ms(&last), 1001, 1004);
    assert_increases(&last, id_new(1795227607123));
    assert_int_equal(id_ms(&last), 1795227607123);
}

#define THREADS 4
#define IDS_PER_THREAD 5000
static struct id made[THREADS][IDS_PER_THREAD];

static void *make_ids(void *argument)
{
    struct id *ids = argument;
    for (int i = 0; i < IDS_PER_THREAD; i++)
        ids[i] = id_new(1795227607200);
    return NULL;
}

static int id_order(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct id));
}

static void ids_of_several_threads_differ(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_ids, made[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        for (int k = 1; k < IDS_PER_THREAD; k++)
            assert_true(id_order(&made[i][k - 1], &made[i][k]) < 0);
    }
    qsort(made, (size_t)THREADS * IDS_PER_THREAD, sizeof(struct id), id_order);
    const struct id *all = &made[0][0];
    for (size_t i = 1; i < (size_t)THREADS * IDS_PER_THREAD; i++) {
        /* Time and counter alone already differ. */
        assert_true(memcmp(all[i - 1].bytes, all[i].bytes, 8) < 0);
    }
}

static void far_times_still_increase(void **state)
{
    (void)state;
    struct id last = id_new(INT64_C(1) << 47);
    assert_increases(&last, id_new((INT64_C(1) << 47) + 1));
}

/* Of an earlier process, whose clock was ahead. */
static void what_is_followed_is_older(void **state)
{
    (void)state;
    struct id ahead = id_new(INT64_C(4102444800000)); /* 2100 */
    ahead.bytes[0]++;
    id_follow(&ahead);
    struct id next = id_new(INT64_C(1763700000000));
    assert_true(memcmp(next.bytes, ahead.bytes, sizeof next.bytes) > 0);
    id_follow(&(struct id){{0}});
    struct id last = id_new(INT64_C(1763700000000));
    assert_true(memcmp(last.bytes, next.bytes, sizeof next.bytes) > 0);
}

static void random_numbers_differ(void **state)
{
    (void)state;
    uint64_t a = random_u64(), b = random_u64(), c = random_u64();
    assert_true(a != b && b != c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text),
        cmocka_unit_test(text_that_is_no_id),
        cmocka_unit_test(ids_increase),
        cmocka_unit_test(ids_of_several_threads_differ),
        cmocka_unit_test(far_times_still_increase),
        cmocka_unit_test(what_is_followed_is_older),
        cmocka_unit_test(random_numbers_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
