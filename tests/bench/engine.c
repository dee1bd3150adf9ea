/* What a step of a run costs beside the provider: the orchestrator on a real database, and an executor that answers
 * each attempt at once. A step is looked at, changed and looked at again, with all its commits: once in memory, which
 * is the engine's own cost, and once on the disk, where the commits are waited for. In the same run, and the same
 * folder: what one commit of one row costs. */
#include "tests/unit/orchestrator_fixture.h"

#define N_STEPS 20
#define N_RUNS 15
#define N_COMMITS 300

static struct step steps[N_STEPS];
static char names[N_STEPS][16];

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, by_value);
    return values[n / 2];
}

static double commit_ms(struct fixture *f)
{
    char path[160];
    double took[N_COMMITS];
    sqlite3 *db = NULL;
    snprintf(path, sizeof path, "%s/peer.db", f->folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (a, b)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    for (int i = 0; i < N_COMMITS; i++) {
        double began = now_ms();
        assert_int_equal(sqlite3_exec(db, "INSERT INTO t VALUES (randomblob(200), 1)", NULL, NULL, NULL), SQLITE_OK);
        took[i] = now_ms() - began;
    }
    sqlite3_close(db);
    return median(took, N_COMMITS);
}

static double run_ms(struct fixture *f)
{
    adopt(f, "gra");
    struct command *call = operator_call(COMMAND_MOVE, "rbx");
    double began = now_ms();
    assert_int_equal(send(f, call)->err, ERR_OK);
    for (int i = 0; i < N_STEPS; i++)
        for (int look = 0; look < 3; look++)
            answer(f, next_attempt(f), OUTCOME_OK, look == 2);
    double took = 0;
    for (;;) {
        took = now_ms() - began;
        if (count(f, "SELECT count(*) FROM run WHERE finished_at IS NULL") == 0)
            return took;
    }
}

static void measure(struct fixture *f, const char *where, bool is_in_memory)
{
    double runs[N_RUNS];
    if (is_in_memory) {
        snprintf(f->folder, sizeof f->folder, "/dev/shm/turnout-engine-XXXXXX");
        assert_non_null(mkdtemp(f->folder));
        snprintf(f->database, sizeof f->database, "%s/turnout.db", f->folder);
    }
    for (int i = 0; i < N_STEPS; i++) {
        snprintf(names[i], sizeof names[i], "step %d", i);
        steps[i] = f->step;
        steps[i].name = names[i];
    }
    f->service.steps = steps;
    f->service.n_steps = N_STEPS;
    f->service.cool_down_ms = 0;
    run_ms(f); /* a first one, for what is new then */
    for (int i = 0; i < N_RUNS; i++)
        runs[i] = run_ms(f);
    double step = median(runs, N_RUNS) / N_STEPS, commit = commit_ms(f);
    printf(
        "engine, database %s: %.2f ms per step (median of %d runs of %d steps, each looked at, changed and looked at "
        "again); a commit of one row %.3f ms, a step is %.1f of them\n",
        where, step, N_RUNS, N_STEPS, commit, step / commit);
}

static void engine(void **state)
{
    measure(*state, "on the disk", false);
}

static void engine_in_memory(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(rmdir(f->folder), 0);
    measure(f, "in memory", true);
}

int main(void)
{
    clock_start();
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(engine_in_memory, set_up, tear_down),
                                       cmocka_unit_test_setup_teardown(engine, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
