/* SNS's signing certificates: learnt, kept, placed by hand, refused, and how seldom they are fetched. */
#include "sns_rig.h"

#include <pthread.h>
#include <stdatomic.h>

static void learn(const struct rig *rig, const struct handler_need *need, const char *pem, int64_t now)
{
    const struct errmsg why = {""};
    assert_true(rig->source.handler->is_needed(&rig->source, need));
    rig->source.handler->learn(&rig->source, need, pem, strlen(pem), now, ERR_OK, &why);
    assert_false(rig->source.handler->is_needed(&rig->source, need));
}

static char *body_with(const char *name)
{
    char url[256];
    snprintf(url, sizeof url, "https://" HOST "/%s", name);
    json_t *envelope = sign(notification(MESSAGE));
    json_object_set_new(envelope, "SigningCertURL", json_string(url));
    char *body = json_dumps(envelope, 0);
    json_decref(envelope);
    return body;
}

static void a_certificate_is_learnt_and_kept(void **state)
{
    (void)state;
    struct rig rig;
    struct seen seen;
    char *pem = good_pem(), *body = body_with(NAME);
    const int64_t now = NOW;
    rig_start(&rig, json_pack("{s:[s]}", "topics", TOPIC), "learnt");
    assert_int_equal(parse_at(&rig, body, strlen(body), now, false, &seen), ERR_OK);
    assert_int_equal(seen.n, 0);
    assert_string_equal(seen.stored, "");
    assert_int_equal(seen.need.kind, HANDLER_NEEDS_CERTIFICATE);
    assert_string_equal(seen.need.url, "https://" HOST "/" NAME);
    assert_string_equal(seen.need.what, "the signing certificate " NAME " of " HOST);
    const struct handler_need need = seen.need;
    /* Others that come meanwhile wait for the same. */
    assert_int_equal(parse_at(&rig, body, strlen(body), now + 1000, false, &seen), ERR_OK);
    assert_string_equal(seen.need.url, need.url);
    learn(&rig, &need, pem, now);
    assert_int_equal(parse_at(&rig, body, strlen(body), now, false, &seen), ERR_OK);
    assert_int_equal(seen.n, 1);
    rig_done(&rig);

    char path[256];
    struct stat status;
    snprintf(path, sizeof path, "%s/learnt/fetched/" HOST "/" NAME, folder);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    /* After a restart nothing has to be fetched. */
    rig_start(&rig, json_pack("{s:[s]}", "topics", TOPIC), "learnt");
    assert_int_equal(parse_at(&rig, body, strlen(body), now, false, &seen), ERR_OK);
    assert_int_equal(seen.n, 1);
    rig_done(&rig);
    /* A kept file that was cut is fetched again. */
    write_text("learnt/fetched/" HOST, NAME, "-----BEGIN CERT");
    rig_start(&rig, json_pack("{s:[s]}", "topics", TOPIC), "learnt");
    assert_int_equal(parse_at(&rig, body, strlen(body), now, false, &seen), ERR_OK);
    assert_int_equal(seen.need.kind, HANDLER_NEEDS_CERTIFICATE);
    rig_done(&rig);
    free(pem);
    free(body);
}

static void bad_certificates_are_refused(void **state)
{
    (void)state;
    gnutls_x509_privkey_t small = signer_key(GNUTLS_PK_RSA, 1024), other = signer_key(GNUTLS_PK_RSA, 2048);
    const struct {
        struct signer_wish wish;
        const char *why;
    } cases[] = {
        {{.common_name = "sns.amazonaws.com", .from = FROM, .until = FROM + 1},
         "it has expired at 2026-09-21T14:13:21"},
        {{.common_name = "sns.amazonaws.com", .from = UNTIL, .until = UNTIL + 1}, "it is not valid before 2027-01-15T"},
        {{.common_name = "sns.amazonaws.com.evil.example", .from = FROM, .until = UNTIL},
         "it is not for sns.amazonaws.com"},
        {{.common_name = "sns.amazonaws.com", .names = {"evil.example"}, .from = FROM, .until = UNTIL},
         "it is not for sns.amazonaws.com"},
        {{.names = {"*.amazonaws.com"}, .from = FROM, .until = UNTIL}, "it is not for sns.amazonaws.com"},
        {{.names = {"sns-signing.us-east-1.amazonaws.com"}, .from = FROM, .until = UNTIL}, "it is not for"},
        {{.common_name = "sns.amazonaws.com", .from = FROM, .until = UNTIL, .key = small}, "its key has 1024 bits"},
    };
    struct rig rig;
    struct seen seen;
    char *body = body_with(NAME);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *pem = signer_certificate(&cases[i].wish);
        rig_start(&rig, json_pack("{s:[s]}", "topics", TOPIC), "bad");
        parse_text(&rig, body, &seen);
        const struct handler_need need = seen.need;
        learn(&rig, &need, pem, NOW);
        parse_text(&rig, body, &seen);
        expect_refused(&seen, ERR_DENIED, cases[i].why);
        if (!strstr(seen.why.text, "the signing certificate of " HOST " is refused: "))
            fail_msg("%s", seen.why.text);
        free(pem);
        rig_done(&rig);
    }
    /* One that is acceptable, and has signed something else. */
    char *pem = signer_certificate(
        &(struct signer_wish){.common_name = "sns.amazonaws.com", .from = FROM, .until = UNTIL, .key = other});
    rig_start(&rig, json_pack("{s:[s]}", "topics", TOPIC), "other");
    parse_text(&rig, body, &seen);
    const struct handler_need need = seen.need;
    learn(&rig, &need, pem, NOW);
    parse_text(&rig, body, &seen);
    expect_refused(&seen, ERR_DENIED, "the signature is not SNS's over this message");
    free(pem);
    rig_done(&rig);
    free(body);
    gnutls_x509_privkey_deinit(small);
    gnutls_x509_privkey_deinit(other);
    assert_int_not_equal(access("bad/fetched", F_OK), 0); /* nothing of it is kept */
}

static void a_kept_certificate_expires(void **state)
{
    (void)state;
    struct rig rig;
    struct seen seen;
    char *pem = good_pem();
    const int64_t late = (int64_t)UNTIL * 1000 + 1000;
    char time[TIME_TEXT_SIZE];
    json_t *envelope = notification(MESSAGE);
    json_object_set_new(envelope, "Timestamp", json_string(time_format(late, time)));
    char *body = json_dumps(sign(envelope), 0);
    write_text("expires", "x", "");
    write_text("expires/fetched", "x", "");
    write_text("expires/fetched/" HOST, NAME, pem);
    rig_start(&rig, json_pack("{s:[s]}", "topics", TOPIC), "expires");
    char *today = body_with(NAME);
    assert_int_equal(parse_text(&rig, today, &seen), ERR_OK);
    assert_int_equal(seen.n, 1);
    assert_int_equal(parse_at(&rig, body, strlen(body), late, false, &seen), ERR_DENIED);
    expect_refused(&seen, ERR_DENIED, "it has expired at 2027-01-15T08:00:00.000Z");
    /* A person's word goes before its dates, at once and after a restart. */
    write_text("expires", NAME, pem);
    assert_int_equal(parse_at(&rig, body, strlen(body), late, false, &seen), ERR_OK);
    rig_done(&rig);
    rig_start(&rig, json_pack("{s:[s]}", "topics", TOPIC), "expires");
    assert_int_equal(parse_at(&rig, body, strlen(body), late, false, &seen), ERR_OK);
    rig_done(&rig);
    free(pem);
    free(body);
    free(today);
    json_decref(envelope);
}

static void one_by_hand_has_any_name(void **state)
{
    (void)state;
    struct rig rig;
    struct seen seen;
    char *body = body_with(NAME);
    char *pem = signer_certificate(&(struct signer_wish){.common_name = "anything", .from = 1, .until = 2});
    write_text("by-hand", NAME, pem);
    rig_start(&rig, json_pack("{s:[s]}", "topics", TOPIC), "by-hand");
    assert_int_equal(parse_text(&rig, body, &seen), ERR_OK);
    assert_int_equal(seen.n, 1);
    rig_done(&rig);
    write_text("by-hand", NAME, "no certificate");
    rig_start(&rig, json_pack("{s:[s]}", "topics", TOPIC), "by-hand");
    parse_text(&rig, body, &seen);
    expect_refused(&seen, ERR_TEMPORARY, "the signing certificate placed by hand cannot be used: it is no certificate");
    write_text("by-hand", NAME, pem); /* put right while it runs */
    assert_int_equal(parse_text(&rig, body, &seen), ERR_OK);
    rig_done(&rig);
    free(pem);
    free(body);
}

static void unknown_keys_are_fetched_once_a_minute(void **state)
{
    (void)state;
    struct rig rig;
    struct seen seen;
    const struct errmsg down = {"the signing certificate cannot be had: it is down"}, none = {""};
    char *body = body_with(NAME), *other = body_with(NAME_2);
    const int64_t now = NOW;
    rig_start(&rig, json_pack("{s:[s]}", "topics", TOPIC), "unknown");
    assert_int_equal(parse_at(&rig, body, strlen(body), now, false, &seen), ERR_OK);
    const struct handler_need need = seen.need;
    /* Whatever name it is: a hundred of them cause nothing. */
    for (int i = 0; i < 100; i++) {
        char name[128];
        snprintf(name, sizeof name, "SimpleNotificationService-%032x.pem", i);
        char *many = body_with(name);
        parse_at(&rig, many, strlen(many), now + i * 590, false, &seen);
        expect_refused(&seen, ERR_TEMPORARY,
                       "the signing certificate is not known, and only one is fetched in a minute");
        free(many);
    }
    rig.source.handler->learn(&rig.source, &need, "", 0, now, ERR_TEMPORARY, &down);
    parse_at(&rig, body, strlen(body), now + 30000, false, &seen);
    expect_refused(&seen, ERR_TEMPORARY, "it is down");
    parse_at(&rig, other, strlen(other), now + 59999, false, &seen);
    expect_refused(&seen, ERR_TEMPORARY, "only one is fetched in a minute");
    assert_int_equal(parse_at(&rig, other, strlen(other), now + 60000, false, &seen), ERR_OK);
    assert_int_equal(seen.need.kind, HANDLER_NEEDS_CERTIFICATE);
    /* What comes late for the first is not taken for the second. */
    char *pem = good_pem();
    assert_false(rig.source.handler->is_needed(&rig.source, &need));
    rig.source.handler->learn(&rig.source, &need, pem, strlen(pem), now, ERR_OK, &none);
    assert_true(rig.source.handler->is_needed(&rig.source, &seen.need));
    parse_at(&rig, body, strlen(body), now + 60001, false, &seen);
    expect_refused(&seen, ERR_TEMPORARY, "only one is fetched in a minute");
    /* A fetch that never came back holds up its own for a quarter of a minute... */
    assert_int_equal(parse_at(&rig, other, strlen(other), now + 74999, false, &seen), ERR_OK);
    parse_at(&rig, other, strlen(other), now + 75000, false, &seen);
    expect_refused(&seen, ERR_TEMPORARY, "only one is fetched in a minute");
    /* ...and a clock that was put back nobody. */
    assert_int_equal(parse_at(&rig, body, strlen(body), now - 100000, false, &seen), ERR_OK);
    rig_done(&rig);
    free(pem);
    free(body);
    free(other);
}

static void memory_is_bounded_and_the_folder_is_not_forgotten(void **state)
{
    (void)state;
    struct rig rig;
    struct seen seen;
    char *pem = good_pem();
    char *bodies[40];
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        char name[128];
        snprintf(name, sizeof name, "SimpleNotificationService-%032zx.pem", i);
        write_text("many", name, pem);
        bodies[i] = body_with(name);
    }
    rig_start(&rig, json_pack("{s:[s]}", "topics", TOPIC), "many");
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < COUNT_OF(bodies); i++)
            assert_int_equal(parse_text(&rig, bodies[i], &seen), ERR_OK);
    rig_done(&rig);
    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        free(bodies[i]);
    free(pem);
}

/* For the thread sanitizer too: HTTP threads ask while another learns. */
struct crowd {
    const struct rig *rig;
    const char *body;
    atomic_int taken, asked, refused;
};

static void *crowd_run(void *context)
{
    struct crowd *crowd = context;
    for (int i = 0; i < 50; i++) {
        struct seen seen;
        enum err err = parse_text(crowd->rig, crowd->body, &seen);
        bool is_need = seen.need.kind == HANDLER_NEEDS_CERTIFICATE;
        atomic_fetch_add(err != ERR_OK ? &crowd->refused : is_need ? &crowd->asked : &crowd->taken, 1);
        if (is_need && crowd->rig->source.handler->is_needed(&crowd->rig->source, &seen.need)) {
            char *pem = good_pem();
            const struct errmsg why = {""};
            crowd->rig->source.handler->learn(&crowd->rig->source, &seen.need, pem, strlen(pem), NOW, ERR_OK, &why);
            free(pem);
        }
    }
    return NULL;
}

static void many_threads_ask_at_once(void **state)
{
    (void)state;
    struct rig rig;
    char *body = body_with(NAME);
    rig_start(&rig, json_pack("{s:[s]}", "topics", TOPIC), "crowd");
    struct crowd crowd = {.rig = &rig, .body = body};
    pthread_t threads[6];
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_run, &crowd), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(crowd.refused, 0);
    assert_int_equal(crowd.taken + crowd.asked, 50 * (int)COUNT_OF(threads));
    assert_true(crowd.asked >= 1 && crowd.taken > crowd.asked);
    rig_done(&rig);
    free(body);
}

static void every_region_has_its_host_and_names(void **state)
{
    (void)state;
    static const struct {
        const char *topic, *host, *name;
    } cases[] = {
        {"arn:aws:sns:us-east-1:123456789012:a", "sns.us-east-1.amazonaws.com", "sns.amazonaws.com"},
        {"arn:aws:sns:ap-southeast-10:123456789012:a", "sns.ap-southeast-10.amazonaws.com",
         "sns-signing.ap-southeast-10.amazonaws.com"},
        {"arn:aws-cn:sns:cn-north-1:123456789012:a", "sns.cn-north-1.amazonaws.com.cn",
         "sns-cn-north-1.amazonaws.com.cn"},
        {"arn:aws-us-gov:sns:us-gov-east-1:123456789012:a", "sns.us-gov-east-1.amazonaws.com",
         "sns-us-gov-west-1.amazonaws.com"},
        {"arn:aws-eusc:sns:eusc-de-east-1:123456789012:a", "sns.eusc-de-east-1.amazonaws.eu",
         "sns-signing.eusc-de-east-1.amazonaws.eu"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct rig rig;
        struct seen seen;
        char url[256];
        rig_start(&rig, json_pack("{s:[s,s]}", "topics", TOPIC, cases[i].topic), "regions");
        json_t *envelope = notification(MESSAGE);
        json_object_set_new(envelope, "TopicArn", json_string(cases[i].topic));
        snprintf(url, sizeof url, "https://%s/%s", cases[i].host, NAME);
        json_object_set_new(envelope, "SigningCertURL", json_string(url));
        parse(&rig, json_incref(sign(envelope)), &seen);
        assert_int_equal(seen.err, ERR_OK);
        assert_string_equal(seen.need.url, url);
        char *pem =
            signer_certificate(&(struct signer_wish){.common_name = cases[i].name, .from = FROM, .until = UNTIL});
        const struct handler_need need = seen.need;
        learn(&rig, &need, pem, NOW);
        expect_ok(&rig, envelope, &seen);
        assert_int_equal(seen.n, 1);
        free(pem);
        rig_done(&rig);
    }
}

static void a_url_on_this_host_may_be_plain(void **state)
{
    (void)state;
    static const char *const urls[] = {"http://127.0.0.1:1234", "http://localhost/x", "http://[::1]:80/",
                                       "https://proxy.example.com"};
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct rig rig;
        rig_start(&rig, json_pack("{s:[s], s:s}", "topics", TOPIC, "url", urls[i]), "based");
        rig_done(&rig);
    }
}

static void the_url_of_the_configuration_replaces_the_host(void **state)
{
    (void)state;
    struct rig rig;
    struct seen seen;
    static const char *const bases[] = {"http://127.0.0.1:1234", "http://127.0.0.1:1234/"};
    for (size_t i = 0; i < COUNT_OF(bases); i++) {
        rig_start(&rig, json_pack("{s:[s], s:s}", "topics", TOPIC, "url", bases[i]), "based");
        char *body = body_with(NAME), *pem = good_pem();
        assert_int_equal(parse_text(&rig, body, &seen), ERR_OK);
        assert_string_equal(seen.need.url, "http://127.0.0.1:1234/" NAME);
        const struct handler_need need = seen.need;
        if (i == 0)
            learn(&rig, &need, pem, NOW);
        rig_done(&rig);
        char path[256];
        snprintf(path, sizeof path, "%s/based/fetched/" HOST "/" NAME, folder);
        assert_int_equal(unlink(path), i == 0 ? 0 : -1);
        free(body);
        free(pem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_is_learnt_and_kept),
        cmocka_unit_test(bad_certificates_are_refused),
        cmocka_unit_test(a_kept_certificate_expires),
        cmocka_unit_test(one_by_hand_has_any_name),
        cmocka_unit_test(unknown_keys_are_fetched_once_a_minute),
        cmocka_unit_test(memory_is_bounded_and_the_folder_is_not_forgotten),
        cmocka_unit_test(many_threads_ask_at_once),
        cmocka_unit_test(every_region_has_its_host_and_names),
        cmocka_unit_test(a_url_on_this_host_may_be_plain),
        cmocka_unit_test(the_url_of_the_configuration_replaces_the_host),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
