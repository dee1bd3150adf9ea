#include "action_rig.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

/* A server that says what the test wants, in pieces, to each who comes. */
struct talker {
    int listener, port;
    pthread_t thread;
    const char *pieces[4]; /* up to a NULL */
    bool is_closing;       /* afterwards; else it waits until the other side goes */
};

static void *talk(void *context)
{
    struct talker *talker = context;
    int fd;
    while ((fd = accept(talker->listener, NULL, NULL)) >= 0) {
        for (int i = 0; talker->pieces[i]; i++) {
            if (i > 0)
                usleep(30000);
            (void)!send(fd, talker->pieces[i], strlen(talker->pieces[i]), MSG_NOSIGNAL);
        }
        char byte;
        while (!talker->is_closing && recv(fd, &byte, 1, 0) > 0) {
        }
        close(fd);
    }
    return NULL;
}

static bool listener_open(struct talker *talker, int family, int backlog)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *address = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    socklen_t len = family == AF_INET ? sizeof(v4) : sizeof(v6);
    talker->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (talker->listener < 0 || bind(talker->listener, address, len) != 0 || listen(talker->listener, backlog) != 0)
        return false;
    assert_int_equal(getsockname(talker->listener, address, &len), 0);
    talker->port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
    return true;
}

static void talker_start(struct talker *talker, const char *first, const char *second, bool is_closing)
{
    *talker = (struct talker){.pieces = {first, second}, .is_closing = is_closing};
    assert_true(listener_open(talker, AF_INET, 8));
    assert_int_equal(pthread_create(&talker->thread, NULL, talk, talker), 0);
}

static void talker_stop(struct talker *talker)
{
    shutdown(talker->listener, SHUT_RDWR);
    pthread_join(talker->thread, NULL);
    close(talker->listener);
}

static void rig_for(struct rig *rig, const char *address, int port, const char *banner)
{
    rig_start(rig, "tcp.check", NULL, NULL, "{}");
    rig_set(rig, "address", address);
    rig_set_int(rig, "port", port);
    if (banner)
        rig_set(rig, "banner", banner);
}

/* ---- connecting -------------------------------------------------------------------------------------------------- */

static void test_connects(void **state)
{
    (void)state;
    struct talker talker;
    struct rig rig;
    talker_start(&talker, NULL, NULL, false);
    rig_for(&rig, "127.0.0.1", talker.port, NULL);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_true(rig.result.is_right);
    assert_text_has(&rig, "took the connection in ");
    assert_true(json_is_true(json_object_get(rig.result.current, "connected")));
    assert_null(json_object_get(rig.result.current, "banner"));
    talker_stop(&talker);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK); /* refused is what it sees */
    assert_false(rig.result.is_right);
    assert_text_has(&rig, "takes no connection: Connection refused");
    assert_true(json_is_false(json_object_get(rig.result.current, "connected")));
    assert_true(json_is_true(json_object_get(rig.result.desired, "connected")));
    rig_stop(&rig);
}

static void test_ipv6(void **state)
{
    (void)state;
    struct talker talker = {.pieces = {"SSH-2.0-x\r\n"}};
    struct rig rig;
    if (!listener_open(&talker, AF_INET6, 8)) {
        print_message("no IPv6 here\n");
        close(talker.listener);
        skip();
    }
    assert_int_equal(pthread_create(&talker.thread, NULL, talk, &talker), 0);
    rig_for(&rig, "::1", talker.port, "SSH-2.0");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_true(rig.result.is_right);
    assert_text_has(&rig, "[::1]:");
    talker_stop(&talker);
    rig_stop(&rig);
}

/* A listener whose queue is full drops what comes: the way a firewall is silent. */
static void test_silence_ends_with_its_time(void **state)
{
    (void)state;
    struct talker talker = {.port = 0};
    struct rig rig;
    int filling[4];
    assert_true(listener_open(&talker, AF_INET, 0));
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)talker.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (size_t i = 0; i < COUNT_OF(filling); i++) {
        filling[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(filling[i], (struct sockaddr *)&address, sizeof(address));
    }
    usleep(50000);
    rig_for(&rig, "127.0.0.1", talker.port, NULL);
    rig.timeout_ms = 300;
    int64_t began_at = clock_steady_ms();
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_in_range(clock_steady_ms() - began_at, 250, 3000);
    assert_false(rig.result.is_right);
    assert_text_has(&rig, "no answer within 300 ms");
    rig_stop(&rig);
    for (size_t i = 0; i < COUNT_OF(filling); i++)
        close(filling[i]);
    close(talker.listener);
}

/* ---- the banner -------------------------------------------------------------------------------------------------- */

static void test_banners(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second;
        bool is_closing;
        const char *wanted;
        bool is_right;
        const char *text;
    } cases[] = {
        {"SSH-2.0-OpenSSH_9.2\r\n", NULL, false, "SSH-2.0", true, "begins as expected"},
        {"220", " mail ESMTP\r\n", false, "220 mail", true, "begins as expected"},
        {"421 too busy\r\n", NULL, false, "220", false, "the banner is \"421 too busy\", expected \"220\""},
        {"22", NULL, true, "220 ", false, "the connection ends before the banner"},
        {"\x1b[2J\x01gone", NULL, false, "220", false, "the banner is \"[2J gone\""},
        {NULL, NULL, false, "220", false, "no banner within 300 ms"},
        {NULL, NULL, true, "220", false, "the connection ends before the banner"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct talker talker;
        struct rig rig;
        talker_start(&talker, cases[i].first, cases[i].second, cases[i].is_closing);
        rig_for(&rig, "127.0.0.1", talker.port, cases[i].wanted);
        rig.timeout_ms = cases[i].is_right ? 5000 : 300;
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
        assert_int_equal(rig.result.is_right, cases[i].is_right);
        assert_text_has(&rig, cases[i].text);
        rig_stop(&rig);
        talker_stop(&talker);
    }
}

/* ---- what is not about the other side ---------------------------------------------------------------------------- */

static void *cancel_soon(void *context)
{
    usleep(100000);
    atomic_store((atomic_bool *)context, true);
    return NULL;
}

static void test_cancel(void **state)
{
    (void)state;
    struct talker talker;
    struct rig rig;
    pthread_t thread;
    talker_start(&talker, NULL, NULL, false);
    rig_for(&rig, "127.0.0.1", talker.port, "never");
    rig.timeout_ms = 20000;
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &rig.cancel), 0);
    int64_t began_at = clock_steady_ms();
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_CANCELLED);
    assert_in_range(clock_steady_ms() - began_at, 50, 5000);
    pthread_join(thread, NULL);
    rig_stop(&rig);
    talker_stop(&talker);
}

static void test_what_cannot_be_tried(void **state)
{
    (void)state;
    struct rig rig;
    rig_for(&rig, "255.255.255.255", 80, NULL); /* a broadcast address: our own system says no */
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_TEMPORARY);
    assert_text_has(&rig, "255.255.255.255:80 cannot be tried from here: ");
    rig_set(&rig, "address", "db.example");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_PERMANENT);
    rig_set(&rig, "address", "127.0.0.1");
    rig_set_int(&rig, "port", 65536);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_PERMANENT);
    rig_stop(&rig);
}

int main(void)
{
    clock_start();
    fetch_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connects),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_silence_ends_with_its_time),
        cmocka_unit_test(test_banners),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_what_cannot_be_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
