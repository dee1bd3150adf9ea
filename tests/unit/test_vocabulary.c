/* Every state has a text of its own that parses back to it, and nothing else parses. */
#include "core/vocabulary.h"
#include "tests/unit/test.h"

#define COUNT_ONE(name, text) +1

#define CHECK_LIST(type, prefix, LIST)                                                                                 \
    do {                                                                                                               \
        const int n = 0 LIST(COUNT_ONE);                                                                               \
        for (int i = 0; i < n; i++) {                                                                                  \
            enum type back = (enum type)(n + 1);                                                                       \
            const char *text = prefix##_text((enum type)i);                                                            \
            assert_true(text[0] != 0 && strcmp(text, "?") != 0);                                                       \
            assert_true(prefix##_parse(text, &back));                                                                  \
            assert_int_equal(back, i);                                                                                 \
        }                                                                                                              \
        enum type kept = (enum type)1;                                                                                 \
        assert_string_equal(prefix##_text((enum type)n), "?");                                                         \
        assert_string_equal(prefix##_text((enum type) - 1), "?");                                                      \
        assert_false(prefix##_parse("?", &kept));                                                                      \
        assert_false(prefix##_parse("", &kept));                                                                       \
        assert_false(prefix##_parse(NULL, &kept));                                                                     \
        assert_int_equal(kept, 1);                                                                                     \
    } while (0)

static void every_list(void **state)
{
    (void)state;
    CHECK_LIST(active_kind, active_kind, ACTIVE_LIST);
    CHECK_LIST(mode, mode, MODE_LIST);
    CHECK_LIST(alert_state, alert_state, ALERT_STATE_LIST);
    CHECK_LIST(timer_kind, timer_kind, TIMER_LIST);
    CHECK_LIST(direction, direction, DIRECTION_LIST);
    CHECK_LIST(run_state, run_state, RUN_STATE_LIST);
    CHECK_LIST(step_state, step_state, STEP_STATE_LIST);
    CHECK_LIST(phase, phase, PHASE_LIST);
    CHECK_LIST(outcome, outcome, OUTCOME_LIST);
    CHECK_LIST(role, role, ROLE_LIST);
}

static void stored_texts_do_not_change(void **state)
{
    (void)state;
    assert_string_equal(step_state_text(STEP_ALREADY_DONE), "already done");
    assert_string_equal(outcome_text(OUTCOME_NOT_YET), "not yet");
    assert_string_equal(timer_kind_text(TIMER_COOL_DOWN), "cool_down");
    assert_string_equal(active_kind_text(ACTIVE_SPLIT), "split");
    assert_string_equal(run_state_text(RUN_ATTENTION), "attention");
}

static void final_states(void **state)
{
    (void)state;
    assert_false(run_state_is_final(RUN_RUNNING) || run_state_is_final(RUN_ATTENTION));
    assert_true(run_state_is_final(RUN_SUCCEEDED) && run_state_is_final(RUN_CANCELLED));
    assert_false(step_state_is_final(STEP_PENDING) || step_state_is_final(STEP_RUNNING) ||
                 step_state_is_final(STEP_FAILED));
    assert_true(step_state_is_final(STEP_DONE) && step_state_is_final(STEP_ALREADY_DONE) &&
                step_state_is_final(STEP_SKIPPED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_list),
        cmocka_unit_test(stored_texts_do_not_change),
        cmocka_unit_test(final_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
