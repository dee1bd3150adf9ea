/* The batch's own memory: that it may end anywhere, and what is kept when the batch is cleared.
 *
 * batch.c is compiled into this test, with an allocator that fails on demand; the library's copy is then not linked. */
#include "tests/unit/store_fixture.h"

static long fail_at; /* 0: never; else the how manieth allocation from here on */
static long n_chunks;

static void *counted_malloc(size_t size)
{
    if (fail_at > 0 && --fail_at == 0)
        return NULL;
    n_chunks++;
    return malloc(size);
}

static void counted_free(void *data)
{
    n_chunks -= data != NULL;
    free(data);
}

#define malloc counted_malloc
#define free counted_free
#include "server/store/batch.c"
#undef malloc
#undef free

static char big[100000];

static void fill(struct fixture *f)
{
    memset(big, 'x', sizeof big - 1);
    for (int i = 0; i < 3; i++) {
        add_delivery(f, i + 1, 10);
        struct run_row run = run_of(i, "shop", RUN_RUNNING);
        run.playbook = batch_keep(f->batch, big);
        batch_run(f->batch, &run);
        for (int k = 0; k < 1000; k++)
            batch_source(f->batch,
                         &(struct source_row){.name = batch_keep(f->batch, "one"), .open_alerts = i, .boot_id = ""});
    }
}

static void batch_without_memory_fails_as_a_whole(void **state)
{
    struct fixture *f = *state;
    bool was_reached;
    long n = 0;
    do {
        fail_at = ++n;
        fill(f);
        was_reached = fail_at == 0;
        fail_at = 0;
        if (was_reached) {
            struct audit_chain before = f->chain;
            json_t *entry = json_pack("{s:s}", "text", "…");
            assert_int_equal(audit_append(&f->chain, f->batch, entry, NOW, "x", ""), ERR_NO_MEMORY);
            assert_memory_equal(&f->chain, &before, sizeof before);
            assert_int_equal(fixture_try_write(f), ERR_NO_MEMORY);
            assert_int_equal(ask(f, "SELECT count(*) FROM delivery"), 0);
        }
    } while (was_reached);
    assert_true(n > 5);
    fixture_write(f);
    assert_int_equal(ask(f, "SELECT count(*) FROM delivery"), 3);
    assert_int_equal(ask(f, "SELECT min(length(playbook)) FROM run"), sizeof big - 1);
}

static void cleared_batch_keeps_one_chunk(void **state)
{
    struct fixture *f = *state;
    batch_clear(f->batch);
    long before = n_chunks;
    for (int i = 0; i < 3; i++) {
        fill(f);
        batch_clear(f->batch);
        assert_int_equal(n_chunks, before + 1);
    }
}

int main(void)
{
#define DATABASE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        DATABASE(batch_without_memory_fails_as_a_whole),
        DATABASE(cleared_batch_keeps_one_chunk),
    };
    return cmocka_run_group_tests_name("store_batch", tests, NULL, NULL);
}
