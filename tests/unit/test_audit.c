/* The audit chain: what is appended, what pages show, and that each way of tampering is found. */
#include "tests/unit/store_fixture.h"

/* ---- appending --------------------------------------------------------------------------------------------------- */

static void take_text(void *context, const struct audit_row *row)
{
    snprintf(context, 1024, "%s", row->text);
}

static void text_is_canonical_and_hashed(void **state)
{
    struct fixture *f = *state;
    json_t *entry = json_pack("{s:s, s:s, s:{s:i, s:[i]}, s:s}", "who", "operator oncall", "text", "„Grüße“ \n/",
                              "detail", "zz", 1, "a", 2, "service", "overwritten");
    assert_int_equal(audit_append(&f->chain, f->batch, entry, NOW, "operator.call", "shop"), ERR_OK);
    fixture_write(f);
    static const char expected[] =
        "{\"at\":\"" NOW_TEXT "\",\"detail\":{\"a\":[2],\"zz\":1},\"kind\":\"operator.call\","
        "\"seq\":1,\"service\":\"shop\",\"text\":\"„Grüße“ \\n/\","
        "\"who\":\"operator oncall\"}";
    struct store_reader *reader = fixture_reader(f);
    char text[1024];
    int n = 0;
    assert_ok(f, store_audit_scan(reader, 0, 10, take_text, text, &n, &f->why));
    assert_int_equal(n, 1);
    assert_string_equal(text, expected);
    store_reader_close(reader);
    char whole[32 + sizeof expected] = {0};
    memcpy(whole + 32, expected, sizeof expected - 1);
    struct sha256 hash = sha256_of(whole, 32 + sizeof expected - 1);
    assert_memory_equal(&f->chain.hash, &hash, sizeof hash);
    assert_int_equal(f->chain.seq, 1);
}

static void entry_without_service_has_none(void **state)
{
    struct fixture *f = *state;
    json_t *entry = json_pack("{s:s}", "service", "shop");
    assert_int_equal(audit_append(&f->chain, f->batch, entry, NOW, "daemon.started", ""), ERR_OK);
    fixture_write(f);
    assert_int_equal(ask(f, "SELECT service IS NULL AND text NOT LIKE '%shop%' FROM audit"), 1);
}

static void long_detail_is_left_out(void **state)
{
    struct fixture *f = *state;
    char *big = calloc(1, AUDIT_TEXT_MAX + 1);
    memset(big, 'x', AUDIT_TEXT_MAX);
    json_t *entry = json_pack("{s:s, s:{s:s}}", "text", "a reason", "detail", "body", big);
    assert_int_equal(audit_append(&f->chain, f->batch, entry, NOW, "run.attempt", "shop"), ERR_OK);
    free(big);
    fixture_write(f);
    assert_int_equal(ask(f, "SELECT length(text) < 300 AND text LIKE '%left_out_bytes\":262%' AND "
                            "text LIKE '%a reason%' FROM audit"),
                     1);
}

static void failure_leaves_the_chain(void **state)
{
    struct fixture *f = *state;
    add_audit(f, "daemon.started", "");
    struct audit_chain before = f->chain;
    assert_int_equal(audit_append(&f->chain, f->batch, NULL, NOW, "daemon.started", ""), ERR_NO_MEMORY);
    assert_memory_equal(&f->chain, &before, sizeof before);
}

static void chain_goes_on_after_a_restart(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++) {
        add_audit(f, "daemon.started", "");
        fixture_write(f);
        struct audit_chain before = f->chain;
        fixture_close(f);
        fixture_open(f);
        assert_memory_equal(&f->chain, &before, sizeof before);
    }
    struct store_reader *reader = fixture_reader(f);
    struct audit_verdict verdict;
    assert_ok(f, store_audit_verify(reader, &verdict, &f->why));
    assert_true(verdict.is_intact);
    assert_int_equal(verdict.count, 3);
    store_reader_close(reader);
}

/* ---- pages ------------------------------------------------------------------------------------------------------- */

/* 60 entries: kinds a.x, a.y, b.x in turn; every second of service shop, every tenth of blog. */
static void add_sixty(struct fixture *f)
{
    static const char *const kinds[] = {"a.x", "a.y", "b.x"};
    for (int i = 1; i <= 60; i++)
        add_audit(f, kinds[i % 3], i % 10 == 0 ? "blog" : i % 2 == 0 ? "shop" : "");
    fixture_write(f);
}

static bool fits(const json_t *entry, const char *service, const char *kind)
{
    const char *has_kind = json_string_value(json_object_get(entry, "kind"));
    const char *has_service = json_string_value(json_object_get(entry, "service"));
    size_t len = kind ? strlen(kind) : 0;
    if (service && (!has_service || strcmp(service, has_service) != 0))
        return false;
    if (!kind)
        return true;
    return kind[len - 1] == '.' ? strncmp(has_kind, kind, len) == 0 : strcmp(has_kind, kind) == 0;
}

/* Goes through all pages; returns how many entries there were, newest first and all of them fitting. */
static int walk(struct fixture *f, const char *service, const char *kind, int limit)
{
    struct store_reader *reader = fixture_reader(f);
    int64_t before = 0;
    int64_t last = INT64_MAX;
    int n = 0;
    do {
        json_t *items = NULL;
        assert_ok(f, store_audit_page(reader, before, limit, service, kind, &items, &before, &f->why));
        assert_true(json_array_size(items) <= (size_t)limit);
        assert_true(before == 0 || json_array_size(items) == (size_t)limit);
        size_t i;
        json_t *item;
        json_array_foreach(items, i, item)
        {
            int64_t seq = json_integer_value(json_object_get(item, "seq"));
            assert_true(seq < last);
            last = seq;
            const json_t *entry = json_object_get(item, "entry");
            assert_int_equal(json_integer_value(json_object_get(entry, "seq")), seq);
            assert_int_equal(json_string_length(json_object_get(item, "hash")), 64);
            assert_true(fits(entry, service, kind));
            n++;
        }
        json_decref(items);
    } while (before != 0);
    store_reader_close(reader);
    return n;
}

static void pages_with_every_filter(void **state)
{
    struct fixture *f = *state;
    add_sixty(f);
    static const int limits[] = {1, 7, 10, 60, 500};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        int limit = limits[i];
        assert_int_equal(walk(f, NULL, NULL, limit), 60);
        assert_int_equal(walk(f, "shop", NULL, limit), 24);
        assert_int_equal(walk(f, "blog", NULL, limit), 6);
        assert_int_equal(walk(f, "none", NULL, limit), 0);
        assert_int_equal(walk(f, NULL, "a.y", limit), 20);
        assert_int_equal(walk(f, NULL, "a", limit), 0);
        assert_int_equal(walk(f, NULL, "a.", limit), 40);
        assert_int_equal(walk(f, NULL, "b.", limit), 20);
        assert_int_equal(walk(f, NULL, "c.", limit), 0);
        assert_int_equal(walk(f, "shop", "a.x", limit), 8);
        assert_int_equal(walk(f, "shop", "a.", limit), 16);
        assert_int_equal(walk(f, "blog", "b.", limit), 2);
    }
}

static void pages_begin_where_they_are_told(void **state)
{
    struct fixture *f = *state;
    add_sixty(f);
    struct store_reader *reader = fixture_reader(f);
    json_t *items = NULL;
    int64_t next = 0;
    assert_ok(f, store_audit_page(reader, 31, 2, NULL, NULL, &items, &next, &f->why));
    assert_int_equal(json_integer_value(json_object_get(json_array_get(items, 0), "seq")), 30);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(items, 1), "seq")), 29);
    assert_int_equal(next, 29);
    json_decref(items);
    assert_ok(f, store_audit_page(reader, 1, 2, NULL, NULL, &items, &next, &f->why));
    assert_int_equal(json_array_size(items), 0);
    assert_int_equal(next, 0);
    json_decref(items);
    assert_int_equal(store_audit_page(reader, 0, 0, NULL, NULL, &items, &next, &f->why), ERR_INVALID);
    assert_int_equal(store_audit_page(reader, 0, 501, NULL, NULL, &items, &next, &f->why), ERR_INVALID);
    assert_int_equal(walk(f, "shop", "", 10), 0);
    store_reader_close(reader);
}

/* An entry that was made unreadable is still shown. */
static void broken_entries_are_shown(void **state)
{
    struct fixture *f = *state;
    add_audit(f, "daemon.started", "");
    fixture_write(f);
    tamper(f, "UPDATE audit SET text = 'not JSON'");
    struct store_reader *reader = fixture_reader(f);
    json_t *items = NULL;
    int64_t next = 0;
    assert_ok(f, store_audit_page(reader, 0, 2, NULL, NULL, &items, &next, &f->why));
    assert_string_equal(json_string_value(json_object_get(json_array_get(items, 0), "entry")), "not JSON");
    json_decref(items);
    store_reader_close(reader);
}

/* ---- verifying --------------------------------------------------------------------------------------------------- */

static struct audit_verdict verify(struct fixture *f)
{
    struct store_reader *reader = fixture_reader(f);
    struct audit_verdict verdict;
    memset(&verdict, 0xee, sizeof verdict);
    assert_ok(f, store_audit_verify(reader, &verdict, &f->why));
    store_reader_close(reader);
    return verdict;
}

static void empty_log_is_intact(void **state)
{
    struct fixture *f = *state;
    struct audit_verdict verdict = verify(f);
    assert_true(verdict.is_intact);
    assert_int_equal(verdict.count, 0);
    assert_int_equal(verdict.first_seq, 0);
    assert_int_equal(verdict.last_seq, 0);
    assert_string_equal(verdict.text, "intact");
}

static void long_log_is_intact(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 2000; i++)
        add_audit(f, "run.step", "shop");
    fixture_write(f);
    struct audit_verdict verdict = verify(f);
    assert_true(verdict.is_intact);
    assert_int_equal(verdict.count, 2000);
    assert_int_equal(verdict.first_seq, 1);
    assert_int_equal(verdict.last_seq, 2000);
    assert_int_equal(verdict.broken_seq, 0);
    assert_memory_equal(&verdict.head, &f->chain.hash, sizeof verdict.head);
    tamper(f, "UPDATE audit SET text = replace(text, 'turnout', 'TURNOUT') WHERE seq = 1500");
    verdict = verify(f);
    assert_false(verdict.is_intact);
    assert_int_equal(verdict.broken_seq, 1500);
    assert_int_equal(verdict.last_seq, 1499);
}

/* Everything that can be done to the table without computing hashes, and where it shows. */
static void tampering_is_found(void **state)
{
    static const struct {
        const char *sql;
        int64_t broken;
        const char *says;
    } cases[] = {
        {"UPDATE audit SET text = replace(text, 'turnout', 'nobody!') WHERE seq = 20", 20, "does not fit its hash"},
        {"UPDATE audit SET text = text || ' ' WHERE seq = 60", 60, "does not fit its hash"},
        {"UPDATE audit SET text = '' WHERE seq = 5", 5, "does not fit its hash"},
        {"UPDATE audit SET hash = zeroblob(32) WHERE seq = 7", 7, "does not fit its hash"},
        {"UPDATE audit SET hash = (SELECT hash FROM audit WHERE seq = 8) WHERE seq = 9", 9, "does not fit its hash"},
        {"DELETE FROM audit WHERE seq = 30", 30, "entry 30 is missing: entry 31 comes"},
        {"DELETE FROM audit WHERE seq = 1", 1, "entry 1 is missing"},
        {"DELETE FROM audit WHERE seq < 60", 1, "entry 1 is missing: entry 60 comes"},
        {"DELETE FROM audit WHERE seq = 30; UPDATE audit SET seq = seq - 1 WHERE seq > 30", 30,
         "does not fit its hash"},
        {"UPDATE audit SET seq = 1000 WHERE seq = 10; UPDATE audit SET seq = 10 WHERE seq = 11; "
         "UPDATE audit SET seq = 11 WHERE seq = 1000",
         10, "does not fit its hash"},
        {"PRAGMA ignore_check_constraints = ON; UPDATE audit SET seq = 0 WHERE seq = 60", 1, "entry 0 stands before"},
        {"INSERT INTO audit (seq, hash, at, kind, text) VALUES (61, zeroblob(32), 1, 'a.x', '{}')", 61, "hash"},
        {"PRAGMA ignore_check_constraints = ON; INSERT INTO audit (seq, hash, at, kind, text) "
         "VALUES (-5, zeroblob(32), 1, 'a.x', '{}')",
         1, "entry -5 stands before"},
        {"UPDATE audit SET kind = 'c.x' WHERE seq = 12", 12, "another kind"},
        {"UPDATE audit SET service = 'blog' WHERE seq = 12", 12, "another service"},
        {"UPDATE audit SET service = NULL WHERE seq = 12", 12, "another service"},
        {"UPDATE audit SET service = 'blog' WHERE seq = 13", 13, "another service"},
        {"UPDATE audit SET at = at + 1 WHERE seq = 14", 14, "another time"},
        {"DELETE FROM audit WHERE seq = 60", 0, "intact"}, /* as the header says */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture *f = NULL;
        void *fresh = NULL;
        (void)state;
        fixture_set_up(&fresh);
        f = fresh;
        add_sixty(f);
        assert_true(verify(f).is_intact);
        tamper(f, cases[i].sql);
        struct audit_verdict verdict = verify(f);
        if (verdict.broken_seq != cases[i].broken || verdict.is_intact != (cases[i].broken == 0) ||
            !strstr(verdict.text, cases[i].says))
            fail_msg("%s: broken at %d: %s", cases[i].sql, (int)verdict.broken_seq, verdict.text);
        fixture_tear_down(&fresh);
    }
}

/* A text changed together with its own hash breaks the entry after it. */
static void rehashed_entry_breaks_the_next(void **state)
{
    struct fixture *f = *state;
    add_audit(f, "a.x", "");
    struct audit_chain first = f->chain;
    add_audit(f, "a.y", "");
    add_audit(f, "a.x", "");
    fixture_write(f);
    static const char text[] = "{\"at\":\"2026-11-21T02:20:07.124Z\",\"kind\":\"a.y\",\"seq\":2}";
    struct sha256 hash = audit_hash(&first.hash, text, sizeof text - 1);
    char hex[65];
    char sql[512];
    hex_encode(hash.bytes, sizeof hash.bytes, hex);
    snprintf(sql, sizeof sql, "UPDATE audit SET text = '%s', hash = x'%s' WHERE seq = 2", text, hex);
    tamper(f, sql);
    struct audit_verdict verdict = verify(f);
    assert_false(verdict.is_intact);
    assert_int_equal(verdict.broken_seq, 3);
}

static void add_of_incident(struct fixture *f, int incident)
{
    char text[ID_TEXT_SIZE];
    struct id id = id_of(incident);
    json_t *entry = json_pack("{s:s}", "incident", id_format(&id, text));
    assert_int_equal(audit_append(&f->chain, f->batch, entry, NOW, "decision.vote", "shop"), ERR_OK);
}

/* Entries 1 and 2 are of before there was the column, 3 names none; from 4 on what is named is filed. */
static void add_old_and_new(struct fixture *f)
{
    add_of_incident(f, 1);
    add_of_incident(f, 2);
    add_audit(f, "run.started", "shop");
    fixture_write(f);
    tamper(f, "UPDATE audit SET incident = NULL");
    add_of_incident(f, 2);
    add_of_incident(f, 1);
    add_audit(f, "run.started", "shop");
    fixture_write(f);
}

static void incidents_are_filed_as_they_are_named(void **state)
{
    static const struct {
        const char *sql;
        int64_t broken;
    } cases[] = {
        {"UPDATE audit SET incident = (SELECT incident FROM audit WHERE seq = 4) WHERE seq = 5", 5},
        {"UPDATE audit SET incident = NULL WHERE seq = 5", 5},
        {"UPDATE audit SET incident = randomblob(16) WHERE seq = 6", 6},
        {"UPDATE audit SET incident = randomblob(16) WHERE seq = 1", 1},
        {"UPDATE audit SET incident = (SELECT incident FROM audit WHERE seq = 5) WHERE seq = 1", 2}, /* in use, then */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        void *fresh = NULL;
        fixture_set_up(&fresh);
        struct fixture *f = fresh;
        add_old_and_new(f);
        assert_true(verify(f).is_intact);
        tamper(f, cases[i].sql);
        struct audit_verdict verdict = verify(f);
        if (verdict.broken_seq != cases[i].broken || !strstr(verdict.text, "another incident"))
            fail_msg("%s: broken at %d: %s", cases[i].sql, (int)verdict.broken_seq, verdict.text);
        fixture_tear_down(&fresh);
    }
}

/* While a daemon writes. */
static void verify_beside_a_writer(void **state)
{
    struct fixture *f = *state;
    struct store_reader *reader = fixture_reader(f);
    for (int i = 0; i < 20; i++) {
        add_audit(f, "run.step", "shop");
        fixture_write(f);
        struct audit_verdict verdict;
        assert_ok(f, store_audit_verify(reader, &verdict, &f->why));
        assert_true(verdict.is_intact);
        assert_int_equal(verdict.count, i + 1);
    }
    store_reader_close(reader);
}

int main(void)
{
#define DATABASE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        DATABASE(text_is_canonical_and_hashed),
        DATABASE(entry_without_service_has_none),
        DATABASE(long_detail_is_left_out),
        DATABASE(failure_leaves_the_chain),
        DATABASE(chain_goes_on_after_a_restart),
        DATABASE(pages_with_every_filter),
        DATABASE(pages_begin_where_they_are_told),
        DATABASE(broken_entries_are_shown),
        DATABASE(empty_log_is_intact),
        DATABASE(long_log_is_intact),
        cmocka_unit_test(tampering_is_found),
        DATABASE(rehashed_entry_breaks_the_next),
        cmocka_unit_test(incidents_are_filed_as_they_are_named),
        DATABASE(verify_beside_a_writer),
    };
    return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
