#include "actions/dns_query.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/random.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ldns/ldns.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUERY_TIMEOUT_MS 2000
#define RESEND_AFTER_MS 1000
#define CANCEL_POLL_MS 50
#define UDP_SIZE 1232 /* what passes without fragments; more is asked over TCP */
#define MAX_PACKET 65535
#define MAX_ALIASES 8
#define DNS_PORT 53

/* What is asked of all servers. */
struct question {
    ldns_rdf *name;
    ldns_rr_type type;
    bool is_recursive;
    const struct dns_patience *patience;
};

/* One server being asked. */
struct probe {
    const struct dns_server *server;
    struct dns_answer *answer;
    int fd; /* -1: not waiting */
    uint16_t id;
    uint8_t *packet;
    size_t packet_len;
    bool is_cut;
};

/* ---- servers ----------------------------------------------------------------------------------------------------- */

static bool address_parse(const char *text, uint16_t port, struct sockaddr_storage *ret)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)ret;
    memset(ret, 0, sizeof(*ret));
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return true;
    }
    memset(ret, 0, sizeof(*ret));
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1)
        return false;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    return true;
}

static socklen_t address_length(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static bool port_parse(const char *text, uint16_t *ret)
{
    size_t len = strlen(text);
    if (len == 0 || len > 5 || strspn(text, "0123456789") != len)
        return false;
    unsigned long port = strtoul(text, NULL, 10);
    *ret = (uint16_t)port;
    return port > 0 && port <= UINT16_MAX;
}

/* Cuts "ADDRESS", "ADDRESS:PORT", "[IPv6]" or "[IPv6]:PORT"; the address is left in `text`. */
static bool endpoint_parse(char *text, struct sockaddr_storage *ret)
{
    uint16_t port = DNS_PORT;
    char *colon = strchr(text, ':');
    if (text[0] == '[') {
        char *end = strchr(text, ']');
        if (!end || (end[1] != '\0' && (end[1] != ':' || !port_parse(end + 2, &port))))
            return false;
        *end = '\0';
        text++;
    } else if (colon && !strchr(colon + 1, ':')) {
        *colon = '\0';
        if (!port_parse(colon + 1, &port))
            return false;
    }
    return address_parse(text, port, ret);
}

static struct dns_server *server_new(struct dns_servers *servers, const char *name, struct errmsg *why)
{
    if (servers->count == DNS_MAX_SERVERS) {
        (void)err_set(why, ERR_FULL, "more than %d name servers", DNS_MAX_SERVERS);
        return NULL;
    }
    struct dns_server *server = &servers->items[servers->count++];
    memset(server, 0, sizeof(*server));
    snprintf(server->name, sizeof(server->name), "%s", name);
    return server;
}

enum err dns_servers_add(struct dns_servers *servers, const char *endpoint, struct errmsg *why)
{
    char text[80];
    struct sockaddr_storage address;
    int len = snprintf(text, sizeof(text), "%s", endpoint);
    if (len < 0 || (size_t)len >= sizeof(text) || !endpoint_parse(text, &address))
        return err_set(why, ERR_INVALID, "\"%.80s\" is not ADDRESS or ADDRESS:PORT of a name server", endpoint);
    struct dns_server *server = server_new(servers, endpoint, why);
    if (!server)
        return ERR_FULL;
    server->addresses[0] = address;
    server->n_addresses = 1;
    return ERR_OK;
}

enum err dns_system_resolvers(struct dns_servers *ret, struct errmsg *why)
{
    ldns_resolver *resolver = NULL;
    memset(ret, 0, sizeof(*ret));
    if (ldns_resolver_new_frm_file(&resolver, NULL) != LDNS_STATUS_OK)
        return err_set(why, ERR_NOT_FOUND, "/etc/resolv.conf cannot be read");
    ldns_rdf **addresses = ldns_resolver_nameservers(resolver);
    for (size_t i = 0; i < ldns_resolver_nameserver_count(resolver) && ret->count < DNS_MAX_SERVERS; i++) {
        char *text = ldns_rdf2str(addresses[i]);
        /* one that cannot be used (a link-local address with its zone, say) is passed over: the next will do */
        enum err err = text ? dns_servers_add(ret, text, NULL) : ERR_NO_MEMORY;
        free(text);
        if (err == ERR_NO_MEMORY)
            break;
    }
    ldns_resolver_deep_free(resolver);
    return ret->count > 0 ? ERR_OK : err_set(why, ERR_NOT_FOUND, "/etc/resolv.conf names no resolver");
}

/* ---- packets ----------------------------------------------------------------------------------------------------- */

static void answer_problem(struct dns_answer *answer, const char *format, ...) PRINTF_LIKE(2, 3);
static void answer_problem(struct dns_answer *answer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(answer->problem, sizeof(answer->problem), format, args);
    va_end(args);
}

static bool packet_make(struct probe *probe, const struct question *question)
{
    ldns_rdf *name = ldns_rdf_clone(question->name);
    ldns_pkt *packet =
        name ? ldns_pkt_query_new(name, question->type, LDNS_RR_CLASS_IN, question->is_recursive ? LDNS_RD : 0) : NULL;
    if (!packet)
        return false;
    probe->id = (uint16_t)random_u64();
    ldns_pkt_set_id(packet, probe->id);
    ldns_pkt_set_edns_udp_size(packet, UDP_SIZE);
    bool is_made = ldns_pkt2wire(&probe->packet, packet, &probe->packet_len) == LDNS_STATUS_OK;
    ldns_pkt_free(packet);
    return is_made;
}

/* The TXT's strings joined, or the data in its usual text. */
static char *value_text(const ldns_rr *rr)
{
    if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_TXT)
        return ldns_rr_rd_count(rr) > 0 ? ldns_rdf2str(ldns_rr_rdf(rr, 0)) : NULL;
    size_t len = 0;
    char *text = malloc(MAX_PACKET + 1);
    for (size_t i = 0; text && i < ldns_rr_rd_count(rr); i++) {
        const uint8_t *data = ldns_rdf_data(ldns_rr_rdf(rr, i));
        size_t size = ldns_rdf_size(ldns_rr_rdf(rr, i));
        for (size_t k = 1; k < size && len < MAX_PACKET; k++) /* the first byte is the length */
            text[len++] = data[k] ? (char)data[k] : '?';
    }
    if (!text)
        return NULL;
    text[len] = '\0';
    char *shorter = realloc(text, len + 1);
    return shorter ? shorter : text;
}

static bool rr_is(const ldns_rr *rr, const ldns_rdf *owner, ldns_rr_type type)
{
    return ldns_rr_get_type(rr) == type && ldns_dname_compare(ldns_rr_owner(rr), owner) == 0 &&
           ldns_rr_rd_count(rr) > 0;
}

/* The name that the answer's aliases lead to. */
static const ldns_rdf *aliases_follow(const ldns_rr_list *list, const struct question *question)
{
    const ldns_rdf *owner = question->name;
    bool is_followed =
        question->type == LDNS_RR_TYPE_A || question->type == LDNS_RR_TYPE_AAAA || question->type == LDNS_RR_TYPE_TXT;
    for (int hop = 0; is_followed && hop < MAX_ALIASES; hop++) {
        const ldns_rdf *next = NULL;
        for (size_t i = 0; i < ldns_rr_list_rr_count(list) && !next; i++)
            if (rr_is(ldns_rr_list_rr(list, i), owner, LDNS_RR_TYPE_CNAME))
                next = ldns_rr_rdf(ldns_rr_list_rr(list, i), 0);
        if (!next)
            break;
        owner = next;
    }
    return owner;
}

static void answer_take(struct dns_answer *answer, const ldns_pkt *packet, const struct question *question)
{
    const ldns_rr_list *list = ldns_pkt_answer(packet);
    const ldns_rdf *owner = aliases_follow(list, question);
    ldns_pkt_rcode rcode = ldns_pkt_get_rcode(packet);
    answer->is_answered = true;
    answer->problem[0] = '\0';
    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(list, i);
        if (!rr_is(rr, owner, question->type))
            continue;
        if (answer->n_values == DNS_MAX_VALUES) {
            answer_problem(answer, "more than %d values", DNS_MAX_VALUES);
            return;
        }
        char *text = value_text(rr);
        if (text)
            answer->values[answer->n_values++] = text;
    }
    if (rcode == LDNS_RCODE_NXDOMAIN)
        answer_problem(answer, "no such name");
    else if (rcode != LDNS_RCODE_NOERROR) {
        ldns_lookup_table *known = ldns_lookup_by_id(ldns_rcodes, (int)rcode);
        answer_problem(answer, "%s", known ? known->name : "an unknown error");
    } else if (answer->n_values == 0) {
        answer_problem(answer, "no record of that type");
    }
}

static bool is_reply(const ldns_pkt *packet, const struct probe *probe, const struct question *question)
{
    const ldns_rr_list *asked = ldns_pkt_question(packet);
    if (ldns_pkt_id(packet) != probe->id || !ldns_pkt_qr(packet))
        return false;
    if (ldns_rr_list_rr_count(asked) == 0) /* some refuse without repeating the question */
        return ldns_pkt_get_rcode(packet) != LDNS_RCODE_NOERROR;
    const ldns_rr *rr = ldns_rr_list_rr(asked, 0);
    return ldns_rr_get_type(rr) == question->type && ldns_dname_compare(ldns_rr_owner(rr), question->name) == 0;
}

/* True when the bytes are the reply; what is not is passed over, as anyone can send it. */
static bool reply_read(struct probe *probe, const struct question *question, const uint8_t *bytes, size_t len)
{
    ldns_pkt *packet = NULL;
    if (ldns_wire2pkt(&packet, bytes, len) != LDNS_STATUS_OK)
        return false;
    bool is_ours = is_reply(packet, probe, question);
    if (is_ours && ldns_pkt_tc(packet))
        probe->is_cut = true;
    else if (is_ours)
        answer_take(probe->answer, packet, question);
    ldns_pkt_free(packet);
    return is_ours;
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

static bool is_cancelled(const struct dns_patience *patience)
{
    return patience->cancel && atomic_load(patience->cancel);
}

/* How long to poll, at most until `until`; 0 when it is time to stop. */
static int poll_time(int64_t until)
{
    int64_t left_ms = until - clock_steady_ms();
    return left_ms <= 0 ? 0 : left_ms < CANCEL_POLL_MS ? (int)left_ms : CANCEL_POLL_MS;
}

static int64_t query_until(const struct question *question)
{
    int64_t until = clock_steady_ms() + QUERY_TIMEOUT_MS;
    return until < question->patience->deadline_at ? until : question->patience->deadline_at;
}

static void probe_close(struct probe *probe)
{
    if (probe->fd >= 0)
        close(probe->fd);
    probe->fd = -1;
}

/* ---- UDP, all at once -------------------------------------------------------------------------------------------- */

static void udp_open(struct probe *probe, int round)
{
    const struct sockaddr_storage *address = &probe->server->addresses[round];
    probe->fd = socket(address->ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe->fd >= 0 && connect(probe->fd, (const struct sockaddr *)address, address_length(address)) == 0 &&
        send(probe->fd, probe->packet, probe->packet_len, MSG_NOSIGNAL) >= 0) {
        answer_problem(probe->answer, "no answer within %d ms", QUERY_TIMEOUT_MS);
        return;
    }
    if (round == 0) /* that there is no IPv6 here says less than that the IPv4 address is silent */
        answer_problem(probe->answer, "%s", strerrordesc_np(errno));
    probe_close(probe);
}

static void udp_read(struct probe *probe, const struct question *question)
{
    uint8_t bytes[UDP_SIZE * 4];
    ssize_t len = recv(probe->fd, bytes, sizeof(bytes), 0);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len < 0)
        answer_problem(probe->answer, "%s", strerrordesc_np(errno));
    if (len < 0 || reply_read(probe, question, bytes, (size_t)len))
        probe_close(probe);
}

/* Sends again to those that are silent: a lost packet is no news. */
static void udp_resend(struct probe *probes, int count)
{
    for (int i = 0; i < count; i++)
        if (probes[i].fd >= 0 && send(probes[i].fd, probes[i].packet, probes[i].packet_len, MSG_NOSIGNAL) < 0)
            continue; /* shows when it is read */
}

static enum err udp_wait(struct probe *probes, int count, const struct question *question)
{
    int64_t until = query_until(question), resend_at = clock_steady_ms() + RESEND_AFTER_MS;
    for (;;) {
        struct pollfd fds[DNS_MAX_SERVERS];
        int n_waiting = 0, wait_ms = poll_time(until);
        for (int i = 0; i < count; i++) {
            fds[i] = (struct pollfd){.fd = probes[i].fd, .events = POLLIN};
            n_waiting += probes[i].fd >= 0;
        }
        if (n_waiting == 0 || wait_ms == 0)
            return ERR_OK;
        if (is_cancelled(question->patience))
            return ERR_CANCELLED;
        if (poll(fds, (nfds_t)count, wait_ms) < 0 && errno != EINTR)
            return ERR_OK;
        for (int i = 0; i < count; i++)
            if (fds[i].fd >= 0 && fds[i].revents)
                udp_read(&probes[i], question);
        if (clock_steady_ms() >= resend_at) {
            udp_resend(probes, count);
            resend_at = INT64_MAX;
        }
    }
}

/* ---- TCP, for one whose answer was cut --------------------------------------------------------------------------- */

/* Moves `len` bytes in or out, or fails at the deadline, a cancel or an error. */
static bool tcp_move(int fd, uint8_t *bytes, size_t len, bool is_out, int64_t until,
                     const struct dns_patience *patience)
{
    size_t done = 0;
    while (done < len) {
        struct pollfd ready = {.fd = fd, .events = is_out ? POLLOUT : POLLIN};
        int wait_ms = poll_time(until);
        if (wait_ms == 0 || is_cancelled(patience))
            return false;
        int rc = poll(&ready, 1, wait_ms);
        if (rc == 0 || (rc < 0 && errno == EINTR))
            continue;
        ssize_t n = is_out ? send(fd, bytes + done, len - done, MSG_NOSIGNAL) : recv(fd, bytes + done, len - done, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

static bool tcp_exchange(struct probe *probe, const struct question *question, const struct sockaddr_storage *address,
                         uint8_t *bytes)
{
    const struct dns_patience *patience = question->patience;
    int64_t until = query_until(question);
    uint8_t length[2] = {(uint8_t)(probe->packet_len >> 8), (uint8_t)probe->packet_len};
    probe->fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe->fd < 0)
        return false;
    if (connect(probe->fd, (const struct sockaddr *)address, address_length(address)) != 0 && errno != EINPROGRESS)
        return false;
    if (!tcp_move(probe->fd, length, sizeof(length), true, until, patience) ||
        !tcp_move(probe->fd, probe->packet, probe->packet_len, true, until, patience) ||
        !tcp_move(probe->fd, length, sizeof(length), false, until, patience))
        return false;
    size_t len = (size_t)length[0] << 8 | length[1];
    probe->is_cut = false;
    return tcp_move(probe->fd, bytes, len, false, until, patience) && reply_read(probe, question, bytes, len) &&
           !probe->is_cut;
}

static enum err tcp_ask(struct probe *probe, const struct question *question, const struct sockaddr_storage *address)
{
    uint8_t *bytes = malloc(MAX_PACKET);
    if (!bytes)
        return ERR_NO_MEMORY;
    bool is_answered = tcp_exchange(probe, question, address, bytes);
    free(bytes);
    probe_close(probe);
    if (!is_answered && is_cancelled(question->patience))
        return ERR_CANCELLED;
    if (!is_answered)
        answer_problem(probe->answer, "an answer too long for UDP, and none over TCP");
    probe->is_cut = false;
    return ERR_OK;
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static void probes_open(struct probe *probes, int count, int round)
{
    for (int i = 0; i < count; i++) {
        probes[i].fd = -1;
        if (!probes[i].answer->is_answered && round < probes[i].server->n_addresses)
            udp_open(&probes[i], round);
    }
}

/* Every server by its address number `round`. */
static enum err round_ask(struct probe *probes, int count, int round, const struct question *question)
{
    probes_open(probes, count, round);
    enum err err = udp_wait(probes, count, question);
    for (int i = 0; i < count; i++)
        probe_close(&probes[i]);
    for (int i = 0; i < count && err == ERR_OK; i++)
        if (probes[i].is_cut)
            err = tcp_ask(&probes[i], question, &probes[i].server->addresses[round]);
    return err;
}

static int rounds_needed(const struct dns_servers *servers)
{
    int most = 0;
    for (int i = 0; i < servers->count; i++)
        most = servers->items[i].n_addresses > most ? servers->items[i].n_addresses : most;
    return most;
}

static enum err ask(const struct dns_servers *servers, const struct question *question, struct dns_answer *answers,
                    struct errmsg *why)
{
    struct probe probes[DNS_MAX_SERVERS] = {0};
    enum err err = ERR_OK;
    for (int i = 0; i < servers->count; i++) {
        memset(&answers[i], 0, sizeof(answers[i]));
        answer_problem(&answers[i], "its address is not known");
        probes[i] = (struct probe){.server = &servers->items[i], .answer = &answers[i], .fd = -1};
        if (err == ERR_OK && !packet_make(&probes[i], question))
            err = ERR_NO_MEMORY;
    }
    int rounds = rounds_needed(servers);
    for (int round = 0; round < rounds && err == ERR_OK; round++)
        if (round == 0 || poll_time(question->patience->deadline_at) > 0)
            err = round_ask(probes, servers->count, round, question);
    for (int i = 0; i < servers->count; i++)
        free(probes[i].packet);
    if (err == ERR_OK)
        return ERR_OK;
    dns_answers_done(answers, servers->count);
    return err_set(why, err, err == ERR_CANCELLED ? "cancelled while asking name servers" : "out of memory");
}

static enum err ask_by_name(const struct dns_servers *servers, const char *name, ldns_rr_type type, bool is_recursive,
                            const struct dns_patience *patience, struct dns_answer *answers, struct errmsg *why)
{
    struct question question = {ldns_dname_new_frm_str(name), type, is_recursive, patience};
    for (int i = 0; i < servers->count; i++)
        memset(&answers[i], 0, sizeof(answers[i]));
    if (!question.name)
        return err_set(why, ERR_INVALID, "\"%.255s\" is not a DNS name", name);
    enum err err = ask(servers, &question, answers, why);
    ldns_rdf_deep_free(question.name);
    return err;
}

enum err dns_ask(const struct dns_servers *servers, const char *name, const char *type,
                 const struct dns_patience *patience, struct dns_answer *answers, struct errmsg *why)
{
    return ask_by_name(servers, name, ldns_get_rr_type_by_name(type), false, patience, answers, why);
}

void dns_answers_done(struct dns_answer *answers, int count)
{
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < answers[i].n_values; k++)
            free(answers[i].values[k]);
        memset(&answers[i], 0, sizeof(answers[i]));
    }
}

/* ---- finding a zone's servers ------------------------------------------------------------------------------------ */

/* The first resolver that answers. ERR_TEMPORARY when none does. */
static enum err resolve(const struct dns_servers *resolvers, const char *name, ldns_rr_type type,
                        const struct dns_patience *patience, struct dns_answer *ret, struct errmsg *why)
{
    for (int i = 0; i < resolvers->count; i++) {
        struct dns_servers *one = calloc(1, sizeof(*one));
        if (!one)
            return err_set(why, ERR_NO_MEMORY, "out of memory");
        one->items[0] = resolvers->items[i];
        one->count = 1;
        enum err err = ask_by_name(one, name, type, true, patience, ret, why);
        free(one);
        if (err != ERR_OK)
            return err;
        if (ret->is_answered && (ret->n_values > 0 || strcmp(ret->problem, "no such name") == 0 ||
                                 strcmp(ret->problem, "no record of that type") == 0))
            return ERR_OK;
        (void)err_set(why, ERR_TEMPORARY, "resolver %s: %s", resolvers->items[i].name, ret->problem);
        dns_answers_done(ret, 1);
    }
    return ERR_TEMPORARY;
}

enum err dns_servers_add_host(struct dns_servers *servers, const char *host, const struct dns_servers *resolvers,
                              const struct dns_patience *patience, struct errmsg *why)
{
    static const ldns_rr_type types[] = {LDNS_RR_TYPE_A, LDNS_RR_TYPE_AAAA};
    struct dns_server *server = server_new(servers, host, why);
    if (!server)
        return ERR_FULL;
    size_t len = strlen(server->name);
    if (len > 1 && server->name[len - 1] == '.')
        server->name[len - 1] = '\0';
    for (size_t t = 0; t < COUNT_OF(types); t++) {
        struct dns_answer answer;
        enum err err = resolve(resolvers, host, types[t], patience, &answer, why);
        if (err == ERR_CANCELLED || err == ERR_INVALID || err == ERR_NO_MEMORY)
            return err;
        if (err != ERR_OK) /* no resolver answers: asking for the other type would cost the same time again */
            break;
        for (int i = 0; i < answer.n_values && server->n_addresses < DNS_MAX_ADDRESSES; i++)
            if (address_parse(answer.values[i], DNS_PORT, &server->addresses[server->n_addresses]))
                server->n_addresses++;
        dns_answers_done(&answer, 1);
    }
    return ERR_OK;
}

static enum err hosts_add(struct dns_servers *ret, const struct dns_answer *hosts, const struct dns_servers *resolvers,
                          const struct dns_patience *patience, struct errmsg *why)
{
    enum err err = ERR_OK;
    for (int i = 0; i < hosts->n_values && err == ERR_OK; i++)
        err = dns_servers_add_host(ret, hosts->values[i], resolvers, patience, why);
    return err;
}

enum err dns_find_servers(const struct dns_servers *resolvers, const char *name, const struct dns_patience *patience,
                          struct dns_servers *ret, struct errmsg *why)
{
    memset(ret, 0, sizeof(*ret));
    /* the first name on the way up that has NS records is the top of the zone; the root and the top level are not ours
     */
    for (const char *zone = name; strchr(zone, '.') && strchr(zone, '.')[1] != '\0'; zone = strchr(zone, '.') + 1) {
        struct dns_answer hosts;
        enum err err = resolve(resolvers, zone, LDNS_RR_TYPE_NS, patience, &hosts, why);
        if (err != ERR_OK)
            return err;
        bool is_zone = hosts.n_values > 0;
        if (is_zone)
            err = hosts_add(ret, &hosts, resolvers, patience, why);
        dns_answers_done(&hosts, 1);
        if (is_zone)
            return err;
    }
    return err_set(why, ERR_NOT_FOUND, "no name servers are known for %s or any name above it", name);
}
