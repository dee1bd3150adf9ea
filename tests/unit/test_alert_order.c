/* Senders that say when they found it so: whatever comes late, or again, the newest of what they said stands. A table,
 * and a walk whose witness only remembers what has arrived. Do not call the code under test to find out what it ought
 * to do. */
#include "core/alert.h"
#include "tests/unit/test.h"

#include <inttypes.h>

#define NOW ((int64_t)1700000000000)
#define NEVER TIME_UNKNOWN
#define HOUR ((int64_t)3600 * 1000)

#define NEW ALERT_VERDICT_NEW
#define DUPLICATE ALERT_VERDICT_DUPLICATE
#define LATE ALERT_VERDICT_LATE

/* ---- the table --------------------------------------------------------------------------------------------------- */

struct order_case {
    const char *name;
    enum alert_state row;
    int64_t starts, ends, asserted; /* of the row */
    enum alert_state said;
    int64_t said_starts, said_ends, said_asserted;
    enum alert_verdict verdict;
    int64_t starts_after, ends_after, asserted_after;
};

static const struct order_case cases[] = {
    {"resolved, later", ALERT_FIRING, 100, NEVER, 100, ALERT_RESOLVED, NEVER, 160, 160, NEW, 100, 160, 160},
    {"an older resolve", ALERT_FIRING, 100, NEVER, 100, ALERT_RESOLVED, NEVER, 90, 90, LATE, 100, NEVER, 100},
    {"an older resolve that ends after the start", ALERT_FIRING, 100, NEVER, 200, ALERT_RESOLVED, 100, 150, 150, LATE,
     100, NEVER, 200},
    {"firing again, later", ALERT_RESOLVED, 100, 160, 160, ALERT_FIRING, 200, NEVER, 200, NEW, 200, 160, 200},
    {"firing again, later, as long as before", ALERT_RESOLVED, 100, 160, 160, ALERT_FIRING, 100, NEVER, 200, NEW, 100,
     160, 200},
    {"an older firing", ALERT_RESOLVED, 100, 160, 160, ALERT_FIRING, 100, NEVER, 100, LATE, 100, 160, 160},
    {"an older firing that was never heard of", ALERT_RESOLVED, 100, 160, 160, ALERT_FIRING, 130, NEVER, 130, LATE, 100,
     160, 160},
    {"a repeat", ALERT_FIRING, 100, NEVER, 100, ALERT_FIRING, 100, NEVER, 100, DUPLICATE, 100, NEVER, 100},
    {"an older repeat", ALERT_FIRING, 100, NEVER, 120, ALERT_FIRING, 100, NEVER, 110, LATE, 100, NEVER, 120},
    {"still so, later", ALERT_FIRING, 100, NEVER, 100, ALERT_FIRING, 100, NEVER, 120, DUPLICATE, 100, NEVER, 120},
    {"firing since later: the resolve was lost", ALERT_FIRING, 100, NEVER, 100, ALERT_FIRING, 120, NEVER, 120,
     DUPLICATE, 120, NEVER, 120},
    {"still so, and since when is not said", ALERT_FIRING, 100, NEVER, 100, ALERT_FIRING, NEVER, NEVER, 120, DUPLICATE,
     100, NEVER, 120},
    {"still resolved, later", ALERT_RESOLVED, 100, 160, 160, ALERT_RESOLVED, NEVER, 180, 180, DUPLICATE, 100, 180, 180},

    {"resolved in the same moment", ALERT_FIRING, 100, NEVER, 100, ALERT_RESOLVED, NEVER, 100, 100, NEW, 100, 100, 100},
    {"and that firing again", ALERT_RESOLVED, 100, 100, 100, ALERT_FIRING, 100, NEVER, 100, LATE, 100, 100, 100},
    {"firing in the moment of the resolve", ALERT_RESOLVED, 50, 100, 100, ALERT_FIRING, 100, NEVER, 100, NEW, 100, 100,
     100},
    {"and that resolve again", ALERT_FIRING, 100, 100, 100, ALERT_RESOLVED, NEVER, 100, 100, LATE, 100, 100, 100},
    {"a resolve that knows an earlier start", ALERT_FIRING, 120, NEVER, 120, ALERT_RESOLVED, 100, 120, 120, NEW, 120,
     120, 120},

    {"not known any more", ALERT_FIRING, 100, NEVER, 100, ALERT_UNKNOWN, NEVER, NEVER, 130, NEW, 100, NEVER, 130},
    {"not known, but that was before", ALERT_FIRING, 100, NEVER, 100, ALERT_UNKNOWN, NEVER, NEVER, 90, LATE, 100, NEVER,
     100},
    {"known again", ALERT_UNKNOWN, 100, NEVER, 130, ALERT_FIRING, 140, NEVER, 140, NEW, 140, NEVER, 140},
    {"known to be over", ALERT_UNKNOWN, 100, NEVER, 130, ALERT_RESOLVED, NEVER, 140, 140, NEW, 100, 140, 140},
    {"known, but that was before", ALERT_UNKNOWN, 100, NEVER, 130, ALERT_FIRING, 120, NEVER, 120, LATE, 100, NEVER,
     130},
    {"still not known", ALERT_UNKNOWN, 100, NEVER, 130, ALERT_UNKNOWN, NEVER, NEVER, 150, DUPLICATE, 100, NEVER, 150},
    {"known and not known in one moment: known", ALERT_FIRING, 100, NEVER, 100, ALERT_UNKNOWN, NEVER, NEVER, 100, LATE,
     100, NEVER, 100},
    {"the same, the other way round", ALERT_UNKNOWN, 90, NEVER, 100, ALERT_FIRING, 100, NEVER, 100, NEW, 100, NEVER,
     100},
    {"the same, fired since before", ALERT_UNKNOWN, 90, NEVER, 100, ALERT_FIRING, 90, NEVER, 100, NEW, 90, NEVER, 100},
    {"the same, over", ALERT_UNKNOWN, 90, 80, 100, ALERT_RESOLVED, NEVER, 80, 100, NEW, 90, 80, 100},

    {"up, later", ALERT_FIRING, 100, NEVER, 100, ALERT_UP, NEVER, 160, 160, NEW, 100, 160, 160},
    {"an older up", ALERT_FIRING, 100, NEVER, 100, ALERT_UP, NEVER, 90, 90, LATE, 100, NEVER, 100},
    {"still up, later", ALERT_UP, 100, 160, 160, ALERT_UP, NEVER, 180, 180, DUPLICATE, 100, 180, 180},
    {"down again after up", ALERT_UP, 100, 160, 160, ALERT_FIRING, 200, NEVER, 200, NEW, 200, 160, 200},
    {"an older firing after up", ALERT_UP, 100, 160, 160, ALERT_FIRING, 100, NEVER, 100, LATE, 100, 160, 160},
    {"up in the same moment", ALERT_FIRING, 100, NEVER, 100, ALERT_UP, NEVER, 100, 100, NEW, 100, 100, 100},
    {"and that firing again", ALERT_UP, 100, 100, 100, ALERT_FIRING, 100, NEVER, 100, LATE, 100, 100, 100},
    {"firing in the moment of the up", ALERT_UP, 50, 100, 100, ALERT_FIRING, 100, NEVER, 100, NEW, 100, 100, 100},
    {"and that up again", ALERT_FIRING, 100, 100, 100, ALERT_UP, NEVER, 100, 100, LATE, 100, 100, 100},
    {"over, and then up", ALERT_RESOLVED, 100, 160, 160, ALERT_UP, NEVER, 180, 180, NEW, 100, 180, 180},
    {"up, and then only over", ALERT_UP, 100, 160, 160, ALERT_RESOLVED, NEVER, 180, 180, NEW, 100, 180, 180},
    {"over and up in one moment: up", ALERT_RESOLVED, 100, 160, 160, ALERT_UP, NEVER, 160, 160, NEW, 100, 160, 160},
    {"the same, the other way round", ALERT_UP, 100, 160, 160, ALERT_RESOLVED, NEVER, 160, 160, LATE, 100, 160, 160},
    {"up, and then not known", ALERT_UP, 100, 160, 160, ALERT_UNKNOWN, NEVER, NEVER, 180, NEW, 100, 160, 180},
    {"not known, and then up", ALERT_UNKNOWN, 100, NEVER, 130, ALERT_UP, NEVER, 140, 140, NEW, 100, 140, 140},

    {"it never said before: as without", ALERT_FIRING, 100, NEVER, NEVER, ALERT_RESOLVED, NEVER, 90, 90, LATE, 100,
     NEVER, 90},
    {"it does not say this time: as without", ALERT_FIRING, 100, NEVER, 100, ALERT_RESOLVED, NEVER, 160, NEVER, NEW,
     100, 160, 100},
    {"a time before 1970 is none", ALERT_FIRING, 100, NEVER, 100, ALERT_RESOLVED, NEVER, 160, -5, NEW, 100, 160, 100},
    {"a time that has not come is none", ALERT_FIRING, 100, NEVER, 100, ALERT_RESOLVED, NEVER, 160,
     NOW + ALERT_CLOCK_AHEAD_MS + 1, NEW, 100, NEVER, 100},
    {"a clock a little ahead is believed", ALERT_FIRING, 100, NEVER, 100, ALERT_RESOLVED, NEVER, 160,
     NOW + ALERT_CLOCK_AHEAD_MS, NEW, 100, 160, NOW + ALERT_CLOCK_AHEAD_MS},
};

static void the_newest_assertion_stands(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct order_case *c = &cases[i];
        const struct alert_row row = {.exists = true,
                                      .state = c->row,
                                      .starts_at = c->starts,
                                      .ends_at = c->ends,
                                      .asserted_at = c->asserted,
                                      .first_seen_at = NOW - HOUR,
                                      .changed_at = NOW - HOUR,
                                      .last_seen_at = NOW - HOUR,
                                      .count = 7};
        const struct alert said = {
            .state = c->said, .starts_at = c->said_starts, .ends_at = c->said_ends, .asserted_at = c->said_asserted};
        struct alert_row after;
        enum alert_verdict verdict = alert_take(&row, &said, NOW, &after);
        if (verdict != c->verdict || after.starts_at != c->starts_after || after.ends_at != c->ends_after ||
            after.asserted_at != c->asserted_after || after.state != (verdict == NEW ? c->said : c->row))
            fail_msg("%s: verdict %d, %s, starts %" PRId64 ", ends %" PRId64 ", asserted %" PRId64, c->name, verdict,
                     alert_state_text(after.state), after.starts_at, after.ends_at, after.asserted_at);
        assert_int_equal(after.count, 8);
        assert_int_equal(after.last_seen_at, NOW);
        assert_int_equal(after.changed_at, verdict == NEW ? NOW : NOW - HOUR);
    }
}

/* ---- the walk ---------------------------------------------------------------------------------------------------- */

#define MAX_SAID 10

struct assertion {
    struct alert said;
    int64_t arrived_first; /* number of the delivery; 0: not yet */
};

static uint64_t random_state;

static int64_t chance(int64_t below)
{
    random_state += 0x9e3779b97f4a7c15U;
    uint64_t z = random_state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return (int64_t)((z ^ (z >> 31)) % (uint64_t)below);
}

/* What a sender has said over time: each state at most once in each moment. One that sends the time of the change has
 * several in one moment; one that sends the time of its look has none, but says of each when the episode began. Of the
 * former some say that it is over, and others that it is up. */
static int invent(struct assertion *list, bool has_ties)
{
    static const enum alert_state states[] = {ALERT_FIRING, ALERT_UNKNOWN, ALERT_UP, ALERT_RESOLVED};
    bool is_taken[MAX_SAID + 1][4] = {{false}};
    int n = 0;
    enum alert_state end = states[2 + chance(2)];
    int wanted = 1 + (int)chance(MAX_SAID);
    for (int i = 0; i < 50 && n < wanted; i++) {
        int64_t moment = 1 + chance(has_ties ? 4 : MAX_SAID);
        enum alert_state said = states[chance(has_ties ? 3 : 4)];
        said = has_ties && said == ALERT_UP ? end : said;
        bool is_free = !is_taken[moment][said];
        for (int k = 0; !has_ties && k < 4; k++)
            is_free &= !is_taken[moment][k];
        if (!is_free)
            continue;
        is_taken[moment][said] = true;
        int64_t at = 1000 * moment;
        struct alert *alert = &list[n].said;
        *alert = (struct alert){.state = said, .starts_at = NEVER, .ends_at = NEVER, .asserted_at = at};
        if (said == ALERT_FIRING)
            alert->starts_at = has_ties ? at : at - chance(3) * 500;
        else if (chance(2) == 0)
            alert->starts_at = at - 1 - chance(2000);
        if (said == ALERT_RESOLVED || said == ALERT_UP)
            alert->ends_at = at;
        list[n++].arrived_first = 0;
    }
    return n;
}

/* Of those that have arrived: the newest; of one moment, what arrived last, each counted when it first came; and who
 * says at once that he knows and that he does not, knows. */
static const struct assertion *witness(const struct assertion *list, int n)
{
    const struct assertion *best = NULL;
    for (int i = 0; i < n; i++) {
        const struct assertion *a = &list[i];
        if (a->arrived_first == 0)
            continue;
        if (!best || a->said.asserted_at > best->said.asserted_at) {
            best = a;
            continue;
        }
        if (a->said.asserted_at < best->said.asserted_at)
            continue;
        bool is_known = a->said.state != ALERT_UNKNOWN;
        bool best_is_known = best->said.state != ALERT_UNKNOWN;
        if (is_known != best_is_known ? is_known : a->arrived_first > best->arrived_first)
            best = a;
    }
    return best;
}

static void walk(uint64_t seed, bool has_ties)
{
    struct assertion list[MAX_SAID];
    random_state = seed;
    int n = invent(list, has_ties);
    struct alert_row row = {.exists = false};
    int64_t n_deliveries = 1 + chance(40);
    for (int64_t i = 1; i <= n_deliveries; i++) {
        struct assertion *a = &list[chance(n)];
        const struct alert_row before = row;
        int64_t now = NOW + i * 60000 + chance(60000);
        enum alert_verdict verdict = alert_take(&before, &a->said, now, &row);
        if (a->arrived_first == 0)
            a->arrived_first = i;
        const struct assertion *stands = witness(list, n);
        if (row.state != stands->said.state || row.asserted_at != stands->said.asserted_at)
            fail_msg("seed %" PRIu64 "%s, delivery %" PRId64 ": %s of %" PRId64 " makes it %s of %" PRId64
                     ", and not %s of %" PRId64,
                     seed, has_ties ? ", with ties" : "", i, alert_state_text(a->said.state), a->said.asserted_at,
                     alert_state_text(row.state), row.asserted_at, alert_state_text(stands->said.state),
                     stands->said.asserted_at);
        bool is_changed = !before.exists || before.state != row.state;
        assert_int_equal(verdict == NEW, is_changed);
        assert_true(verdict != NEW || a->arrived_first == i); /* a repeat is never news */
        assert_true(!before.exists || a->said.asserted_at >= before.asserted_at || verdict == LATE);
        assert_int_equal(row.count, i);
        assert_int_equal(row.last_seen_at, now);
        assert_int_equal(row.changed_at, is_changed ? now : before.changed_at);
    }
}

static void any_order_and_any_number_of_times(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100000; seed++)
        walk(seed, seed % 2 == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_assertion_stands),
        cmocka_unit_test(any_order_and_any_number_of_times),
    };
    return cmocka_run_group_tests_name("alert_order", tests, NULL, NULL);
}
