/* Everything that a provider or the network may do wrong, at each of the three DNS providers, to a look, to a write,
 * and to the proof that it is served: what comes of it, whether the change was made, and what is said.
 *
 * The result is docs/faults.md, which people read; this test fails when it is not what really happens. To make it anew:
 * TURNOUT_FAULTS_WRITE=1 build/dev/tests/unit/test_fault_table. Each provider is tried in a process of its own, since
 * most of the time goes into waiting. */
#include "dns_rig.h"

#include "base/cleanup.h"
#include "base/strbuf.h"

#include <ctype.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#define DOCUMENT "docs/faults.md"
#define PATIENCE_MS 700 /* of a call that is kept waiting */

/* ---- the providers ----------------------------------------------------------------------------------------------- */

struct where {
    const char *phase; /* as in the table */
    char of;           /* l: look, c: what a write reads before, w: write, p: proof */
    const char *matches;
};

struct kind {
    const char *title, *action, *path, *row_of_url;
    const char *const *secrets;
    const char *args;
    const char *wrong_schema, *later; /* a body that is none of its own; how it says "later" in its own way */
    struct where where[5];
};

static const struct kind kinds[] = {
    {.title = "Linode",
     .action = "linode.dns_record",
     .path = "/linode/v4",
     .secrets = linode_secrets,
     .args = "{\"domain\": \"example.com\", \"record\": \"app\", \"type\": \"A\", \"target\": \"198.51.100.20\","
             " \"ttl\": 30}",
     .wrong_schema = "{\\\"surprise\\\":true}",
     .later = "\"status\",\"code\":\"busy\"",
     .where = {{"look", 'l', "\"method\":\"GET\",\"path_regex\":\"/records\""},
               {"look before the write", 'c', "\"method\":\"GET\",\"path_regex\":\"/records/\""},
               {"PUT", 'w', "\"method\":\"PUT\""},
               {"zone file", 'p', "\"method\":\"GET\",\"path_regex\":\"zone-file\""}}},
    {.title = "OVH",
     .action = "ovh.dns_record",
     .path = "/ovh/1.0",
     .secrets = ovh_secrets,
     .args = "{\"zone\": \"example.net\", \"record\": \"app\", \"type\": \"A\", \"target\": \"198.51.100.20\","
             " \"ttl\": 60}",
     .wrong_schema = "{\\\"surprise\\\":true}",
     .later = "\"status\",\"status\":409",
     .where = {{"look", 'l', "\"method\":\"GET\",\"path_regex\":\"/record\""},
               {"look before the write", 'c', "\"method\":\"GET\",\"path_regex\":\"/record/\""},
               {"PUT", 'w', "\"method\":\"PUT\""},
               {"refresh", 'w', "\"method\":\"POST\",\"path_regex\":\"/refresh\""},
               {"serial", 'p', "\"method\":\"GET\",\"path_regex\":\"/soa\""}}},
    {.title = "Route 53",
     .action = "route53.record",
     .path = "/aws",
     .secrets = aws_secrets,
     .args = "{\"hosted_zone\": \"Z1PA6795UKMFR9\", \"record\": \"app.example.org\", \"type\": \"A\", \"target\":"
             " \"198.51.100.20\", \"ttl\": 60}",
     .wrong_schema = "<Surprise/>",
     .later = "\"status\",\"code\":\"Throttling\"",
     .where = {{"look", 'l', "\"method\":\"GET\",\"path_regex\":\"rrset\""},
               {"batch", 'w', "\"method\":\"POST\""},
               {"change", 'p', "\"method\":\"GET\",\"path_regex\":\"/change/\""}}},
};

/* ---- the faults -------------------------------------------------------------------------------------------------- */

struct fault {
    const char *what;
    const char *json; /* of the sandbox, after "kind"; NULL: not the sandbox's doing */
    char only;        /* l: looks and proofs, w: writes; 0: everything */
    bool is_waiting;  /* the call runs into its time-out */
};

#define WRONG_SCHEMA "(wrong schema)"
#define LATER "(later)"

static const struct fault faults[] = {
    {.what = "time-out before the effect", .json = "\"timeout_before\"", .is_waiting = true},
    {.what = "time-out after the effect", .json = "\"timeout_after\"", .only = 'w', .is_waiting = true},
    {.what = "connection cut before the effect", .json = "\"reset_before\""},
    {.what = "connection cut after the effect", .json = "\"reset_after\"", .only = 'w'},
    {.what = "429 with Retry-After", .json = "\"status\",\"status\":429,\"headers\":{\"Retry-After\":\"7\"}"},
    {.what = "429 without Retry-After", .json = "\"status\",\"status\":429,\"headers\":{\"Retry-After\":null}"},
    {.what = "\"later\" in its own way", .json = LATER},
    {.what = "500", .json = "\"status\",\"status\":500"},
    {.what = "503", .json = "\"status\",\"status\":503"},
    {.what = "502 and HTML of a gateway", .json = "\"html\",\"status\":502"},
    {.what = "503 and HTML of a gateway, after the effect",
     .json = "\"html\",\"status\":503,\"effect\":true",
     .only = 'w'},
    {.what = "200 and HTML", .json = "\"garbage\",\"body\":\"<html>hello</html>\",\"content_type\":\"text/html\""},
    {.what = "truncated body", .json = "\"truncate\""},
    {.what = "wrong schema", .json = WRONG_SCHEMA},
    {.what = "stale read", .json = "\"stale_read\"", .only = 'l'},
    {.what = "empty list", .json = "\"empty_list\"", .only = 'l'},
    {.what = "slow drip", .json = "\"drip\",\"ms\":20", .is_waiting = true},
    {.what = "TLS certificate expired", .json = NULL},
    {.what = "DNS dead", .json = NULL},
};

static void fault_add(const struct kind *kind, const struct where *where, const struct fault *fault)
{
    char text[600], garbage[300];
    const char *json = fault->json;
    if (strcmp(json, LATER) == 0)
        json = kind->later;
    snprintf(garbage, sizeof(garbage), "\"garbage\",\"body\":\"%s\"", kind->wrong_schema);
    if (strcmp(json, WRONG_SCHEMA) == 0)
        json = garbage;
    /* for ever: on a kept connection a read that gets no answer at all goes out again by itself */
    snprintf(text, sizeof(text), "[{\"times\":-1,%s,\"kind\":%s}]", where->matches, json);
    sandbox_do(&sandbox, "faults", text);
}

/* ---- a server whose certificate has expired ---------------------------------------------------------------------- */

struct tls_server {
    int listener, port;
    char ca[64]; /* a file with the certificate itself, which the client trusts */
    pthread_t thread;
    gnutls_certificate_credentials_t credentials;
};

static void certificate_make(struct tls_server *server)
{
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;
    gnutls_datum_t pem;
    gnutls_x509_privkey_init(&key);
    gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    gnutls_x509_crt_init(&certificate);
    gnutls_x509_crt_set_version(certificate, 3);
    gnutls_x509_crt_set_serial(certificate, "1", 1);
    gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, "localhost", 9);
    gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, "localhost", 9, GNUTLS_FSAN_SET);
    gnutls_x509_crt_set_activation_time(certificate, time(NULL) - 7200);
    gnutls_x509_crt_set_expiration_time(certificate, time(NULL) - 3600);
    gnutls_x509_crt_set_key(certificate, key);
    assert_int_equal(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0), 0);
    gnutls_certificate_allocate_credentials(&server->credentials);
    assert_int_equal(gnutls_certificate_set_x509_key(server->credentials, &certificate, 1, key), 0);
    assert_int_equal(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &pem), 0);
    snprintf(server->ca, sizeof(server->ca), "/tmp/turnout-faults-XXXXXX");
    int fd = mkstemp(server->ca);
    assert_int_equal(write(fd, pem.data, pem.size), pem.size);
    close(fd);
    gnutls_free(pem.data);
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
}

static void *tls_serve(void *context)
{
    const struct tls_server *server = context;
    for (;;) {
        int fd = accept(server->listener, NULL, NULL);
        gnutls_session_t session;
        if (fd < 0)
            return NULL;
        gnutls_init(&session, GNUTLS_SERVER);
        gnutls_set_default_priority(session);
        gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, server->credentials);
        gnutls_transport_set_int(session, fd);
        (void)gnutls_handshake(session);
        gnutls_deinit(session);
        close(fd);
    }
}

static void tls_start(struct tls_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    certificate_make(server);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(server->listener, 10), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, tls_serve, server), 0);
}

static void tls_stop(struct tls_server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    close(server->listener);
    pthread_join(server->thread, NULL);
    gnutls_certificate_free_credentials(server->credentials);
    unlink(server->ca);
}

/* The rig's own fetch object, with the authority that vouches for the server. */
struct trusting {
    struct fetch fetch;
    struct fetch *inner;
    const char *ca;
};

static enum err trusting_send(struct fetch *fetch, const struct fetch_request *request, struct fetch_response *ret,
                              struct errmsg *why)
{
    const struct trusting *trusting = (const struct trusting *)fetch;
    struct fetch_request with_ca = *request;
    with_ca.ca = trusting->ca;
    return trusting->inner->send(trusting->inner, &with_ca, ret, why);
}

/* ---- one row ----------------------------------------------------------------------------------------------------- */

/* What differs from run to run is left out: ports, ids, times. */
static void text_settle(const char *text, struct strbuf *ret)
{
    for (const char *c = text; *c;) {
        size_t digits = strspn(c, "0123456789");
        bool is_begin = c == text || !isalnum((unsigned char)c[-1]);
        if (strncmp(c, " (query ", 8) == 0 || strncmp(c, " (request ", 10) == 0) {
            c += strcspn(c, ")") + 1;
        } else if (strncmp(c, "CAfile: ", 8) == 0) {
            strbuf_adds(ret, "CAfile: ...");
            c += 8 + strcspn(c + 8, " ");
        } else if (digits >= 4 || (digits > 0 && strncmp(c + digits, " milliseconds", 13) == 0) ||
                   (digits > 0 && (strncmp(c + digits, " bytes", 6) == 0 || strncmp(c + digits, " out of", 7) == 0))) {
            strbuf_adds(ret, "N");
            c += digits;
        } else if (is_begin && *c == 'C' && strspn(c, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") >= 14) {
            strbuf_adds(ret, "C...");
            c += strspn(c, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
        } else {
            if (*c == '|' || *c == '<')
                strbuf_addc(ret, '\\');
            strbuf_addc(ret, *c++);
        }
    }
}

static bool is_made(const struct kind *kind)
{
    static const char *const providers[] = {"linode", "ovh", "route53"};
    static const char *const zones[] = {"example.com", "example.net", "example.org"};
    size_t n = (size_t)(kind - kinds);
    json_t *rows = sandbox_zone(&sandbox, providers[n], zones[n], "accepted");
    const json_t *row;
    size_t i;
    bool is_there = false;
    json_array_foreach(rows, i, row)
    {
        is_there = is_there || (strncmp(json_string_value(json_object_get(row, "name")), "app.", 4) == 0 &&
                                strcmp(json_string_value(json_object_get(row, "value")), "198.51.100.20") == 0);
    }
    json_decref(rows);
    return is_there;
}

/* Of one fault; those that read and come to the same are one row. */
struct rows {
    int n;
    struct {
        char phases[100], outcome[60];
        const char *change;
        struct strbuf text;
    } items[COUNT_OF(((struct kind *)NULL)->where)];
};

static void row_add(struct rows *rows, const struct where *where, const struct rig *rig, bool is_change_made)
{
    const struct action_result *result = &rig->result;
    struct strbuf text = STRBUF_INIT;
    char outcome[60], again[30] = "";
    bool is_told = where->of == 'l' && result->outcome == OUTCOME_OK;
    if (result->retry_after_ms >= 0)
        snprintf(again, sizeof(again), ", again after %d s", (int)(result->retry_after_ms / 1000));
    snprintf(outcome, sizeof(outcome), "%s%s%s", outcome_text(result->outcome),
             is_told ? result->is_right ? ", right" : ", not right" : "", again);
    text_settle(result->text.text, &text);
    for (int i = 0; i < rows->n && where->of != 'w'; i++) {
        if (rows->items[i].change || strcmp(rows->items[i].outcome, outcome) != 0 ||
            strcmp(strbuf_text(&rows->items[i].text), strbuf_text(&text)) != 0)
            continue;
        strcat(strcat(rows->items[i].phases, ", "), where->phase);
        strbuf_done(&text);
        return;
    }
    snprintf(rows->items[rows->n].phases, sizeof(rows->items[0].phases), "%s", where->phase);
    snprintf(rows->items[rows->n].outcome, sizeof(rows->items[0].outcome), "%s", outcome);
    rows->items[rows->n].change = where->of != 'w' ? NULL : is_change_made ? "made" : "not made";
    rows->items[rows->n++].text = text;
}

static void rows_write(struct strbuf *table, const struct fault *fault, struct rows *rows)
{
    for (int i = 0; i < rows->n; i++) {
        strbuf_addf(table, "| %s | %s | %s | %s | %s |\n", fault->what, rows->items[i].phases, rows->items[i].outcome,
                    rows->items[i].change ? rows->items[i].change : "", strbuf_text(&rows->items[i].text));
        strbuf_done(&rows->items[i].text);
    }
}

/* What must hold of every row, whatever its words. */
static void row_judge(const struct kind *kind, const struct where *where, const struct fault *fault,
                      const struct rig *rig, bool is_change_made)
{
    enum outcome outcome = rig->result.outcome;
    bool is_write = where->of == 'w' || where->of == 'c';
    bool is_lie = is_write && (outcome == OUTCOME_TEMPORARY || outcome == OUTCOME_CANCELLED) && is_change_made;
    bool is_boast = is_write && outcome == OUTCOME_OK && !is_change_made;
    bool is_proof_of_nothing = where->of == 'p' && outcome == OUTCOME_OK && fault->only != 'l';
    if (is_lie || is_boast || is_proof_of_nothing || rig->result.text.text[0] == '\0')
        print_error("%s, %s, %s: %s cannot be, the change is %s: %s\n", kind->title, where->phase, fault->what,
                    outcome_text(outcome), is_change_made ? "made" : "not made", rig->result.text.text);
    assert_false(is_lie);
    assert_false(is_boast);
    assert_false(is_proof_of_nothing);
}

static void provider_url(struct rig *rig, const char *host, int port, const char *path)
{
    char url[200];
    snprintf(url, sizeof(url), "%s:%d%s", host, port, path);
    json_object_set_new(rig->provider.args, "url", json_string(url));
}

static void row_run(struct rows *rows, const struct kind *kind, const struct where *where, const struct fault *fault,
                    struct tls_server *tls)
{
    struct rig rig;
    struct trusting trusting = {.fetch = {.send = trusting_send}, .ca = tls->ca};
    char provider[200];
    snprintf(provider, sizeof(provider), "{\"url\": \"%s%s\"}", sandbox.url, kind->path);
    sandbox_do(&sandbox, "reset", NULL);
    rig_start(&rig, kind->action, provider, kind->secrets, kind->args);
    if (strcmp(kind->title, "OVH") == 0)
        rig_set(&rig, "nameservers", sandbox.dns);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    /* a proof, and a read that is behind the times, need a change */
    bool is_after_change = where->of == 'p' || (fault->json && strstr(fault->json, "stale_read"));
    if (is_after_change)
        assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    trusting.inner = rig.fetch;
    if (fault->json) {
        fault_add(kind, where, fault);
    } else if (strstr(fault->what, "TLS")) {
        rig.fetch = &trusting.fetch;
        provider_url(&rig, "https://localhost", tls->port, kind->path);
    } else { /* a name for which no resolver needs to be asked, so that the answer is the same everywhere */
        provider_url(&rig, "http://api..turnout.invalid", 80, kind->path);
    }
    rig.timeout_ms = fault->is_waiting ? PATIENCE_MS : 5000;
    rig_call(&rig, where->of == 'l' ? rig.action->observe : where->of == 'p' ? rig.action->settled : rig.action->apply);
    bool is_change_made = is_made(kind);
    row_add(rows, where, &rig, is_change_made);
    row_judge(kind, where, fault, &rig, is_change_made);
    rig.fetch = trusting.inner;
    rig_stop(&rig);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

/* Some can happen to some requests only. */
static bool can_happen(const struct kind *kind, const struct where *where, const struct fault *fault)
{
    if (fault->only == 'w' || !fault->json) /* without a connection the first request of a call is all there is */
        return where->of == 'w' ? fault->json || strcmp(where->phase, "refresh") != 0
                                : !fault->json && where->of != 'c';
    if (fault->only == 'l')
        return where->of == 'l' || (where->of == 'p' && strcmp(fault->what, "stale read") == 0);
    if (strcmp(fault->json, LATER) == 0 && strcmp(kind->title, "OVH") == 0)
        return strcmp(where->phase, "refresh") == 0;
    return true;
}

static void section_write(struct strbuf *table, const struct kind *kind)
{
    struct tls_server tls = {.port = 0};
    sandbox_start(&sandbox);
    tls_start(&tls);
    strbuf_addf(table,
                "\n## %s\n\n| what goes wrong | with | outcome | change | what is said |\n|---|---|---|---|---|\n",
                kind->title);
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        struct rows rows = {.n = 0};
        for (size_t k = 0; k < COUNT_OF(kind->where) && kind->where[k].phase; k++)
            if (can_happen(kind, &kind->where[k], &faults[i]))
                row_run(&rows, kind, &kind->where[k], &faults[i], &tls);
        rows_write(table, &faults[i], &rows);
    }
    tls_stop(&tls);
    sandbox_stop(&sandbox);
}

static const char head[] =
    "# What providers do wrong, and what comes of it\n"
    "\n"
    "Made by `tests/unit/test_fault_table.c`, which does all of this to the real code and fails when this page is not\n"
    "what happens. Each row is one try; what the engine makes of it is the same for all:\n"
    "\n"
    "- **temporary**: certainly nothing was changed. The same is tried again until the step's deadline, not before\n"
    "  Retry-After where the provider gave one.\n"
    "- **unknown**: the change may have been made. The world is looked at before anything else is sent.\n"
    "- **permanent**: the same again would fail the same. The step's `on_failure` decides; by default people are "
    "told.\n"
    "- **not yet**: asked again until the deadline.\n"
    "\n"
    "A proof (of Linode the zone file, of OVH the zone's serial and its name servers, of Route 53 the change) is what\n"
    "ends a step. The column \"change\" is what the provider really did. N stands for a number that differs from run "
    "to run.\n";

/* Each provider in a process of its own; what it writes comes through a file. */
static void sections_run(struct strbuf *table)
{
    pid_t pids[COUNT_OF(kinds)];
    char files[COUNT_OF(kinds)][64];
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        snprintf(files[i], sizeof(files[i]), "/tmp/turnout-faults-XXXXXX");
        close(mkstemp(files[i]));
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] > 0)
            continue;
        struct strbuf section = STRBUF_INIT;
        section_write(&section, &kinds[i]);
        FILE *file = fopen(files[i], "w");
        bool is_written = file && fwrite(strbuf_text(&section), 1, section.len, file) == section.len;
        _exit(is_written && fclose(file) == 0 ? 0 : 1);
    }
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        int status = -1;
        char buffer[4096];
        size_t len;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        FILE *file = fopen(files[i], "r");
        assert_non_null(file);
        while ((len = fread(buffer, 1, sizeof(buffer), file)) > 0)
            strbuf_add(table, buffer, len);
        fclose(file);
        unlink(files[i]);
        assert_int_equal(status, 0);
    }
}

static void assert_same_lines(const char *document, const char *made)
{
    for (int line = 1; *document || *made; line++) {
        size_t len = strcspn(document, "\n"), made_len = strcspn(made, "\n");
        if (len != made_len || strncmp(document, made, len) != 0) {
            print_error(DOCUMENT ":%d:\n  it says  %.*s\n  but it is %.*s\n(see the head of this test)\n", line,
                        (int)len, document, (int)made_len, made);
            fail();
        }
        document += len + (document[len] == '\n');
        made += made_len + (made[made_len] == '\n');
    }
}

static void test_the_table_is_what_happens(void **state)
{
    (void)state;
    struct strbuf table = STRBUF_INIT;
    strbuf_adds(&table, head);
    sections_run(&table);
    if (getenv("TURNOUT_FAULTS_WRITE")) {
        FILE *file = fopen(DOCUMENT, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(strbuf_text(&table), 1, table.len, file), table.len);
        fclose(file);
    }
    FILE *file = fopen(DOCUMENT, "r");
    assert_non_null(file);
    char *document = calloc(1, 256 * 1024);
    assert_non_null(document);
    size_t len = fread(document, 1, 256 * 1024 - 1, file);
    fclose(file);
    assert_true(len > 0);
    assert_same_lines(document, strbuf_text(&table));
    free(document);
    strbuf_done(&table);
}

int main(void)
{
    clock_start();
    fetch_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table_is_what_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
