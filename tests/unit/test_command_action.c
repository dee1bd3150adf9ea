/* The action "command", with real programs. */
#include "action_rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

static void rig_for(struct rig *rig, const char *args)
{
    rig_start(rig, "command", NULL, NULL, args);
}

/* `text` for /bin/sh -c. */
static void rig_shell(struct rig *rig, const char *text)
{
    rig_for(rig, "{\"shell\": true}");
    json_object_set_new(rig->args, "run", json_pack("[s]", text));
}

static enum outcome apply(struct rig *rig)
{
    return rig_call(rig, rig->action->apply);
}

static const char *recorded(const struct rig *rig, const char *key)
{
    const json_t *last = json_array_get(rig->requests, json_array_size(rig->requests) - 1);
    return json_string_value(json_object_get(last, key));
}

static json_int_t recorded_int(const struct rig *rig, const char *key)
{
    const json_t *last = json_array_get(rig->requests, json_array_size(rig->requests) - 1);
    return json_integer_value(json_object_get(last, key));
}

/* ---- how it ends ------------------------------------------------------------------------------------------------- */

static void test_statuses(void **state)
{
    (void)state;
    struct rig rig;
    rig_for(&rig, "{\"run\": [\"echo\", \"a  b\", \"$HOME\", \"\"]}"); /* found in PATH, and no shell sees it */
    assert_outcome(&rig, apply(&rig), OUTCOME_OK);
    assert_text_has(&rig, "echo ended with status 0");
    assert_text_has(&rig, ": a b $HOME");
    assert_string_equal(recorded(&rig, "method"), "EXEC");
    assert_int_equal(recorded_int(&rig, "output_bytes"), strlen("a  b $HOME \n"));
    rig_stop(&rig);

    rig_shell(&rig, "echo first; echo 'cannot move it' >&2; echo; exit 3");
    json_object_set_new(rig.args, "temporary_status", json_pack("[ss]", "75", "9"));
    assert_outcome(&rig, apply(&rig), OUTCOME_PERMANENT);
    assert_text_has(&rig, "status 3");
    assert_text_has(&rig, "ms: cannot move it");
    assert_null(strstr(rig.result.text.text, "first"));
    rig_stop(&rig);

    rig_shell(&rig, "exit 75");
    json_object_set_new(rig.args, "temporary_status", json_pack("[ss]", "75", "9"));
    assert_outcome(&rig, apply(&rig), OUTCOME_TEMPORARY);
    rig_stop(&rig);

    rig_shell(&rig, "kill -KILL $$");
    assert_outcome(&rig, apply(&rig), OUTCOME_UNKNOWN);
    assert_text_has(&rig, "killed by signal KILL");
    rig_stop(&rig);
}

/* Looking is nobody's to refuse. */
static void test_consent(void **state)
{
    (void)state;
    struct rig rig;
    struct consent refusing = {consent_refuse};
    rig_for(&rig, "{\"run\": [\"true\"], \"observe\": [\"true\"]}");
    rig.consent = &refusing;
    assert_outcome(&rig, apply(&rig), OUTCOME_TEMPORARY);
    assert_text_has(&rig, "nothing was sent: not now");
    assert_int_equal(json_array_size(rig.requests), 0);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_true(rig.result.is_right);
    rig_stop(&rig);
}

/* Whoever started us may have had no interest in its children, which goes on to us. */
static void test_children_that_nobody_waits_for(void **state)
{
    (void)state;
    struct rig rig;
    signal(SIGCHLD, SIG_IGN);
    rig_for(&rig, "{\"run\": [\"false\"]}");
    assert_outcome(&rig, apply(&rig), OUTCOME_PERMANENT);
    assert_text_has(&rig, "ended with status 1");
    rig_stop(&rig);
    signal(SIGCHLD, SIG_DFL);
}

static void test_cannot_start(void **state)
{
    (void)state;
    static const struct {
        const char *args, *text;
    } cases[] = {{"{\"run\": [\"no-such-program-here\"]}", "No such file"},
                 {"{\"run\": [\"/no/such/program\"]}", "No such file"},
                 {"{\"run\": [\"/etc/passwd\"]}", "Permission denied"},
                 {"{\"run\": [\"/tmp\"]}", "Permission denied"},
                 {"{\"run\": [\"/bin/true\"], \"directory\": \"/no/such\"}", "there is no directory /no/such"},
                 {"{\"run\": [\"/bin/true\"], \"directory\": \"/etc/passwd\"}", "there is no directory"}};
    struct rig rig;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rig_for(&rig, cases[i].args);
        assert_outcome(&rig, apply(&rig), OUTCOME_PERMANENT);
        assert_text_has(&rig, cases[i].text);
        assert_int_equal(json_array_size(rig.requests), 0);
        rig_stop(&rig);
    }
    char path[] = "/tmp/turnout-test-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "echo no first line\n", 19), 19);
    assert_int_equal(fchmod(fd, 0700), 0);
    close(fd);
    rig_for(&rig, "{}");
    json_object_set_new(rig.args, "run", json_pack("[s]", path));
    assert_outcome(&rig, apply(&rig), OUTCOME_PERMANENT);
    assert_text_has(&rig, "#!/bin/sh");
    rig_stop(&rig);
    unlink(path);
}

/* ---- what it finds ----------------------------------------------------------------------------------------------- */

/* Nothing of ours: no descriptor, no variable, no setting of a signal, no terminal. */
static void test_surroundings(void **state)
{
    (void)state;
    struct rig rig;
    sigset_t mask, old;
    setenv("TURNOUT_TOKEN", "not-for-others", 1);
    setenv("LANG", "C", 1);
    int inherited = open("/etc/passwd", O_RDONLY); /* not O_CLOEXEC, as some library may do it */
    assert_true(inherited > 2);
    signal(SIGPIPE, SIG_IGN);
    sigfillset(&mask);
    pthread_sigmask(SIG_BLOCK, &mask, &old);

    rig_for(&rig, "{\"run\": [\"/usr/bin/env\"], \"environment\": {\"B\": \"1 2\", \"PATH\": \"/bin\"}}");
    assert_outcome(&rig, apply(&rig), OUTCOME_OK);
    const char *said = recorded(&rig, "answer");
    assert_non_null(strstr(said, "B=1 2"));
    assert_non_null(strstr(said, "PATH=/bin"));
    assert_null(strstr(said, "PATH=/usr"));
    assert_non_null(strstr(said, "LANG=C"));
    assert_non_null(strstr(said, "TURNOUT_RUN=019aa3c1"));
    assert_null(strstr(said, "TURNOUT_TOKEN"));
    rig_stop(&rig);

    rig_shell(&rig, "echo $(ls /proc/self/fd | wc -l); readlink /proc/self/fd/0; pwd; cut -d' ' -f1,6 /proc/$$/stat | "
                    "awk '{print ($1 == $2)}'; grep -E '^Sig(Blk|Ign):' /proc/self/status");
    rig_set(&rig, "directory", "/usr");
    assert_outcome(&rig, apply(&rig), OUTCOME_OK);
    said = recorded(&rig, "answer");
    /* 0, 1, 2 and the one that ls has open itself; two signals, 32 and 33, are the C library's own */
    assert_memory_equal(said, "4 /dev/null /usr 1 ", strlen("4 /dev/null /usr 1 "));
    assert_non_null(strstr(said, "SigBlk: 0000000000000000"));
    assert_int_equal(strtoull(strstr(said, "SigIgn: ") + 8, NULL, 16) & 0x7fffffff, 0);
    rig_stop(&rig);

    pthread_sigmask(SIG_SETMASK, &old, NULL);
    signal(SIGPIPE, SIG_DFL);
    close(inherited);
    unsetenv("TURNOUT_TOKEN");
}

/* ---- output ------------------------------------------------------------------------------------------------------ */

static void test_output(void **state)
{
    (void)state;
    struct rig rig;
    rig_shell(&rig, "head -c 100000000 /dev/zero | tr '\\0' 'x'; echo; echo the end"); /* 100 MB */
    rig.timeout_ms = 60000;
    assert_outcome(&rig, apply(&rig), OUTCOME_OK);
    assert_text_has(&rig, ": the end");
    assert_int_equal(recorded_int(&rig, "output_bytes"), 100000000 + 1 + 8);
    assert_true(strlen(recorded(&rig, "answer")) <= 512);
    rig_stop(&rig);

    rig_shell(&rig, "printf 'a\\000b\\033[31mc\\377\\n\\n'"); /* binary */
    assert_outcome(&rig, apply(&rig), OUTCOME_OK);
    assert_text_has(&rig, ": a b [31mc");
    rig_stop(&rig);

    rig_shell(&rig, "exec 0<&- 1>&- 2>&-; sleep 0.2; exit 4"); /* closes all it has */
    assert_outcome(&rig, apply(&rig), OUTCOME_PERMANENT);
    assert_text_has(&rig, "status 4");
    rig_stop(&rig);
}

/* ---- being killed ------------------------------------------------------------------------------------------------ */

/* Whether a process with that in its command line is alive, and no zombie. */
static bool is_alive(const char *mark)
{
    DIR *folder = opendir("/proc");
    bool is_there = false;
    for (struct dirent *entry; !is_there && (entry = readdir(folder));) {
        char path[300], line[512];
        snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);
        int fd = entry->d_name[0] >= '0' && entry->d_name[0] <= '9' ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        if (fd < 0)
            continue;
        ssize_t n = read(fd, line, sizeof(line));
        is_there = n > 0 && memmem(line, (size_t)n, mark, strlen(mark));
        close(fd);
    }
    closedir(folder);
    return is_there;
}

static void assert_gone(const char *mark)
{
    for (int i = 0; i < 100 && is_alive(mark); i++)
        usleep(20000);
    assert_false(is_alive(mark));
}

static void test_time_out(void **state)
{
    (void)state;
    struct rig rig;
    char text[200], mark[32];
    int mine = (int)getpid();

    /* It goes when it is asked to, and its children with it. */
    snprintf(mark, sizeof(mark), "77%d.1", mine);
    snprintf(text, sizeof(text), "sleep %s & sleep %s", mark, mark);
    rig_shell(&rig, text);
    rig.timeout_ms = 300;
    int64_t began_at = clock_steady_ms();
    assert_outcome(&rig, apply(&rig), OUTCOME_UNKNOWN);
    assert_text_has(&rig, "did not end within 300 ms and was killed");
    assert_true(clock_steady_ms() - began_at < 1800);
    assert_gone(mark);
    rig_stop(&rig);

    /* It does not care, and is killed after the grace. */
    snprintf(mark, sizeof(mark), "77%d.2", mine);
    snprintf(text, sizeof(text), "trap '' TERM; sleep %s & while :; do sleep 0.1; done", mark);
    rig_shell(&rig, text);
    rig.timeout_ms = 300;
    began_at = clock_steady_ms();
    assert_outcome(&rig, apply(&rig), OUTCOME_UNKNOWN);
    assert_true(clock_steady_ms() - began_at >= 2200);
    assert_gone(mark);
    rig_stop(&rig);

    /* A process group of its own, as timeout(1) makes, is no way out; nor of a job of a shell with job control. */
    snprintf(mark, sizeof(mark), "77%d.4", mine);
    snprintf(text, sizeof(text), "timeout 600 sleep %s & set -m; sleep %s & wait", mark, mark);
    rig_shell(&rig, text);
    rig.timeout_ms = 300;
    assert_outcome(&rig, apply(&rig), OUTCOME_UNKNOWN);
    assert_gone(mark);
    rig_stop(&rig);

    /* It ends by itself, and leaves somebody behind, who holds its output open. */
    snprintf(mark, sizeof(mark), "77%d.3", mine);
    snprintf(text, sizeof(text), "sleep %s & echo done", mark);
    rig_shell(&rig, text);
    began_at = clock_steady_ms();
    assert_outcome(&rig, apply(&rig), OUTCOME_OK);
    assert_text_has(&rig, ": done");
    assert_true(clock_steady_ms() - began_at < 4000);
    assert_gone(mark);
    rig_stop(&rig);

    /* A session of its own is how a program says that something is to outlive it. */
    snprintf(mark, sizeof(mark), "2.07%d", mine);
    snprintf(text, sizeof(text), "setsid sleep %s & sleep 0.1", mark);
    rig_shell(&rig, text);
    assert_outcome(&rig, apply(&rig), OUTCOME_OK);
    assert_true(is_alive(mark));
    assert_gone(mark);
    rig_stop(&rig);
}

static void *cancel_soon(void *context)
{
    usleep(200000);
    atomic_store((atomic_bool *)context, true);
    return NULL;
}

static void test_cancel(void **state)
{
    (void)state;
    struct rig rig;
    pthread_t thread;
    rig_shell(&rig, "trap '' TERM; while :; do sleep 0.1; done");
    rig.timeout_ms = 60000;
    int64_t began_at = clock_steady_ms();
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &rig.cancel), 0);
    assert_outcome(&rig, apply(&rig), OUTCOME_UNKNOWN);
    assert_text_has(&rig, "was cancelled and killed");
    assert_true(clock_steady_ms() - began_at < 4000);
    pthread_join(thread, NULL);
    json_object_set_new(rig.args, "observe", json_pack("[s]", "sleep 60")); /* and a look, at once */
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_CANCELLED);
    rig_stop(&rig);
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

static void test_observe(void **state)
{
    (void)state;
    struct rig rig;
    rig_for(&rig, "{\"run\": [\"/bin/true\"]}");
    assert_false(rig.action->can_observe(rig.args));
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_PERMANENT);
    json_object_set_new(rig.args, "observe", json_pack("[s]", "/bin/true"));
    assert_true(rig.action->can_observe(rig.args));
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_true(rig.result.is_right);
    json_object_set_new(rig.args, "observe", json_pack("[s]", "/bin/false"));
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_false(rig.result.is_right);
    json_object_set_new(rig.args, "observe", json_pack("[sss]", "/bin/sh", "-c", "echo down; exit 2"));
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_TEMPORARY);
    assert_text_has(&rig, "status 2");
    assert_text_has(&rig, ": down");
    json_object_set_new(rig.args, "observe", json_pack("[sss]", "/bin/sh", "-c", "kill -SEGV $$"));
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_TEMPORARY);
    json_object_set_new(rig.args, "observe", json_pack("[s]", "/no/such"));
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_PERMANENT);
    json_object_set_new(rig.args, "observe", json_pack("[ss]", "/bin/sleep", "60"));
    rig.timeout_ms = 200;
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_TEMPORARY);
    assert_text_has(&rig, "did not end within");
    rig_stop(&rig);
}

static void test_args(void **state)
{
    (void)state;
    static const struct {
        const char *args;
        bool is_good;
    } cases[] = {{"{\"run\": [\"a\", \"\"], \"shell\": false}", true},
                 {"{\"run\": [\"\"], \"shell\": false}", false},
                 {"{\"run\": [\"a b\"], \"shell\": true}", true},
                 {"{\"run\": [\"a\", \"b\"], \"shell\": true}", false},
                 {"{\"run\": [\"a\"], \"observe\": [\"\"]}", false},
                 {"{\"run\": [\"a\"], \"observe\": [\"a\", \"b\"], \"shell\": true}", false},
                 {"{\"run\": [\"a\"], \"environment\": {\"A_1\": \"\"}}", true},
                 {"{\"run\": [\"a\"], \"environment\": {\"1A\": \"\"}}", false},
                 {"{\"run\": [\"a\"], \"environment\": {\"A=B\": \"\"}}", false},
                 {"{\"run\": [\"a\"], \"temporary_status\": [\"75\", \"255\"]}", true},
                 {"{\"run\": [\"a\"], \"temporary_status\": [\"0\"]}", false},
                 {"{\"run\": [\"a\"], \"temporary_status\": [\"256\"]}", false},
                 {"{\"run\": [\"a\"], \"temporary_status\": [\"7x\"]}", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct errmsg why = {""};
        json_t *args = json_loads(cases[i].args, 0, NULL);
        assert_int_equal(action_find("command")->check_args(args, &why), cases[i].is_good ? ERR_OK : ERR_INVALID);
        assert_true(cases[i].is_good || why.text[0]);
        json_decref(args);
    }
}

/* Many at a time, from many threads: each gets its own end and its own output. */
static void *run_some(void *context)
{
    const int number = *(const int *)context;
    for (int i = 0; i < 10; i++) {
        struct rig rig;
        char text[64], wanted[32];
        snprintf(text, sizeof(text), "echo I am %d.; exit %d", number, number);
        snprintf(wanted, sizeof(wanted), "I am %d.", number);
        rig_shell(&rig, text);
        rig.timeout_ms = 60000;
        assert_int_equal(apply(&rig), OUTCOME_PERMANENT);
        assert_text_has(&rig, wanted);
        rig_stop(&rig);
    }
    return NULL;
}

static void test_many(void **state)
{
    (void)state;
    pthread_t threads[8];
    int numbers[8];
    for (int i = 0; i < 8; i++) {
        numbers[i] = i + 1;
        assert_int_equal(pthread_create(&threads[i], NULL, run_some, &numbers[i]), 0);
    }
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_consent),
        cmocka_unit_test(test_children_that_nobody_waits_for),
        cmocka_unit_test(test_cannot_start),
        cmocka_unit_test(test_surroundings),
        cmocka_unit_test(test_output),
        cmocka_unit_test(test_time_out),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_observe),
        cmocka_unit_test(test_args),
        cmocka_unit_test(test_many),
    };
    clock_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
