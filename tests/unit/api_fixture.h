/* What the tests of the api listener share: calls with an operator's token, what is expected of an answer, and a
 * database in a folder that is removed afterwards. */
#ifndef TURNOUT_TESTS_API_FIXTURE_H
#define TURNOUT_TESTS_API_FIXTURE_H

#include "http_fixture.h"

#include "store/store.h"

#include <ftw.h>

#define OPERATOR "Authorization: Bearer " OPERATOR_TOKEN "\r\n"
#define APPROVER "Authorization: Bearer " APPROVER_TOKEN "\r\n"
#define VIEWER "Authorization: Bearer " VIEWER_TOKEN "\r\n"

static char folder[64], database[96];

/* ---- the database ------------------------------------------------------------------------------------------------ */

/* A new one, to be written to and closed. */
static inline struct store *new_database(void)
{
    struct errmsg why = {""};
    struct store *store = NULL;
    snprintf(folder, sizeof folder, "/tmp/turnout-api-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(database, sizeof database, "%s/turnout.db", folder);
    if (store_open(database, &store, &why) != ERR_OK)
        fail_msg("%s", why.text);
    return store;
}

/* Takes both. */
static inline void write_database(struct store *store, struct store_batch *batch)
{
    struct errmsg why = {""};
    if (store_write(store, batch, &why) != ERR_OK)
        fail_msg("%s", why.text);
    batch_free(batch);
    store_close(store);
}

static inline int remove_one(const char *path, const struct stat *stat, int flag, struct FTW *ftw)
{
    (void)stat, (void)flag, (void)ftw;
    return remove(path);
}

static inline int remove_database(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Both listeners, with the database behind them. */
static inline int set_up(void **state)
{
    static struct fixture fixture;
    fixture_init(&fixture);
    fixture.settings.database = database;
    fixture_start(&fixture);
    *state = &fixture;
    return 0;
}

/* ---- helpers ----------------------------------------------------------------------------------------------------- */

static inline struct answer get(const struct fixture *f, const char *target, const char *headers)
{
    return ask(http_api_port(f->http), "GET", target, headers, NULL, 0);
}

static inline struct answer call(const struct fixture *f, const char *target, const char *headers, const char *body)
{
    return ask(http_api_port(f->http), "POST", target, headers, body, strlen(body));
}

static inline json_t *json_of(struct answer answer, int status)
{
    json_error_t error;
    json_t *json = json_loads(answer.body, JSON_DECODE_ANY, &error);
    if (answer.status != status || !json)
        fail_msg("expected %d and JSON, got: %s%s", status, answer.head, answer.body);
    answer_done(&answer);
    return json;
}

static inline void expect_error(struct answer answer, int status, const char *code, const char *in_message)
{
    json_t *json = json_of(answer, status);
    const char *got_code = NULL, *message = NULL;
    assert_int_equal(json_unpack(json, "{s:{s:s, s:s !}!}", "error", "code", &got_code, "message", &message), 0);
    assert_string_equal(got_code, code);
    if (!strstr(message, in_message))
        fail_msg("expected \"%s\" in \"%s\"", in_message, message);
    json_decref(json);
}

static inline void expect_json(struct answer answer, int status, const char *expected)
{
    json_t *json = json_of(answer, status), *right = json_loads(expected, JSON_DECODE_ANY, NULL);
    if (!json_equal(json, right)) {
        char *text = json_dumps(json, JSON_SORT_KEYS);
        fail_msg("expected %s, got %s", expected, text);
    }
    json_decref(json);
    json_decref(right);
}

static inline json_t *at(const json_t *json, const char *list, size_t i)
{
    return json_array_get(json_object_get(json, list), i);
}

/* Until so many refused requests were told. */
static inline void wait_for_refused(struct fixture *f, int count)
{
    int requests = 0;
    for (int i = 0; i < 200 && requests < count; i++) {
        sleep_ms(20);
        pthread_mutex_lock(&f->mutex);
        requests = f->refused_requests;
        pthread_mutex_unlock(&f->mutex);
    }
}

#endif
