#include "actions/common.h"
#include "actions/zone_queue.h"
#include "base/clock.h"
#include "test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A call on a thread of its own, which shares with others and, when it leads, ends the batch after `ends_after_ms`. */
struct member {
    struct zone_queue *queue;
    const char *zone, *item;
    bool enters, is_refused, is_cut_short;
    int inside_ms, ends_after_ms;
    int64_t timeout_ms, took_ms;
    atomic_bool cancel;
    enum zone_share share;
    int n_led; /* parts of the batch that it led */
    char led[400];
    struct action_result result;
    json_t *requests;
    pthread_t thread;
};

static atomic_int n_inside; /* how many think that the zone is theirs */
static atomic_int n_begun;  /* threads that run */

static void lead(struct member *member, struct action_call *call, struct zone_batch *batch)
{
    assert_int_equal(atomic_fetch_add(&n_inside, 1), 0);
    member->n_led = batch->n;
    for (int i = 0; i < batch->n; i++)
        strncat(member->led, batch->items[i] ? batch->items[i] : "-", sizeof(member->led) - strlen(member->led) - 1);
    json_array_append_new(call->requests, json_pack("{s:s}", "url", "shared"));
    usleep((useconds_t)member->ends_after_ms * 1000);
    result_set(&member->result, OUTCOME_OK, "made by %s", member->item ? member->item : "-");
    member->result.token = json_pack("{s:i}", "n", batch->n);
    member->result.retry_after_ms = 7;
    if (member->is_cut_short)
        result_set(&member->result, OUTCOME_CANCELLED, "cancelled while asking it");
    bool is_refused = member->is_refused && batch->n > 1;
    atomic_fetch_sub(&n_inside, 1);
    zone_batch_end(member->queue, member->zone, call, batch, &member->result, is_refused);
    assert_int_equal(batch->n, 0);
    if (is_refused)
        member->share = ZONE_ALONE;
}

static void *member_run(void *context)
{
    struct member *member = context;
    int64_t began_at = clock_steady_ms();
    struct action_call call = {.deadline_at = began_at + member->timeout_ms,
                               .timeout_ms = member->timeout_ms,
                               .cancel = &member->cancel,
                               .requests = member->requests};
    struct zone_batch batch;
    atomic_fetch_add(&n_begun, 1);
    bool is_inside = member->enters && zone_enter(member->queue, member->zone, &call, &member->result);
    if (is_inside) {
        assert_int_equal(atomic_fetch_add(&n_inside, 1), 0);
        usleep((useconds_t)member->inside_ms * 1000);
        atomic_fetch_sub(&n_inside, 1);
    }
    member->share = ZONE_GONE;
    if (!member->enters || is_inside)
        member->share =
            zone_share(member->queue, member->zone, &call, member->item, is_inside, false, &batch, &member->result);
    if (member->share == ZONE_LEAD)
        lead(member, &call, &batch);
    if (member->share == ZONE_ALONE) {
        action_result_done(&member->result);
        member->share =
            zone_share(member->queue, member->zone, &call, member->item, false, true, &batch, &member->result);
        /* Who has no time left by then, or is cancelled, goes; its outcome says so. */
        assert_true(member->share == ZONE_LEAD || member->share == ZONE_GONE);
        assert_true(member->share == ZONE_GONE || batch.n == 1);
        if (member->share == ZONE_LEAD)
            lead(member, &call, &batch);
    }
    member->took_ms = clock_steady_ms() - began_at;
    return NULL;
}

static void member_start(struct member *member, struct zone_queue *queue, const char *item)
{
    member->queue = queue;
    member->zone = member->zone ? member->zone : "example.net";
    member->item = item;
    member->timeout_ms = member->timeout_ms ? member->timeout_ms : 5000;
    member->requests = json_array();
    member->result.retry_after_ms = -1;
    assert_int_equal(pthread_create(&member->thread, NULL, member_run, member), 0);
}

static void member_join(struct member *member)
{
    pthread_join(member->thread, NULL);
}

static void member_done(struct member *member)
{
    action_result_done(&member->result);
    json_decref(member->requests);
}

static void test_leads_at_once_when_nobody_is_there(void **state)
{
    (void)state;
    struct zone_queue *queue = zone_queue_new();
    struct member one = {.n_led = 0};
    member_start(&one, queue, "a");
    member_join(&one);
    assert_int_equal(one.share, ZONE_LEAD);
    assert_string_equal(one.led, "a");
    assert_in_range(one.took_ms, 0, 2000); /* it does not gather: that would be half of its time */
    member_done(&one);
    zone_queue_free(queue);
}

static void test_those_that_wait_share(void **state)
{
    (void)state;
    struct zone_queue *queue = zone_queue_new();
    struct member first = {.ends_after_ms = 300}, all[10];
    memset(all, 0, sizeof(all));
    member_start(&first, queue, "f");
    usleep(100000);
    for (int i = 0; i < 10; i++)
        member_start(&all[i], queue, "x");
    member_join(&first);
    assert_string_equal(first.led, "f");
    int n_leads = 0, n_done = 0;
    for (int i = 0; i < 10; i++) {
        member_join(&all[i]);
        n_leads += all[i].share == ZONE_LEAD;
        n_done += all[i].share == ZONE_DONE;
        assert_int_equal(all[i].result.outcome, OUTCOME_OK);
        assert_string_equal(all[i].result.text.text, "made by x");
        assert_int_equal(json_integer_value(json_object_get(all[i].result.token, "n")), 10);
        assert_int_equal(all[i].result.retry_after_ms, 7);
        assert_int_equal(json_array_size(all[i].requests), 1);
        member_done(&all[i]);
    }
    assert_int_equal(n_leads, 1);
    assert_int_equal(n_done, 9);
    member_done(&first);
    zone_queue_free(queue);
}

static void test_zones_do_not_wait_for_each_other(void **state)
{
    (void)state;
    struct zone_queue *queue = zone_queue_new();
    struct member first = {.ends_after_ms = 0, .inside_ms = 0}, other = {.zone = "EXAMPLE.org."};
    struct action_call call = {.deadline_at = clock_steady_ms() + 5000};
    struct action_result result = {.retry_after_ms = -1};
    assert_true(zone_enter(queue, "example.net.", &call, &result));
    member_start(&other, queue, "o");
    member_join(&other);
    assert_int_equal(other.share, ZONE_LEAD);
    member_start(&first, queue, "f"); /* the same zone by another spelling */
    usleep(100000);
    assert_int_equal(first.n_led, 0);
    zone_leave(queue, "Example.NET");
    member_join(&first);
    assert_int_equal(first.share, ZONE_LEAD);
    member_done(&first);
    member_done(&other);
    zone_queue_free(queue);
}

/* The way of OVH: each enters, does its part, and shares what ends it. */
static void test_one_ends_for_all_that_entered(void **state)
{
    (void)state;
    struct zone_queue *queue = zone_queue_new();
    struct member all[6];
    struct action_call call = {.deadline_at = clock_steady_ms() + 5000};
    struct action_result result = {.retry_after_ms = -1};
    memset(all, 0, sizeof(all));
    atomic_store(&n_begun, 0);
    assert_true(zone_enter(queue, "example.net", &call, &result)); /* until all are at the door */
    for (int i = 0; i < 6; i++) {
        all[i].enters = true;
        all[i].inside_ms = 20;
        member_start(&all[i], queue, NULL);
    }
    while (atomic_load(&n_begun) < 6)
        usleep(1000);
    usleep(100000);
    zone_leave(queue, "example.net");
    int n_leads = 0;
    for (int i = 0; i < 6; i++) {
        member_join(&all[i]);
        n_leads += all[i].share == ZONE_LEAD;
        if (all[i].share == ZONE_LEAD)
            assert_int_equal(all[i].n_led, 6);
        member_done(&all[i]);
    }
    assert_int_equal(n_leads, 1);
    zone_queue_free(queue);
}

/* Those that go on entering do not hold up one whose time runs. */
static void test_a_due_part_is_not_held_up(void **state)
{
    (void)state;
    struct zone_queue *queue = zone_queue_new();
    struct member first = {.enters = true, .inside_ms = 100, .timeout_ms = 600}, all[8];
    memset(all, 0, sizeof(all));
    member_start(&first, queue, NULL);
    while (atomic_load(&n_inside) == 0) /* who comes first is no matter of the queue */
        usleep(1000);
    for (int i = 0; i < 8; i++) {
        all[i].enters = true;
        all[i].inside_ms = 100;
        member_start(&all[i], queue, NULL);
    }
    member_join(&first);
    assert_int_equal(first.result.outcome, OUTCOME_OK);
    assert_in_range(first.took_ms, 0, 590);
    for (int i = 0; i < 8; i++) {
        member_join(&all[i]);
        assert_int_equal(all[i].result.outcome, OUTCOME_OK);
        member_done(&all[i]);
    }
    member_done(&first);
    zone_queue_free(queue);
}

static void test_going_away_before_it_is_taken(void **state)
{
    (void)state;
    struct zone_queue *queue = zone_queue_new();
    struct member first = {.ends_after_ms = 500}, cancelled = {.n_led = 0}, late = {.timeout_ms = 150};
    struct member stays = {.n_led = 0};
    member_start(&first, queue, "f");
    usleep(50000);
    member_start(&cancelled, queue, "c");
    usleep(20000);
    member_start(&late, queue, "l");
    member_start(&stays, queue, "s");
    usleep(50000);
    atomic_store(&cancelled.cancel, true);
    member_join(&cancelled);
    member_join(&late);
    assert_int_equal(cancelled.share, ZONE_GONE);
    assert_int_equal(cancelled.result.outcome, OUTCOME_CANCELLED);
    assert_in_range(cancelled.took_ms, 50, 300);
    assert_int_equal(late.share, ZONE_GONE);
    assert_int_equal(late.result.outcome, OUTCOME_TEMPORARY);
    assert_in_range(late.took_ms, 140, 350);
    assert_string_equal(late.result.text.text, "out of time while another change of zone example.net was being made");
    member_join(&first);
    member_join(&stays);
    assert_string_equal(stays.led, "s");
    member_done(&first);
    member_done(&cancelled);
    member_done(&late);
    member_done(&stays);
    zone_queue_free(queue);
}

/* Its part is on its way: nobody can say what becomes of it. */
static void test_going_away_after_it_was_taken(void **state)
{
    (void)state;
    struct zone_queue *queue = zone_queue_new();
    struct member first = {.ends_after_ms = 200}, leads = {.ends_after_ms = 500}, goes = {.n_led = 0};
    member_start(&first, queue, "f");
    usleep(50000);
    member_start(&leads, queue, "l");
    usleep(20000);
    member_start(&goes, queue, "g");
    usleep(350000);
    atomic_store(&goes.cancel, true);
    member_join(&goes);
    assert_int_equal(goes.share, ZONE_DONE);
    assert_int_equal(goes.result.outcome, OUTCOME_UNKNOWN);
    assert_null(goes.result.token);
    member_join(&leads);
    assert_string_equal(leads.led, "lg");
    assert_int_equal(leads.result.outcome, OUTCOME_OK);
    member_join(&first);
    member_done(&first);
    member_done(&leads);
    member_done(&goes);
    zone_queue_free(queue);
}

static void test_a_refused_batch_is_tried_singly(void **state)
{
    (void)state;
    struct zone_queue *queue = zone_queue_new();
    struct member first = {.ends_after_ms = 200}, all[4];
    memset(all, 0, sizeof(all));
    member_start(&first, queue, "f");
    usleep(50000);
    for (int i = 0; i < 4; i++) {
        all[i].is_refused = true;
        member_start(&all[i], queue, "x");
    }
    member_join(&first);
    for (int i = 0; i < 4; i++) {
        member_join(&all[i]);
        assert_int_equal(all[i].n_led, 1);
        assert_int_equal(json_integer_value(json_object_get(all[i].result.token, "n")), 1);
        member_done(&all[i]);
    }
    member_done(&first);
    zone_queue_free(queue);
}

/* Whose run was cancelled before anything went out takes no other with it: they try again, and say why. */
static void test_a_cancel_is_of_one_alone(void **state)
{
    (void)state;
    struct zone_queue *queue = zone_queue_new();
    struct member first = {.ends_after_ms = 200}, leads = {.is_cut_short = true}, other = {.n_led = 0};
    member_start(&first, queue, "f");
    usleep(50000);
    member_start(&leads, queue, "l");
    usleep(20000);
    member_start(&other, queue, "o");
    member_join(&first);
    member_join(&leads);
    member_join(&other);
    assert_string_equal(leads.led, "lo");
    assert_int_equal(leads.result.outcome, OUTCOME_CANCELLED);
    assert_int_equal(other.share, ZONE_DONE);
    assert_int_equal(other.result.outcome, OUTCOME_TEMPORARY);
    assert_string_equal(other.result.text.text,
                        "nothing was sent: the change of zone example.net that this one went with was cancelled");
    member_done(&first);
    member_done(&leads);
    member_done(&other);
    zone_queue_free(queue);
}

static void test_batches_are_bounded(void **state)
{
    (void)state;
    enum { COUNT = ZONE_BATCH_MAX + 10 };
    struct zone_queue *queue = zone_queue_new();
    struct member first = {.ends_after_ms = 300}, *all = calloc(COUNT, sizeof(*all));
    char *big = malloc(ZONE_BATCH_BYTES);
    assert_true(all && big);
    memset(big, 'b', ZONE_BATCH_BYTES - 1);
    big[ZONE_BATCH_BYTES - 1] = '\0';
    member_start(&first, queue, "f");
    usleep(50000);
    for (int i = 0; i < COUNT; i++)
        member_start(&all[i], queue, i < 2 ? big : "x");
    int n_parts = 0, n_big = 0;
    for (int i = 0; i < COUNT; i++) {
        member_join(&all[i]);
        assert_int_equal(all[i].result.outcome, OUTCOME_OK);
        assert_in_range(all[i].n_led, 0, ZONE_BATCH_MAX);
        n_parts += all[i].n_led;
        n_big += all[i].n_led > 0 && all[i].led[0] == 'b';
    }
    member_join(&first);
    assert_int_equal(n_parts, COUNT);
    assert_in_range(n_big, 0, 2);
    for (int i = 0; i < COUNT; i++)
        member_done(&all[i]);
    member_done(&first);
    free(big);
    free(all);
    zone_queue_free(queue);
}

/* Many threads that come, share, and go away at odd moments; under the sanitizers. */
static void test_all_at_once(void **state)
{
    (void)state;
    enum { COUNT = 60 };
    struct zone_queue *queue = zone_queue_new();
    struct member *all = calloc(COUNT, sizeof(*all));
    assert_non_null(all);
    for (int i = 0; i < COUNT; i++) {
        all[i].enters = i % 3 == 0;
        all[i].ends_after_ms = i % 4;
        all[i].inside_ms = i % 5;
        all[i].is_refused = i % 7 == 0;
        all[i].timeout_ms = i % 11 == 0 ? 20 : 5000;
        member_start(&all[i], queue, i % 3 ? "x" : NULL);
        if (i % 13 == 0)
            atomic_store(&all[i].cancel, true);
    }
    for (int i = 0; i < COUNT; i++) {
        member_join(&all[i]);
        bool may_go = i % 13 == 0 || i % 11 == 0;
        if (!may_go)
            assert_int_equal(all[i].result.outcome, OUTCOME_OK);
        member_done(&all[i]);
    }
    assert_int_equal(atomic_load(&n_inside), 0);
    free(all);
    zone_queue_free(queue);
}

int main(void)
{
    clock_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leads_at_once_when_nobody_is_there),
        cmocka_unit_test(test_those_that_wait_share),
        cmocka_unit_test(test_zones_do_not_wait_for_each_other),
        cmocka_unit_test(test_one_ends_for_all_that_entered),
        cmocka_unit_test(test_a_due_part_is_not_held_up),
        cmocka_unit_test(test_going_away_before_it_is_taken),
        cmocka_unit_test(test_going_away_after_it_was_taken),
        cmocka_unit_test(test_a_refused_batch_is_tried_singly),
        cmocka_unit_test(test_a_cancel_is_of_one_alone),
        cmocka_unit_test(test_batches_are_bounded),
        cmocka_unit_test(test_all_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
