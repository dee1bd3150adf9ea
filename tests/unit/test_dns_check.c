#include "action_rig.h"

#include "actions/dns_query.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

/* ---- a name server of bytes, whose answers a test may spoil ------------------------------------------------------ */

enum spoiling {
    SPOIL_NONE,
    SPOIL_SILENT,
    SPOIL_FIRST_LOST,
    SPOIL_WRONG_ID,
    SPOIL_OTHER_QUESTION,
    SPOIL_GARBAGE,
    SPOIL_CUT,
    SPOIL_CUT_FOR_EVER,
    SPOIL_REFUSED
};

struct entry {
    const char *name;
    uint16_t type;
    const char *data; /* text of an address, a name, or a TXT's strings separated by | */
};

struct name_server {
    _Atomic(const struct entry *) entries; /* up to one without a name */
    atomic_int spoiling;
    char endpoint[64];
    int udp, tcp;
    pthread_t thread;
    atomic_bool is_stopping;
    atomic_int n_udp, n_tcp;
    atomic_bool has_recursion; /* seen in a question */
};

enum { T_A = 1, T_NS = 2, T_CNAME = 5, T_TXT = 16, T_AAAA = 28 };

static size_t put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return 2;
}

static size_t put_name(uint8_t *at, const char *name)
{
    size_t n = 0;
    while (*name) {
        size_t len = strcspn(name, ".");
        at[n++] = (uint8_t)len;
        memcpy(at + n, name, len);
        n += len;
        name += len + (name[len] == '.');
    }
    at[n++] = 0;
    return n;
}

static size_t put_data(uint8_t *at, const struct entry *entry)
{
    if (entry->type == T_A || entry->type == T_AAAA)
        return inet_pton(entry->type == T_A ? AF_INET : AF_INET6, entry->data, at) == 1 ? (entry->type == T_A ? 4 : 16)
                                                                                        : 0;
    if (entry->type != T_TXT)
        return put_name(at, entry->data);
    size_t n = 0;
    for (const char *c = entry->data; *c;) {
        size_t len = strcspn(c, "|");
        at[n++] = (uint8_t)len;
        memcpy(at + n, c, len);
        n += len;
        c += len + (c[len] == '|');
    }
    return n;
}

static size_t put_record(uint8_t *at, const struct entry *entry)
{
    size_t n = put_name(at, entry->name);
    n += put16(at + n, entry->type);
    n += put16(at + n, 1);
    n += put16(at + n, 0);
    n += put16(at + n, 60);
    size_t len = put_data(at + n + 2, entry);
    put16(at + n, (unsigned)len);
    return n + 2 + len;
}

/* Reads the question's name as text; returns where its type stands. */
static size_t read_name(const uint8_t *packet, char *ret)
{
    size_t at = 12;
    ret[0] = '\0';
    while (packet[at]) {
        strncat(ret, (const char *)packet + at + 1, packet[at]);
        at += packet[at] + 1U;
        if (packet[at])
            strcat(ret, ".");
    }
    return at + 1;
}

static size_t answer_make(struct name_server *server, const uint8_t *query, bool is_tcp, uint8_t *ret)
{
    char name[300];
    size_t type_at = read_name(query, name), n = type_at + 4;
    uint16_t type = (uint16_t)(query[type_at] << 8 | query[type_at + 1]);
    unsigned count = 0;
    bool is_known = false,
         is_cut = server->spoiling == SPOIL_CUT_FOR_EVER || (server->spoiling == SPOIL_CUT && !is_tcp);
    if (query[2] & 1)
        atomic_store(&server->has_recursion, true);
    memcpy(ret, query, n);
    for (const struct entry *entry = server->entries; entry->name && !is_cut; entry++) {
        bool is_name = strcasecmp(entry->name, name) == 0;
        bool is_alias_target = strstr(name, "alias.") == name && strcmp(entry->name, "app.example.test") == 0;
        is_known = is_known || is_name;
        if ((is_name && (entry->type == type || entry->type == T_CNAME)) || (is_alias_target && entry->type == type)) {
            n += put_record(ret + n, entry);
            count++;
        }
    }
    put16(ret, (unsigned)(query[0] << 8 | query[1]) + (server->spoiling == SPOIL_WRONG_ID));
    ret[2] = (uint8_t)(0x84 | (is_cut ? 2 : 0));
    ret[3] = server->spoiling == SPOIL_REFUSED ? 5 : is_known || is_cut ? 0 : 3;
    put16(ret + 4, 1);
    put16(ret + 6, count);
    put16(ret + 8, 0);
    put16(ret + 10, 0);
    if (server->spoiling == SPOIL_OTHER_QUESTION)
        ret[13] = 'z';
    if (server->spoiling == SPOIL_GARBAGE)
        memset(ret + 2, 0xff, n - 2);
    return n;
}

static void serve_udp(struct name_server *server)
{
    uint8_t query[600], made[70000];
    struct sockaddr_storage peer;
    socklen_t peer_len = sizeof(peer);
    ssize_t len = recvfrom(server->udp, query, sizeof(query), 0, (struct sockaddr *)&peer, &peer_len);
    int number = atomic_fetch_add(&server->n_udp, 1);
    if (len < 12 || server->spoiling == SPOIL_SILENT || (server->spoiling == SPOIL_FIRST_LOST && number == 0))
        return;
    size_t made_len = answer_make(server, query, false, made);
    sendto(server->udp, made, made_len, 0, (struct sockaddr *)&peer, peer_len);
}

static void serve_tcp(struct name_server *server)
{
    uint8_t query[600], made[70000];
    int fd = accept(server->tcp, NULL, NULL);
    atomic_fetch_add(&server->n_tcp, 1);
    if (recv(fd, query, 2, MSG_WAITALL) == 2) {
        size_t len = (size_t)query[0] << 8 | query[1];
        if (len <= sizeof(query) && recv(fd, query, len, MSG_WAITALL) == (ssize_t)len) {
            size_t made_len = answer_make(server, query, true, made + 2);
            put16(made, (unsigned)made_len);
            send(fd, made, 1, MSG_NOSIGNAL); /* in pieces, as TCP may */
            usleep(10000);
            send(fd, made + 1, made_len + 1, MSG_NOSIGNAL);
        }
    }
    close(fd);
}

static void *serve(void *context)
{
    struct name_server *server = context;
    while (!atomic_load(&server->is_stopping)) {
        struct pollfd fds[2] = {{.fd = server->udp, .events = POLLIN}, {.fd = server->tcp, .events = POLLIN}};
        if (poll(fds, 2, 20) <= 0)
            continue;
        if (fds[0].revents)
            serve_udp(server);
        if (fds[1].revents)
            serve_tcp(server);
    }
    return NULL;
}

static void name_server_start(struct name_server *server, const struct entry *entries, enum spoiling spoiling)
{
    memset(server, 0, sizeof(*server));
    server->entries = entries;
    server->spoiling = spoiling;
    for (;;) { /* the same port for both */
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(address);
        server->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        server->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(server->udp, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(getsockname(server->udp, (struct sockaddr *)&address, &len), 0);
        if (bind(server->tcp, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(server->tcp, 5) == 0) {
            snprintf(server->endpoint, sizeof(server->endpoint), "127.0.0.1:%d", ntohs(address.sin_port));
            break;
        }
        close(server->udp);
        close(server->tcp);
    }
    pthread_create(&server->thread, NULL, serve, server);
}

static void name_server_stop(struct name_server *server)
{
    atomic_store(&server->is_stopping, true);
    pthread_join(server->thread, NULL);
    close(server->udp);
    close(server->tcp);
}

static const struct entry new_entries[] = {{"app.example.test", T_A, "198.51.100.20"},
                                           {"alias.example.test", T_CNAME, "app.example.test"},
                                           {"six.example.test", T_AAAA, "2001:db8::1"},
                                           {"text.example.test", T_TXT, "v=one| two"},
                                           {"pair.example.test", T_A, "198.51.100.20"},
                                           {"pair.example.test", T_A, "192.0.2.10"},
                                           {NULL, 0, NULL}};
static const struct entry old_entries[] = {{"app.example.test", T_A, "192.0.2.10"}, {NULL, 0, NULL}};

/* ---- the action -------------------------------------------------------------------------------------------------- */

static void start(struct rig *rig, const struct name_server *servers, size_t n)
{
    rig_start(rig, "dns.check", NULL, NULL,
              "{\"record\": \"app.example.test\", \"type\": \"A\", \"target\": \"198.51.100.20\", \"servers\": []}");
    for (size_t i = 0; i < n; i++)
        json_array_append_new(json_object_get(rig->args, "servers"), json_string(servers[i].endpoint));
    rig->timeout_ms = 10000;
}

static void ask(struct rig *rig, const char *name, const char *type, const char *target, bool is_right)
{
    rig_set(rig, "record", name);
    rig_set(rig, "type", type);
    rig_set(rig, "target", target);
    assert_int_equal(rig_observe(rig), OUTCOME_OK);
    if (rig->result.is_right != is_right)
        print_error("%s\n", rig->result.text.text);
    assert_int_equal(rig->result.is_right, is_right);
}

static void test_exactly_the_target(void **state)
{
    (void)state;
    struct name_server server;
    struct rig rig;
    name_server_start(&server, new_entries, SPOIL_NONE);
    start(&rig, &server, 1);
    ask(&rig, "app.example.test", "A", "198.51.100.20", true);
    ask(&rig, "APP.example.test.", "A", "198.51.100.20", true);
    ask(&rig, "app.example.test", "A", "198.51.100.2", false);
    assert_text_has(&rig, "says 198.51.100.20");
    ask(&rig, "alias.example.test", "A", "198.51.100.20", true);
    ask(&rig, "alias.example.test", "CNAME", "app.example.test", true);
    ask(&rig, "alias.example.test", "CNAME", "example.test", false);
    ask(&rig, "six.example.test", "AAAA", "2001:0db8:0::1", true);
    ask(&rig, "text.example.test", "TXT", "v=one two", true);
    ask(&rig, "text.example.test", "TXT", "v=one", false);
    ask(&rig, "pair.example.test", "A", "198.51.100.20", false);
    assert_text_has(&rig, "198.51.100.20, 192.0.2.10");
    ask(&rig, "six.example.test", "A", "198.51.100.20", false);
    assert_text_has(&rig, "no record of that type");
    ask(&rig, "nothing.example.test", "A", "198.51.100.20", false);
    assert_text_has(&rig, "no such name");
    assert_false(atomic_load(&server.has_recursion));
    rig_stop(&rig);
    name_server_stop(&server);
}

static void test_every_server_counts(void **state)
{
    (void)state;
    struct name_server servers[3];
    struct rig rig;
    name_server_start(&servers[0], new_entries, SPOIL_NONE);
    name_server_start(&servers[1], old_entries, SPOIL_NONE);
    name_server_start(&servers[2], new_entries, SPOIL_SILENT);
    start(&rig, servers, 3);
    int64_t began_at = clock_steady_ms();
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_in_range(clock_steady_ms() - began_at, 1900, 2500); /* all at once */
    assert_false(rig.result.is_right);
    assert_text_has(&rig, servers[1].endpoint);
    assert_text_has(&rig, "says 192.0.2.10");
    assert_text_has(&rig, "does not answer: no answer within 2000 ms");
    assert_null(strstr(rig.result.text.text, servers[0].endpoint));
    assert_string_equal(json_string_value(json_object_get(rig.result.current, servers[0].endpoint)), "198.51.100.20");
    assert_string_equal(json_string_value(json_object_get(rig.result.desired, servers[2].endpoint)), "198.51.100.20");
    servers[2].spoiling = SPOIL_NONE;
    servers[1].entries = new_entries;
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_true(rig.result.is_right);
    assert_text_has(&rig, "all 3 name servers answer 198.51.100.20");
    rig_stop(&rig);
    for (int i = 0; i < 3; i++)
        name_server_stop(&servers[i]);
}

static void test_spoilt_answers(void **state)
{
    (void)state;
    static const struct {
        enum spoiling spoiling;
        bool is_right;
        const char *says;
    } cases[] = {
        {SPOIL_FIRST_LOST, true, "198.51.100.20"},    {SPOIL_CUT, true, "198.51.100.20"},
        {SPOIL_CUT_FOR_EVER, false, "none over TCP"}, {SPOIL_REFUSED, false, "REFUSED"},
        {SPOIL_WRONG_ID, false, "no answer within"},  {SPOIL_OTHER_QUESTION, false, "no answer within"},
        {SPOIL_GARBAGE, false, "no answer within"},
    };
    static const struct entry refused[] = {{NULL, 0, NULL}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct name_server server;
        struct rig rig;
        name_server_start(&server, cases[i].spoiling == SPOIL_REFUSED ? refused : new_entries, cases[i].spoiling);
        start(&rig, &server, 1);
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
        assert_int_equal(rig.result.is_right, cases[i].is_right);
        assert_text_has(&rig, cases[i].says);
        if (cases[i].spoiling == SPOIL_CUT)
            assert_int_equal(atomic_load(&server.n_tcp), 1);
        rig_stop(&rig);
        name_server_stop(&server);
    }
}

static void test_nobody_there(void **state)
{
    (void)state;
    struct name_server server;
    struct rig rig;
    name_server_start(&server, new_entries, SPOIL_NONE);
    name_server_stop(&server);
    start(&rig, &server, 1);
    int64_t began_at = clock_steady_ms();
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_false(rig.result.is_right);
    assert_text_has(&rig, "Connection refused");
    assert_in_range(clock_steady_ms() - began_at, 0, 1500);
    rig_stop(&rig);
}

static void *cancel_soon(void *context)
{
    struct rig *rig = context;
    usleep(200000);
    atomic_store(&rig->cancel, true);
    return NULL;
}

static void test_cancel_and_deadline(void **state)
{
    (void)state;
    struct name_server server;
    struct rig rig;
    pthread_t thread;
    name_server_start(&server, new_entries, SPOIL_SILENT);
    start(&rig, &server, 1);
    int64_t began_at = clock_steady_ms();
    pthread_create(&thread, NULL, cancel_soon, &rig);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_CANCELLED);
    assert_in_range(clock_steady_ms() - began_at, 150, 320);
    pthread_join(thread, NULL);
    atomic_store(&rig.cancel, false);
    rig.timeout_ms = 300;
    began_at = clock_steady_ms();
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_false(rig.result.is_right);
    assert_in_range(clock_steady_ms() - began_at, 290, 450);
    rig_stop(&rig);
    name_server_stop(&server);
}

static void test_bad_arguments(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, NULL, 0);
    const char *const servers[] = {"ns1.example.test", "127.0.0.1:0", "127.0.0.1:70000", "[::1", "::1]:53", "",
                                   "1.2.3.4:5x"};
    for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
        rig_set(&rig, "servers", servers[i]);
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_PERMANENT);
        assert_text_has(&rig, "is not ADDRESS");
    }
    rig_set(&rig, "servers", "127.0.0.1");
    rig_set(&rig, "target", "not an address");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_PERMANENT);
    rig_set(&rig, "target", "192.0.2.1");
    rig_set(&rig, "record", "a..b");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_PERMANENT);
    rig_stop(&rig);
}

/* ---- finding servers --------------------------------------------------------------------------------------------- */

static void test_endpoints(void **state)
{
    (void)state;
    struct dns_servers servers = {.count = 0};
    const char *const good[] = {"192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:5353"};
    struct errmsg why;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(dns_servers_add(&servers, good[i], &why), ERR_OK);
    assert_int_equal(((struct sockaddr_in *)(void *)servers.items[0].addresses)->sin_port, htons(53));
    assert_int_equal(((struct sockaddr_in *)(void *)servers.items[1].addresses)->sin_port, htons(5353));
    assert_int_equal(((struct sockaddr_in6 *)(void *)servers.items[2].addresses)->sin6_port, htons(53));
    assert_int_equal(((struct sockaddr_in6 *)(void *)servers.items[4].addresses)->sin6_port, htons(5353));
    while (servers.count < DNS_MAX_SERVERS)
        assert_int_equal(dns_servers_add(&servers, "192.0.2.1", &why), ERR_OK);
    assert_int_equal(dns_servers_add(&servers, "192.0.2.1", &why), ERR_FULL);
}

static void test_walk_up_to_the_zone(void **state)
{
    (void)state;
    static const struct entry entries[] = {
        {"example.test", T_NS, "ns1.example.test"}, {"example.test", T_NS, "ns2.other.test"},
        {"example.test", T_NS, "ns3.gone.test"},    {"a.b.example.test", T_CNAME, "elsewhere.test"},
        {"ns1.example.test", T_A, "192.0.2.1"},     {"ns1.example.test", T_AAAA, "2001:db8::1"},
        {"ns2.other.test", T_A, "192.0.2.2"},       {NULL, 0, NULL}};
    struct name_server dead, resolver;
    struct dns_servers resolvers = {.count = 0}, found;
    struct dns_patience patience = {.deadline_at = clock_steady_ms() + 20000};
    struct errmsg why;
    static const struct entry nothing[] = {{NULL, 0, NULL}};
    name_server_start(&dead, nothing, SPOIL_REFUSED);
    name_server_start(&resolver, entries, SPOIL_NONE);
    assert_int_equal(dns_servers_add(&resolvers, dead.endpoint, &why), ERR_OK); /* the next one is asked */
    assert_int_equal(dns_servers_add(&resolvers, resolver.endpoint, &why), ERR_OK);
    assert_int_equal(dns_find_servers(&resolvers, "a.b.example.test", &patience, &found, &why), ERR_OK);
    assert_int_equal(found.count, 3);
    assert_string_equal(found.items[0].name, "ns1.example.test");
    assert_int_equal(found.items[0].n_addresses, 2);
    assert_string_equal(found.items[1].name, "ns2.other.test");
    assert_int_equal(found.items[1].n_addresses, 1);
    assert_int_equal(found.items[2].n_addresses, 0); /* one that will not answer */
    assert_true(atomic_load(&resolver.has_recursion));
    assert_int_equal(dns_find_servers(&resolvers, "no.where.invalid", &patience, &found, &why), ERR_NOT_FOUND);
    resolvers.count = 1;
    assert_int_equal(dns_find_servers(&resolvers, "a.b.example.test", &patience, &found, &why), ERR_TEMPORARY);
    assert_non_null(strstr(why.text, "REFUSED"));
    name_server_stop(&dead);
    name_server_stop(&resolver);
}

static void test_system_resolvers(void **state)
{
    (void)state;
    struct dns_servers resolvers;
    struct errmsg why;
    enum err err = dns_system_resolvers(&resolvers, &why); /* as this machine has them, or none */
    assert_true(err == ERR_OK ? resolvers.count > 0 : err == ERR_NOT_FOUND);
}

static void test_second_address(void **state)
{
    (void)state;
    struct name_server server;
    struct dns_servers servers = {.count = 0};
    struct dns_answer answer;
    struct dns_patience patience = {.deadline_at = clock_steady_ms() + 10000};
    struct errmsg why;
    name_server_start(&server, new_entries, SPOIL_NONE);
    assert_int_equal(dns_servers_add(&servers, "127.0.0.1:1", &why), ERR_OK);
    assert_int_equal(dns_servers_add(&servers, server.endpoint, &why), ERR_OK);
    servers.items[0].addresses[1] = servers.items[1].addresses[0];
    servers.items[0].n_addresses = 2;
    servers.count = 1;
    assert_int_equal(dns_ask(&servers, "app.example.test", "A", &patience, &answer, &why), ERR_OK);
    assert_true(answer.is_answered);
    assert_string_equal(answer.values[0], "198.51.100.20");
    dns_answers_done(&answer, 1);
    name_server_stop(&server);
}

int main(void)
{
    clock_start();
    fetch_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exactly_the_target),  cmocka_unit_test(test_every_server_counts),
        cmocka_unit_test(test_spoilt_answers),      cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_cancel_and_deadline), cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_endpoints),           cmocka_unit_test(test_walk_up_to_the_zone),
        cmocka_unit_test(test_system_resolvers),    cmocka_unit_test(test_second_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
