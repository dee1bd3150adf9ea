/* Fuzzes the UptimeRobot handler. The input's first line is the query, "name=value&…" without escapes; what follows is
 * the body.
 *
 * What must be true of everything it takes: there is one alert, in words of UTF-8; what is kept is a JSON object of
 * texts that gives the same alert, and the same text, when it is read as a stored body; and neither the contacts nor
 * the source's token are in anything that comes out. Of what it refuses: nothing came out, and the reason holds no
 * token. */
#include "base/utf8.h"
#include "handlers/source.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN "0123456789abcdef"
#define MAX_FIELDS 64
#define MAX_LABELS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "uptimerobot: %s\n", what);
    abort();
}

/* ---- what comes out ---------------------------------------------------------------------------------------------- */

/* An alert as text that can be compared: labels are copied, for they last only during the call. */
struct said {
    enum err err;
    int n;
    struct handler_alert alert;
    struct strbuf text; /* identity and labels */
    struct handler_result result;
};

static void expect_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t character = utf8_character_len(text + i, len - i);
        expect(character > 0, "not UTF-8");
        expect(character > 1 || ((unsigned char)text[i] >= 0x20 && text[i] != 0x7f), "a control character");
        i += character;
    }
}

static void expect_no_token(const char *text, size_t len)
{
    expect(!memmem(text, len, TOKEN, strlen(TOKEN)), "the token comes out");
}

/* Three parts, with a NUL between. */
static void expect_identity(const char *identity, size_t len)
{
    const char *first = memchr(identity, '\0', len);
    const char *second = first ? memchr(first + 1, '\0', len - (size_t)(first + 1 - identity)) : NULL;
    expect(second && second > first + 1, "the identity has other parts");
    expect_text(identity, (size_t)(first - identity));
    expect_text(first + 1, (size_t)(second - first - 1));
    expect_text(second + 1, len - (size_t)(second + 1 - identity));
}

static enum err take(void *context, const struct handler_alert *alert, struct errmsg *why)
{
    (void)why;
    struct said *said = context;
    said->n++;
    said->alert = *alert;
    expect_identity(alert->identity, alert->identity_len);
    expect_no_token(alert->identity, alert->identity_len);
    strbuf_add(&said->text, alert->identity, alert->identity_len);
    expect(alert->n_labels >= 2 && alert->n_labels <= MAX_LABELS, "number of labels");
    for (size_t i = 0; i < alert->n_labels; i++) {
        const struct label *label = &alert->labels[i];
        expect_text(label->name, label->name_len);
        expect_text(label->value, label->value_len);
        expect_no_token(label->value, label->value_len);
        strbuf_addf(&said->text, "\n%.*s=", (int)label->name_len, label->name);
        strbuf_add(&said->text, label->value, label->value_len);
    }
    bool is_known = alert->asserted_at != TIME_UNKNOWN;
    expect(!is_known || alert->asserted_at > 0, "a time before 1970");
    expect(alert->starts_at == (alert->state == ALERT_FIRING ? alert->asserted_at : TIME_UNKNOWN), "starts_at");
    expect(alert->ends_at == (alert->state == ALERT_UP ? alert->asserted_at : TIME_UNKNOWN), "ends_at");
    return ERR_OK;
}

static void parse(const struct handler_request *request, struct said *ret)
{
    struct errmsg why = {""};
    *ret = (struct said){.result = {.take = take, .context = ret}};
    ret->err = handler_find("uptimerobot")->parse(request, &ret->result, &why);
    expect(ret->err == ERR_OK || ret->err == ERR_INVALID || ret->err == ERR_TOO_BIG, "code");
    expect((ret->err == ERR_OK) == (why.text[0] == '\0'), "a message without an error, or the other way round");
    expect(ret->n == (ret->err == ERR_OK ? 1 : 0), "number of alerts");
    expect_no_token(why.text, strlen(why.text));
}

static void said_done(struct said *said)
{
    strbuf_done(&said->text);
    strbuf_done(&said->result.stored);
}

/* ---- what is kept ------------------------------------------------------------------------------------------------ */

static bool is_list_of_contacts(const char *text)
{
    static const char digits[] = "0123456789";
    size_t id = strspn(text, digits);
    if (id == 0 || text[id] != ';')
        return false;
    size_t type = strspn(text + id + 1, digits);
    return type > 0 && text[id + 1 + type] == ';';
}

static void expect_kept(const struct said *said)
{
    const struct strbuf *kept = &said->result.stored;
    json_error_t error;
    json_t *object = json_loadb(strbuf_text(kept), kept->len, JSON_REJECT_DUPLICATES, &error);
    expect(json_is_object(object), "what is kept is no JSON object");
    expect_no_token(kept->data, kept->len);
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        expect(json_string_length(value) > 0, "what is kept holds something else than texts");
        expect(!strcasestr(name, "contact"), "contacts are kept");
        expect(!is_list_of_contacts(json_string_value(value)), "contacts are kept under another name");
    }
    const char *type = json_string_value(json_object_get(object, "alertType"));
    enum alert_state state = type && strcmp(type, "1") == 0   ? ALERT_FIRING
                             : type && strcmp(type, "2") == 0 ? ALERT_UP
                                                              : ALERT_UNKNOWN;
    expect(type && said->alert.state == state, "the state is not that of what is kept");
    json_decref(object);
}

static void expect_again(const struct said *first)
{
    const struct strbuf *kept = &first->result.stored;
    char *exact = malloc(kept->len);
    memcpy(exact, kept->data, kept->len);
    struct said again;
    parse(&(struct handler_request){.body = exact, .len = kept->len, .is_stored = true}, &again);
    expect(again.err == ERR_OK, "what is kept is refused");
    expect(again.alert.state == first->alert.state && again.alert.asserted_at == first->alert.asserted_at,
           "what is kept gives another state or time");
    expect(again.text.len == first->text.len && memcmp(again.text.data, first->text.data, first->text.len) == 0,
           "what is kept gives another identity or other labels");
    expect(again.result.stored.len == kept->len && memcmp(again.result.stored.data, kept->data, kept->len) == 0,
           "what is kept is kept otherwise");
    said_done(&again);
    free(exact);
}

/* ---- the input --------------------------------------------------------------------------------------------------- */

static size_t split_query(char *query, struct handler_field fields[MAX_FIELDS])
{
    size_t n = 0;
    char *rest = query;
    for (char *part = strsep(&rest, "&"); part && n < MAX_FIELDS; part = strsep(&rest, "&")) {
        char *value = strchr(part, '=');
        if (value)
            *value++ = '\0';
        fields[n++] = (struct handler_field){part, value ? value : ""};
    }
    return n;
}

static const struct source *source(void)
{
    static struct secret token;
    static struct source one = {.path_token = {&token, 1}};
    if (!secret_is_set(&token) && secret_set(&token, TOKEN, strlen(TOKEN)) != ERR_OK)
        abort();
    return &one;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = size > 0 ? (const char *)data : "";
    const char *line_end = memchr(text, '\n', size);
    size_t query_len = line_end ? (size_t)(line_end - text) : 0;
    size_t body_at = line_end ? query_len + 1 : 0;
    char *query = strndup(text, query_len);
    struct handler_field fields[MAX_FIELDS];
    const struct handler_request request = {
        .source = source(),
        .body = text + body_at,
        .len = size - body_at,
        .query = fields,
        .n_query = split_query(query, fields),
    };
    struct said said;
    parse(&request, &said);
    if (said.err == ERR_OK) {
        expect_kept(&said);
        expect_again(&said);
    }
    said_done(&said);
    free(query);
    return 0;
}
