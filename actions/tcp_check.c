/* tcp.check: does something take connections at an address and port, and does it begin as it should?
 *
 * A check says what it sees, so a refused or silent connection is "not right". What we lack ourselves (a socket, a
 * route, IPv6) proves nothing of the other side and is an error of the check. Nothing is ever sent: a protocol that
 * has to be spoken to belongs into an action of its own. */
#include "actions/action.h"
#include "actions/common.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define CANCEL_POLL_MS 50
#define MAX_BANNER 256

struct target {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    socklen_t len;
    char text[64]; /* ADDRESS:PORT, [IPv6]:PORT */
};

static bool target_make(const json_t *args, struct target *ret)
{
    const char *address = arg_text(args, "address", "");
    int64_t port = arg_int(args, "port", 0);
    *ret = (struct target){.len = 0};
    if (port < 1 || port > UINT16_MAX)
        return false;
    if (inet_pton(AF_INET, address, &ret->address.v4.sin_addr) == 1) {
        ret->address.v4.sin_family = AF_INET;
        ret->address.v4.sin_port = htons((uint16_t)port);
        ret->len = sizeof(ret->address.v4);
        snprintf(ret->text, sizeof(ret->text), "%.45s:%d", address, (int)port);
        return true;
    }
    if (inet_pton(AF_INET6, address, &ret->address.v6.sin6_addr) != 1)
        return false;
    ret->address.v6.sin6_family = AF_INET6;
    ret->address.v6.sin6_port = htons((uint16_t)port);
    ret->len = sizeof(ret->address.v6);
    snprintf(ret->text, sizeof(ret->text), "[%.45s]:%d", address, (int)port);
    return true;
}

/* ---- one connection ---------------------------------------------------------------------------------------------- */

/* Waits for `events` as long as the call lasts. ERR_OK, ERR_CANCELLED, or ERR_TEMPORARY: the time is over. */
static enum err wait_for(const struct action_call *call, int fd, short events)
{
    for (;;) {
        int64_t left_ms = call_left_ms(call);
        struct pollfd ready = {.fd = fd, .events = events};
        if (call_is_cancelled(call))
            return ERR_CANCELLED;
        if (left_ms <= 0)
            return ERR_TEMPORARY;
        if (poll(&ready, 1, left_ms < CANCEL_POLL_MS ? (int)left_ms : CANCEL_POLL_MS) > 0)
            return ERR_OK;
    }
}

/* What connect() says at once and that is no word of the other side. */
static bool is_our_own(int number)
{
    return number == ENETUNREACH || number == EADDRNOTAVAIL || number == EACCES || number == EPERM ||
           number == EAGAIN || number == ENOBUFS || number == ENOMEM || number == EINVAL;
}

/* ERR_OK; ERR_UNKNOWN: the other side does not take it; ERR_TEMPORARY: it cannot be tried from here; ERR_CANCELLED. */
static enum err connect_to(const struct action_call *call, int fd, const struct target *target, struct errmsg *why)
{
    if (connect(fd, &target->address.any, target->len) == 0)
        return ERR_OK;
    if (errno != EINPROGRESS)
        return err_set(why, is_our_own(errno) ? ERR_TEMPORARY : ERR_UNKNOWN, "%s", strerrordesc_np(errno));
    enum err err = wait_for(call, fd, POLLOUT);
    if (err == ERR_CANCELLED)
        return err;
    if (err != ERR_OK)
        return err_set(why, ERR_UNKNOWN, "no answer within %lld ms", (long long)call->timeout_ms);
    int number = 0;
    socklen_t len = sizeof(number);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &len) != 0)
        number = errno;
    return number == 0 ? ERR_OK : err_set(why, ERR_UNKNOWN, "%s", strerrordesc_np(number));
}

/* Reads until it is `wanted`, or certainly is not. ERR_OK: it is; ERR_UNKNOWN, ERR_CANCELLED. `ret` gets what came. */
static enum err banner_read(const struct action_call *call, int fd, const char *wanted, char ret[MAX_BANNER + 1],
                            struct errmsg *why)
{
    size_t len = 0, wanted_len = strnlen(wanted, MAX_BANNER);
    ret[0] = '\0';
    while (len < wanted_len && memcmp(ret, wanted, len) == 0) {
        enum err err = wait_for(call, fd, POLLIN);
        if (err == ERR_CANCELLED)
            return err;
        if (err != ERR_OK)
            return err_set(why, ERR_UNKNOWN, "no banner within %lld ms", (long long)call->timeout_ms);
        ssize_t n = recv(fd, ret + len, MAX_BANNER - len, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0)
            return err_set(why, ERR_UNKNOWN, "the connection ends before the banner%s%s", n < 0 ? ": " : "",
                           n < 0 ? strerrordesc_np(errno) : "");
        len += (size_t)n;
        ret[len] = '\0';
    }
    if (len >= wanted_len && memcmp(ret, wanted, wanted_len) == 0)
        return ERR_OK;
    char shown[81];
    words_of(call, ret, len, shown, sizeof(shown));
    return err_set(why, ERR_UNKNOWN, "the banner is \"%s\", expected \"%.80s\"", shown, wanted);
}

/* ---- the check --------------------------------------------------------------------------------------------------- */

static json_t *state_of(bool is_connected, const char *banner)
{
    json_t *state = json_pack("{s:b}", "connected", (int)is_connected);
    if (banner)
        json_object_set_new(state, "banner", json_string(banner));
    return state;
}

static void judge(struct action_call *call, struct action_result *ret, int fd, const struct target *target)
{
    const char *wanted = arg_text(call->args, "banner", NULL);
    char banner[MAX_BANNER + 1] = "", words[WORDS_SIZE] = "";
    struct errmsg why = {""};
    int64_t began_at = clock_steady_ms();
    enum err err = connect_to(call, fd, target, &why);
    int64_t took_ms = clock_steady_ms() - began_at;
    bool is_connected = err == ERR_OK;
    if (is_connected && wanted)
        err = banner_read(call, fd, wanted, banner, &why);
    words_of(call, banner, strlen(banner), words, sizeof(words));
    if (err == ERR_CANCELLED) {
        result_set(ret, OUTCOME_CANCELLED, "cancelled while checking");
        return;
    }
    if (err == ERR_TEMPORARY) {
        result_set(ret, OUTCOME_TEMPORARY, "%s cannot be tried from here: %s", target->text, why.text);
        return;
    }
    ret->is_right = err == ERR_OK;
    ret->current = state_of(is_connected, wanted ? words : NULL);
    ret->desired = state_of(true, wanted);
    if (err == ERR_OK)
        result_set(ret, OUTCOME_OK, "%s took the connection in %lld ms%s", target->text, (long long)took_ms,
                   wanted ? " and begins as expected" : "");
    else if (is_connected)
        result_set(ret, OUTCOME_OK, "%s took the connection in %lld ms, but %s", target->text, (long long)took_ms,
                   why.text);
    else
        result_set(ret, OUTCOME_OK, "%s takes no connection: %s", target->text, why.text);
}

static void tcp_check_observe(struct action_call *call, struct action_result *ret)
{
    struct target target;
    if (!target_make(call->args, &target)) {
        result_set(ret, OUTCOME_PERMANENT, "\"%.64s\" with port %lld is nothing to connect to",
                   arg_text(call->args, "address", ""), (long long)arg_int(call->args, "port", 0));
        return;
    }
    AUTO_CLOSE int fd = socket(target.address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        result_set(ret, OUTCOME_TEMPORARY, "%s cannot be tried from here: %s", target.text, strerrordesc_np(errno));
    else
        judge(call, ret, fd, &target);
}

static const struct row check_rows[] = {
    {.name = "address", .type = ROW_ADDRESS, .is_required = true, .help = "IPv4 or IPv6 address to connect to"},
    {.name = "port", .type = ROW_INT, .is_required = true, .min = 1, .max = 65535, .help = "port to connect to"},
    {.name = "banner",
     .type = ROW_STRING,
     .min = 1,
     .max = MAX_BANNER,
     .help = "how what the server sends by itself must begin, as in SSH-2.0; default: a connection is enough"},
    {.name = NULL},
};

const struct action action_tcp_check = {
    .name = "tcp.check",
    .help = "checks that something takes TCP connections at an address, and says what it should first",
    .rows = check_rows,
    .is_check = true,
    .default_retries = 3,
    .default_timeout_ms = 10000,
    .observe = tcp_check_observe,
};
