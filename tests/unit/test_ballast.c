/* The file that is given up when the disk is full: made, given up, made again, and never somebody else's. */
#include "tests/unit/test.h"

#include "base/err.h"
#include "store/ballast.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((int64_t)1 << 20)

struct fixture {
    char folder[64], database[96], path[112], other[112];
    struct ballast *ballast;
    struct errmsg why;
};

static void names(struct fixture *f)
{
    strcpy(f->folder, "/tmp/turnout-ballast-XXXXXX");
    if (!mkdtemp(f->folder))
        abort();
    snprintf(f->database, sizeof f->database, "%s/turnout.db", f->folder);
    snprintf(f->path, sizeof f->path, "%s.ballast", f->database);
    snprintf(f->other, sizeof f->other, "%s/other", f->folder);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    names(f);
    f->ballast = ballast_new(f->database, 2 * MIB);
    *state = f;
    return f->ballast ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ballast_free(f->ballast);
    unlink(f->path);
    unlink(f->other);
    rmdir(f->folder);
    free(f);
    return 0;
}

static int64_t allocated(const struct fixture *f)
{
    struct stat st;
    return lstat(f->path, &st) == 0 ? (int64_t)st.st_blocks * 512 : -1;
}

static void assert_size(const struct fixture *f, int64_t bytes)
{
    struct stat st;
    assert_int_equal(lstat(f->path, &st), 0);
    assert_int_equal(st.st_size, bytes);
    assert_true((int64_t)st.st_blocks * 512 >= bytes);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void assert_made(struct fixture *f, int64_t reserve)
{
    enum err err = ballast_make(f->ballast, reserve, &f->why);
    if (err != ERR_OK)
        fail_msg("%s: %s", err_name(err), f->why.text);
    assert_true(ballast_is_there(f->ballast));
    assert_false(ballast_is_given_up(f->ballast));
}

static void resize(struct fixture *f, int64_t bytes)
{
    ballast_free(f->ballast);
    f->ballast = ballast_new(f->database, bytes);
    assert_non_null(f->ballast);
}

static void write_file(const char *path, const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
}

static void assert_file(const char *path, const char *text)
{
    char found[64] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(read(fd, found, sizeof found - 1) >= 0);
    close(fd);
    assert_string_equal(found, text);
}

/* ---- ours -------------------------------------------------------------------------------------------------------- */

static void made_given_up_and_made_again(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ballast_bytes(f->ballast), 2 * MIB);
    assert_false(ballast_is_there(f->ballast));
    assert_false(ballast_drop(f->ballast)); /* there is none */
    assert_false(ballast_is_given_up(f->ballast));
    for (int i = 0; i < 2; i++) {
        assert_made(f, 0);
        assert_made(f, INT64_MAX); /* it is there: nobody asks for room */
        assert_size(f, 2 * MIB);
        assert_true(ballast_drop(f->ballast));
        assert_false(ballast_drop(f->ballast));
        assert_int_equal(allocated(f), 0);
        assert_false(ballast_is_there(f->ballast));
        assert_true(ballast_is_given_up(f->ballast));
    }
    assert_int_equal(unlink(f->path), 0); /* by somebody */
    assert_made(f, 0);
}

static void what_an_earlier_life_left_is_given_up_too(void **state)
{
    struct fixture *f = *state;
    assert_made(f, 0);
    resize(f, 2 * MIB);
    assert_false(ballast_is_there(f->ballast));
    assert_true(ballast_drop(f->ballast));
    assert_true(ballast_is_given_up(f->ballast));
    assert_int_equal(allocated(f), 0);
}

/* A restart on the full disk: intake must not have the room that was given to runs. */
static void the_next_life_knows_that_it_is_given_up(void **state)
{
    struct fixture *f = *state;
    assert_made(f, 0);
    assert_true(ballast_drop(f->ballast));
    for (int i = 0; i < 3; i++) {
        resize(f, 2 * MIB);
        assert_false(ballast_drop(f->ballast)); /* a second time */
        assert_int_equal(ballast_make(f->ballast, INT64_MAX, &f->why), ERR_FULL);
        assert_true(ballast_is_given_up(f->ballast));
        assert_int_equal(allocated(f), 0);
    }
    assert_made(f, 0);
    assert_size(f, 2 * MIB);
}

static void its_size_may_change(void **state)
{
    struct fixture *f = *state;
    assert_made(f, 0);
    resize(f, 4 * MIB);
    assert_made(f, 0);
    assert_size(f, 4 * MIB);
    resize(f, 1 * MIB);
    assert_made(f, 0);
    assert_size(f, 1 * MIB);
    assert_true(allocated(f) < 2 * MIB);
    /* Of the right size, with nothing in it. */
    assert_int_equal(truncate(f->path, 0), 0);
    assert_int_equal(truncate(f->path, 1 * MIB), 0);
    resize(f, 1 * MIB);
    assert_made(f, 0);
    assert_size(f, 1 * MIB);
}

static void one_that_is_not_to_be_is_removed(void **state)
{
    struct fixture *f = *state;
    assert_made(f, 0);
    resize(f, 0);
    assert_int_equal(ballast_make(f->ballast, 0, &f->why), ERR_OK);
    assert_int_equal(allocated(f), -1);
    assert_false(ballast_is_there(f->ballast));
    assert_false(ballast_is_given_up(f->ballast)); /* nobody waits for it */
    /* The disk was full before that. */
    resize(f, 2 * MIB);
    assert_made(f, 0);
    resize(f, 0);
    assert_true(ballast_drop(f->ballast));
    assert_true(ballast_is_given_up(f->ballast));
    assert_int_equal(ballast_make(f->ballast, INT64_MAX, &f->why), ERR_OK);
    assert_false(ballast_is_given_up(f->ballast));
}

static void without_one(void **state)
{
    (void)state;
    assert_false(ballast_drop(NULL));
    assert_false(ballast_is_there(NULL));
    assert_false(ballast_is_given_up(NULL));
    assert_int_equal(ballast_bytes(NULL), 0);
    ballast_free(NULL);
}

/* ---- no room ----------------------------------------------------------------------------------------------------- */

static void the_reserve_goes_first(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ballast_make(f->ballast, INT64_MAX, &f->why), ERR_FULL);
    assert_non_null(strstr(f->why.text, "of 2 MiB"));
    assert_int_equal(allocated(f), -1);
    assert_false(ballast_is_there(f->ballast));
    assert_made(f, 0);
    assert_true(ballast_drop(f->ballast));
    assert_int_equal(ballast_make(f->ballast, INT64_MAX, &f->why), ERR_FULL);
    assert_true(ballast_is_given_up(f->ballast)); /* still */
}

/* One that is there is not what takes the reserve's room. */
static void a_whole_one_needs_no_room(void **state)
{
    struct fixture *f = *state;
    assert_made(f, 0);
    resize(f, 2 * MIB);
    assert_made(f, INT64_MAX);
    assert_size(f, 2 * MIB);
}

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "line %d: %s: %s\n", __LINE__, #condition, f->why.text);                                   \
            return __LINE__ % 250 + 1;                                                                                 \
        }                                                                                                              \
    } while (0)

/* Takes all the room there is. */
static int64_t fill_disk(const struct fixture *f)
{
    int64_t len = 0;
    int fd = open(f->other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (int64_t piece = MIB; fd >= 0 && piece >= 4096; piece /= 16)
        while (posix_fallocate(fd, len, piece) == 0)
            len += piece;
    if (fd >= 0)
        close(fd);
    return len;
}

static int on_full_disk(struct fixture *f)
{
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", f->folder, "tmpfs", 0, "size=4m") != 0)
        return 255;
    CHECK(ballast_make(f->ballast, MIB, &f->why) == ERR_OK);
    CHECK(fill_disk(f) >= MIB);
    CHECK(ballast_drop(f->ballast));
    int64_t freed = fill_disk(f);
    CHECK(freed >= 3 * MIB);
    CHECK(ballast_make(f->ballast, 0, &f->why) == ERR_FULL);
    CHECK(allocated(f) == 0);
    /* Room for it, and none for the reserve. */
    CHECK(truncate(f->other, freed - 5 * MIB / 2) == 0);
    CHECK(ballast_make(f->ballast, MIB, &f->why) == ERR_FULL);
    CHECK(allocated(f) == 0 && ballast_is_given_up(f->ballast));
    CHECK(truncate(f->other, 0) == 0);
    CHECK(ballast_make(f->ballast, MIB, &f->why) == ERR_OK);
    CHECK(allocated(f) >= 2 * MIB && !ballast_is_given_up(f->ballast));
    return 0;
}

static void a_full_disk(void **state)
{
    pid_t child = fork();
    if (child == 0)
        _exit(on_full_disk(*state));
    int status = 0;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 255)
        skip(); /* needs the right to mount */
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- not ours ---------------------------------------------------------------------------------------------------- */

static void assert_refused(struct fixture *f)
{
    struct stat before, after;
    assert_int_equal(lstat(f->path, &before), 0);
    assert_false(ballast_drop(f->ballast));
    assert_int_equal(ballast_make(f->ballast, 0, &f->why), ERR_IO);
    assert_non_null(strstr(f->why.text, f->path));
    assert_false(ballast_drop(f->ballast));
    assert_false(ballast_is_there(f->ballast));
    assert_false(ballast_is_given_up(f->ballast));
    assert_int_equal(lstat(f->path, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(after.st_size, before.st_size);
    resize(f, 0);
    assert_int_equal(ballast_make(f->ballast, 0, &f->why), ERR_OK);
    assert_int_equal(lstat(f->path, &after), 0);
    resize(f, 2 * MIB);
}

static void somebody_s_file_stays(void **state)
{
    struct fixture *f = *state;
    write_file(f->path, "a backup", 8);
    assert_refused(f);
    assert_non_null(strstr(f->why.text, "take it away"));
    assert_file(f->path, "a backup");
}

static void a_link_is_not_followed(void **state)
{
    struct fixture *f = *state;
    write_file(f->other, "a backup", 8);
    assert_int_equal(symlink(f->other, f->path), 0);
    assert_refused(f);
    assert_non_null(strstr(f->why.text, "take it away"));
    assert_file(f->other, "a backup");
    unlink(f->path);
    unlink(f->other);
    /* To nowhere: nothing is made there. */
    assert_int_equal(symlink(f->other, f->path), 0);
    assert_refused(f);
    assert_int_equal(access(f->other, F_OK), -1);
    unlink(f->path);
    /* A hard one: the other name's file is not ours alone. */
    static const char zeros[100];
    write_file(f->other, zeros, sizeof zeros);
    assert_int_equal(link(f->other, f->path), 0);
    assert_refused(f);
}

static void a_folder_or_a_pipe_stays(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(mkdir(f->path, 0700), 0);
    assert_refused(f);
    rmdir(f->path);
    assert_int_equal(mkfifo(f->path, 0600), 0);
    assert_refused(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(made_given_up_and_made_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_an_earlier_life_left_is_given_up_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_next_life_knows_that_it_is_given_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(its_size_may_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_not_to_be_is_removed, set_up, tear_down),
        cmocka_unit_test(without_one),
        cmocka_unit_test_setup_teardown(the_reserve_goes_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_whole_one_needs_no_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(somebody_s_file_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_link_is_not_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_or_a_pipe_stays, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
