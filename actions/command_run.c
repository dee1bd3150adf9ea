#include "actions/command_run.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GRACE_MS 2000       /* between SIGTERM and SIGKILL */
#define GRACE_CANCEL_MS 800 /* likewise: a cancel works within a second */
#define POLL_SLICE_MS 50
#define MAX_DRAIN_AT_ONCE (1 << 20)
#define MAX_KILL_ROUNDS 20 /* somebody who is killed may just have made a child */

/* ---- beginning --------------------------------------------------------------------------------------------------- */

static int make_actions(const struct command_run *command, int output, posix_spawn_file_actions_t *actions)
{
    int error = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(actions, output, STDERR_FILENO);
    if (error == 0)
        error = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
    if (error == 0 && command->directory)
        error = posix_spawn_file_actions_addchdir_np(actions, command->directory);
    return error;
}

static int make_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int error = posix_spawnattr_setsigmask(attributes, &none);
    if (error == 0)
        error = posix_spawnattr_setsigdefault(attributes, &all);
    if (error == 0)
        error = posix_spawnattr_setflags(attributes,
                                         (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID));
    return error;
}

/* posix_spawn() does by itself what is hard in a program of threads: its child shares our memory, runs no code of ours,
 * and tells us why exec failed. */
static int spawn(const struct command_run *command, int output, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    union {
        const char *const *given;
        char *const *wanted;
    } argv = {.given = command->argv}, environment = {.given = command->environment};
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0)
        return error;
    error = posix_spawnattr_init(&attributes);
    if (error == 0) {
        error = make_actions(command, output, &actions);
        if (error == 0)
            error = make_attributes(&attributes);
        if (error == 0)
            error = posix_spawnp(ret, command->argv[0], &actions, &attributes, argv.wanted, environment.wanted);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static bool is_directory(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static enum err fail_spawn(const struct command_run *command, int error, struct errmsg *why)
{
    if (command->directory && !is_directory(command->directory))
        return err_set(why, ERR_INVALID, "there is no directory %.200s", command->directory);
    if (error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE || error == EINTR || error == ETXTBSY)
        return err_set(why, ERR_TEMPORARY, "%.100s cannot be started now: %s", command->argv[0],
                       strerrordesc_np(error));
    if (error == ENOEXEC)
        return err_set(why, ERR_INVALID,
                       "%.100s is no program: a script needs a first line like #!/bin/sh, or \"shell: true\"",
                       command->argv[0]);
    return err_set(why, ERR_INVALID, "%.100s cannot be run: %s", command->argv[0], strerrordesc_np(error));
}

/* ---- output ------------------------------------------------------------------------------------------------------ */

static void output_keep(struct command_ended *ended, const char *bytes, size_t len)
{
    ended->n_output += (int64_t)len;
    if (len >= sizeof(ended->output)) {
        memcpy(ended->output, bytes + len - sizeof(ended->output), sizeof(ended->output));
        ended->output_len = sizeof(ended->output);
        return;
    }
    size_t kept = ended->output_len, room = sizeof(ended->output) - len;
    if (kept > room) {
        memmove(ended->output, ended->output + kept - room, room);
        kept = room;
    }
    memcpy(ended->output + kept, bytes, len);
    ended->output_len = kept + len;
}

/* What is there now, but not without end. false: nothing will come any more. */
static bool output_drain(int fd, struct command_ended *ended)
{
    char bytes[65536];
    for (size_t total = 0; total < MAX_DRAIN_AT_ONCE;) {
        ssize_t n = read(fd, bytes, sizeof(bytes));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        output_keep(ended, bytes, (size_t)n);
        total += (size_t)n;
    }
    return true;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

/* Ended, but not yet reaped: until then neither its id nor its group's can be somebody else's. */
static bool has_ended(pid_t pid)
{
    siginfo_t info = {.si_pid = 0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

static void wait_a_little(int fd, int64_t ms)
{
    struct pollfd item = {.fd = fd, .events = POLLIN};
    (void)poll(&item, fd >= 0 ? 1 : 0, (int)ms);
}

/* Until it has ended or `until` has come. */
static bool wait_until(pid_t pid, int *fd, int64_t until, const atomic_bool *cancel, struct command_ended *ended)
{
    while (!has_ended(pid)) {
        const int64_t left_ms = until - clock_steady_ms();
        if (left_ms <= 0 || (cancel && atomic_load(cancel)))
            return false;
        /* Whoever has closed its output is mostly about to end. */
        const int64_t slice_ms = *fd >= 0 ? POLL_SLICE_MS : POLL_SLICE_MS / 5;
        wait_a_little(*fd, left_ms < slice_ms ? left_ms : slice_ms);
        if (*fd >= 0 && !output_drain(*fd, ended)) {
            close(*fd);
            *fd = -1;
        }
    }
    return true;
}

/* Its session, as /proc has it, when it lives and is in another group than the leader of the session, which can be
 * reached at once. 0: not so. */
static pid_t session_of_group_apart(const char *pid)
{
    char path[64], line[512];
    snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, line, sizeof(line) - 1);
    close(fd);
    line[n > 0 ? n : 0] = '\0';
    char *rest = strrchr(line, ')'); /* the name before it can be anything; then a letter, parent, group, session */
    if (!rest || strlen(rest) < 4 || rest[2] == 'Z')
        return 0;
    rest += 3;
    (void)strtol(rest, &rest, 10);
    const long group = strtol(rest, &rest, 10), session = strtol(rest, &rest, 10);
    return group != session ? (pid_t)session : 0;
}

/* By a descriptor: between the look and the signal the number may become somebody else's. */
static bool signal_member(const char *pid, pid_t session, int number)
{
    int fd = pidfd_open((pid_t)strtol(pid, NULL, 10), 0);
    if (fd < 0)
        return false;
    bool is_member = session_of_group_apart(pid) == session && pidfd_send_signal(fd, number, NULL, 0) == 0;
    close(fd);
    return is_member;
}

/* To its group, and to those of its session that have gone into groups of their own, as timeout(1) does and a shell
 * with job control. True when there were such. */
static bool signal_all(pid_t session, int number)
{
    bool has_apart = false;
    (void)kill(-session, number);
    DIR *folder = opendir("/proc");
    for (const struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && session_of_group_apart(entry->d_name) == session)
            has_apart |= signal_member(entry->d_name, session, number);
    if (folder)
        closedir(folder);
    return has_apart;
}

/* Reaps it, and takes what is left of its session with it. */
static void finish(pid_t pid, int fd, struct command_ended *ended)
{
    int status = 0;
    for (int i = 0; i < MAX_KILL_ROUNDS && signal_all(pid, SIGKILL); i++)
        wait_a_little(-1, 1);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (fd >= 0)
        (void)output_drain(fd, ended);
    if (ended->end == COMMAND_ENDED && WIFSIGNALED(status))
        ended->end = COMMAND_KILLED;
    ended->status = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static bool is_cancelled(const struct command_run *command)
{
    return command->cancel && atomic_load(command->cancel);
}

enum err command_run(const struct command_run *command, struct command_ended *ret, struct errmsg *why)
{
    const int64_t began_at = clock_steady_ms();
    int ends[2];
    pid_t pid;
    *ret = (struct command_ended){.end = COMMAND_ENDED};
    /* Whoever started us may have left it ignored, and then there is no child to wait for. */
    (void)signal(SIGCHLD, SIG_DFL);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_set(why, ERR_TEMPORARY, "%.100s cannot be started now: %s", command->argv[0],
                       strerrordesc_np(errno));
    /* Only our end: what the program finds is as it is used to. */
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    int error = spawn(command, ends[1], &pid);
    close(ends[1]);
    if (error != 0) {
        close(ends[0]);
        return fail_spawn(command, error, why);
    }
    if (!wait_until(pid, &ends[0], command->deadline_at, command->cancel, ret)) {
        ret->end = is_cancelled(command) ? COMMAND_CANCELLED : COMMAND_TIMED_OUT;
        (void)signal_all(pid, SIGTERM);
        const int64_t grace_ms = ret->end == COMMAND_CANCELLED ? GRACE_CANCEL_MS : GRACE_MS;
        (void)wait_until(pid, &ends[0], clock_steady_ms() + grace_ms, NULL, ret);
    }
    finish(pid, ends[0], ret);
    if (ends[0] >= 0)
        close(ends[0]);
    ret->took_ms = clock_steady_ms() - began_at;
    return ERR_OK;
}
