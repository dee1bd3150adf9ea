/* UptimeRobot's webhook, which has no fixed form: its variables come in the query, as a form, as JSON, in a text of the
 * user's own, or in several of these at once, under its own names or others' spelling of them.
 *
 * The format: UptimeRobot's help on webhooks and its Terraform provider (names, ways of sending), and what receivers of
 * it have met (placeholders that nobody filled in, HTML entities in values). It is sent once and not again, so whatever
 * can be done without is done without: only a delivery without its alertType, or about no monitor, is refused.
 * Each variable is put in order once, by put(), and what is kept is made of what came out: so it says the same when it
 * is read again. monitorAlertContacts holds the address of this very webhook, with its token: do not let any of it
 * through, whatever it is called, and do not keep what is no variable of UptimeRobot's. */
#include "handlers/source.h"

#include "base/clock.h"
#include "handlers/document.h"
#include "handlers/form.h"
#include "handlers/outside_text.h"

#include <string.h>

#define MAX_BODY ((size_t)64 * 1024)
#define MAX_PAIRS 1024 /* of a form; as many as of a JSON object */
#define MAX_OTHERS 32  /* variables that we do not know, and keep */
#define MAX_OTHER_NAME 64

enum variable {
    MONITOR_ID,
    MONITOR_URL,
    MONITOR_NAME,
    ALERT_TYPE,
    ALERT_TYPE_NAME,
    ALERT_TIME,
    ALERT_DETAILS,
    ALERT_DURATION,
    ALERT_FRIENDLY_DURATION,
    SSL_DATE,
    SSL_DAYS,
    N_VARIABLES,
};

static const struct {
    const char *name;
    bool decides; /* over what the alert is: text, or the delivery is refused */
} variables[N_VARIABLES] = {
    [MONITOR_ID] = {"monitorID", true},
    [MONITOR_URL] = {"monitorURL", true},
    [MONITOR_NAME] = {"monitorFriendlyName", false},
    [ALERT_TYPE] = {"alertType", true},
    [ALERT_TYPE_NAME] = {"alertTypeFriendlyName", false},
    [ALERT_TIME] = {"alertDateTime", false},
    [ALERT_DETAILS] = {"alertDetails", false},
    [ALERT_DURATION] = {"alertDuration", false},
    [ALERT_FRIENDLY_DURATION] = {"alertFriendlyDuration", false},
    [SSL_DATE] = {"sslExpiryDate", false},
    [SSL_DAYS] = {"sslExpiryDaysLeft", false},
};

struct value {
    struct json_text text; /* UTF-8 without control characters, entities decoded, not empty; NULL: absent */
    bool is_of_body;
};

struct other {
    struct json_text name, text;
};

struct parser {
    struct arena arena;
    struct errmsg *why;
    const struct handler_request *request;
    bool is_in_body; /* what put() gets now */
    struct value known[N_VARIABLES];
    bool is_unfilled[N_VARIABLES]; /* came as its own name */
    struct other others[MAX_OTHERS];
    size_t n_others;
};

static enum err no_memory(struct parser *p)
{
    return err_set(p->why, ERR_NO_MEMORY, "out of memory");
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* "monitor_url", "monitorUrl" and "MonitorURL" are one: whether that is `word`, or with `is_start`, begins with it. */
static bool is_spelled(const char *name, size_t len, const char *word, bool is_start)
{
    for (size_t i = 0; i < len; i++) {
        if (name[i] == '_' || name[i] == '-')
            continue;
        if (*word == '\0')
            return is_start;
        if (lower(name[i]) != lower(*word++))
            return false;
    }
    return *word == '\0';
}

/* N_VARIABLES: none of those we know. */
static enum variable variable_find(const struct json_text *name)
{
    for (enum variable v = 0; v < N_VARIABLES; v++) {
        if (is_spelled(name->text, name->len, variables[v].name, false))
            return v;
    }
    return N_VARIABLES;
}

/* One of UptimeRobot's by its beginning, known or not. */
static bool is_variable(const struct json_text *name)
{
    static const char *const starts[] = {"monitor", "alert", "ssl", "incident"};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        if (is_spelled(name->text, name->len, starts[i], true))
            return true;
    }
    return false;
}

static bool is_of_contacts(const struct json_text *name)
{
    for (size_t i = 0; i < name->len; i++) {
        if (is_spelled(name->text + i, name->len - i, "contact", true))
            return true;
    }
    return false;
}

static bool is_plain_name(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = lower(text[i]);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return false;
    }
    return len > 0 && len <= MAX_OTHER_NAME;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* Contacts under another name: "2382340;5;https://…" */
static bool is_list_of_contacts(const char *text)
{
    size_t id = strspn(text, "0123456789");
    size_t type = id > 0 && text[id] == ';' ? strspn(text + id + 1, "0123456789") : 0;
    return type > 0 && text[id + 1 + type] == ';';
}

/* "*alertType*" or "$alertType", which nobody has put a value for; also the bare name, of templates whose author forgot
 * the marks. */
static bool is_unfilled(const char *text, size_t len)
{
    bool is_marked = true;
    if (len > 2 && text[0] == '*' && text[len - 1] == '*')
        len -= 2, text++;
    else if (len > 3 && text[0] == '$' && text[1] == '{' && text[len - 1] == '}')
        len -= 3, text += 2;
    else if (len > 1 && text[0] == '$')
        len--, text++;
    else
        is_marked = false;
    const struct json_text name = {text, len};
    if (is_marked)
        return is_plain_name(text, len) && is_variable(&name);
    for (enum variable v = 0; v < N_VARIABLES; v++) {
        if (strcmp(variables[v].name, text) == 0)
            return true;
    }
    return false;
}

/* A value in order; NULL: out of memory. */
static char *value_make(struct parser *p, const struct json_text *from, bool *ret_is_text)
{
    char *text = outside_text(from, &p->arena, ret_is_text);
    if (!text)
        return NULL;
    /* It may hold the webhook's own address under any name that a template gives it. */
    if (!p->request->is_stored && p->request->source)
        conceal_credentials(text, p->request->source);
    drop_user_information(text);
    return outside_text_trim(text);
}

/* ---- taking what comes ------------------------------------------------------------------------------------------- */

/* The body's word counts before the query's, where a user may have put things once and for all. */
static enum err put_known(struct parser *p, enum variable v, const struct json_text *text)
{
    struct value *value = &p->known[v];
    if (!value->text.text) {
        *value = (struct value){*text, p->is_in_body};
        return ERR_OK;
    }
    bool is_same = value->text.len == text->len && memcmp(value->text.text, text->text, text->len) == 0;
    if (is_same || !variables[v].decides || value->is_of_body != p->is_in_body)
        return ERR_OK;
    return err_set(p->why, ERR_INVALID, "%s is there twice in the %s, with different values", variables[v].name,
                   p->is_in_body ? "body" : "query");
}

/* Nor is a name kept in which one of our tokens has got caught, which makes it another one. */
static enum err put_other(struct parser *p, const struct json_text *name, const struct json_text *text)
{
    bool is_text, is_kept;
    const char *made = value_make(p, name, &is_text);
    if (!made)
        return no_memory(p);
    is_kept = strlen(made) == name->len && p->n_others < MAX_OTHERS;
    for (size_t i = 0; i < p->n_others && is_kept; i++)
        is_kept = p->others[i].name.len != name->len || memcmp(p->others[i].name.text, name->text, name->len) != 0;
    if (is_kept)
        p->others[p->n_others++] = (struct other){*name, *text};
    return ERR_OK;
}

static enum err put(struct parser *p, const struct json_text *name, const struct json_text *from)
{
    enum variable v = variable_find(name);
    if (v == N_VARIABLES && (!is_plain_name(name->text, name->len) || !is_variable(name) || is_of_contacts(name)))
        return ERR_OK;
    bool is_text;
    const char *made = value_make(p, from, &is_text);
    if (!made)
        return no_memory(p);
    const struct json_text text = {made, strlen(made)};
    if (text.len == 0 || is_list_of_contacts(made))
        return ERR_OK;
    if (is_unfilled(made, text.len)) {
        if (v != N_VARIABLES)
            p->is_unfilled[v] = true;
        return ERR_OK;
    }
    if (v == N_VARIABLES)
        return put_other(p, name, &text);
    if (!is_text && variables[v].decides)
        return err_set(p->why, ERR_INVALID, "%s is not text: it must be UTF-8 without control characters",
                       variables[v].name);
    return put_known(p, v, &text);
}

/* Objects and arrays are read over. */
static enum err put_member(struct parser *p, struct json_reader *reader, const struct json_text *name)
{
    struct json_text text;
    bool flag;
    switch (json_reader_peek(reader)) {
    case JSON_KIND_TEXT:
        return json_reader_text(reader, &text) ? put(p, name, &text) : reader->err;
    case JSON_KIND_NUMBER:
        return json_reader_number(reader, &text) ? put(p, name, &text) : reader->err;
    case JSON_KIND_BOOL:
        if (!json_reader_bool(reader, &flag))
            return reader->err;
        text = flag ? (struct json_text){"true", 4} : (struct json_text){"false", 5};
        return put(p, name, &text);
    case JSON_KIND_NULL:
    case JSON_KIND_OBJECT:
    case JSON_KIND_ARRAY:
        return json_reader_skip(reader) ? ERR_OK : reader->err;
    case JSON_KIND_NONE:
        break;
    }
    return reader->err;
}

static enum err put_json(struct parser *p)
{
    struct json_reader reader;
    json_reader_init(&reader, p->request->body, p->request->len, &p->arena, p->why);
    struct json_text name;
    if (!json_reader_object(&reader))
        return reader.err;
    while (json_reader_member(&reader, &name)) {
        enum err err = put_member(p, &reader, &name);
        if (err != ERR_OK)
            return err;
    }
    return json_reader_end(&reader);
}

static enum err put_form(struct parser *p)
{
    struct form_reader reader;
    form_reader_init(&reader, p->request->body, p->request->len, &p->arena);
    struct json_text name, text;
    for (size_t n = 0; form_reader_next(&reader, &name, &text); n++) {
        if (n >= MAX_PAIRS)
            return err_set(p->why, ERR_TOO_BIG, "the body has more than %d fields", MAX_PAIRS);
        enum err err = put(p, &name, &text);
        if (err != ERR_OK)
            return err;
    }
    return reader.is_broken ? no_memory(p) : ERR_OK;
}

static bool is_json(const struct handler_request *request)
{
    for (size_t i = 0; i < request->len; i++) {
        if (!strchr(" \t\r\n", request->body[i]) || request->body[i] == '\0')
            return request->body[i] == '{';
    }
    return false;
}

static enum err put_query(struct parser *p)
{
    bool is_run_together = false;
    for (size_t i = 0; i < p->request->n_query; i++) {
        const struct handler_field *field = &p->request->query[i];
        const struct json_text name = {field->name, strlen(field->name)}, text = {field->value, strlen(field->value)};
        enum err err = put(p, &name, &text);
        if (err != ERR_OK)
            return err;
        const char *in_name = strstr(field->name, "monitorID");
        is_run_together |= strstr(field->value, "monitorID=") || (in_name && in_name > field->name);
    }
    if (is_run_together && !p->known[MONITOR_ID].text.text)
        return err_set(p->why, ERR_INVALID,
                       "monitorID has run into the parameter before it: the URL in UptimeRobot's settings must end in "
                       "\"?\" or \"&\"");
    return ERR_OK;
}

static enum err put_body(struct parser *p)
{
    p->is_in_body = true;
    enum err err = is_json(p->request) ? put_json(p) : put_form(p);
    p->is_in_body = false;
    return err;
}

/* A body that began like JSON and was none may be a text of the user's own, when the query says it all. */
static enum err read_all(struct parser *p)
{
    enum err err = put_body(p);
    if (err == ERR_OK)
        return put_query(p);
    if (err != ERR_INVALID)
        return err;
    struct errmsg of_body = {""}, *why = p->why;
    if (why)
        of_body = *why;
    memset(p->known, 0, sizeof p->known);
    p->n_others = 0;
    err = put_query(p);
    if (err == ERR_OK && !p->known[ALERT_TYPE].text.text)
        return err_set(why, ERR_INVALID, "%s", of_body.text);
    if (err == ERR_OK && why)
        why->text[0] = '\0';
    return err;
}

/* ---- the alert --------------------------------------------------------------------------------------------------- */

/* Certificates that expire, and whatever else it may tell one day, are alerts beside the monitor's being down or up. */
static const char *class_of(const struct json_text *type)
{
    char digit = type->len == 1 ? type->text[0] : '\0';
    return digit == '1' || digit == '2' ? "up/down" : digit == '3' ? "ssl" : "other";
}

/* The monitor's number; without it what comes nearest, though two monitors may watch one address, and a name may be
 * given twice. Each part ends with a NUL, which none of them holds. */
static enum err identify(struct parser *p, struct handler_alert *alert)
{
    static const enum variable by[] = {MONITOR_ID, MONITOR_URL, MONITOR_NAME};
    size_t i = 0;
    while (i < 3 && !p->known[by[i]].text.text)
        i++;
    if (i == 3)
        return err_set(p->why, ERR_INVALID,
                       "nothing says which monitor it is: monitorID, monitorURL and monitorFriendlyName are missing%s",
                       p->is_unfilled[MONITOR_ID] ? ", or came as the names of the variables themselves" : "");
    const char *kind = variables[by[i]].name, *class = class_of(&p->known[ALERT_TYPE].text);
    const struct json_text *text = &p->known[by[i]].text;
    size_t kind_size = strlen(kind) + 1, class_len = strlen(class);
    char *identity = arena_get(&p->arena, kind_size + text->len + 1 + class_len);
    if (!identity)
        return no_memory(p);
    memcpy(identity, kind, kind_size);
    memcpy(identity + kind_size, text->text, text->len + 1);
    memcpy(identity + kind_size + text->len + 1, class, class_len);
    alert->identity = identity;
    alert->identity_len = kind_size + text->len + 1 + class_len;
    return ERR_OK;
}

static enum err describe(struct parser *p, struct handler_alert *alert)
{
    const struct json_text *type = &p->known[ALERT_TYPE].text, *time = &p->known[ALERT_TIME].text;
    if (!type->text && p->is_unfilled[ALERT_TYPE])
        return err_set(
            p->why, ERR_INVALID,
            "alertType came as the name of the variable itself: UptimeRobot puts a value for *alertType* and "
            "$alertType, and for nothing that is written otherwise or sent by something else");
    if (!type->text)
        return err_set(p->why, ERR_INVALID,
                       "there is no alertType: UptimeRobot's variables must come in the query, as a form or as a JSON "
                       "object");
    alert->state = strcmp(type->text, "1") == 0   ? ALERT_FIRING
                   : strcmp(type->text, "2") == 0 ? ALERT_UP
                                                  : ALERT_UNKNOWN;
    /* A time that is none is no reason to lose the alert. */
    int64_t at = TIME_UNKNOWN;
    if (time->text && time_parse_seconds(time->text, time->len, &at) != ERR_OK)
        at = TIME_UNKNOWN;
    alert->asserted_at = at;
    alert->starts_at = alert->state == ALERT_FIRING ? at : TIME_UNKNOWN;
    alert->ends_at = alert->state == ALERT_UP ? at : TIME_UNKNOWN;
    return identify(p, alert);
}

static void describe_labels(const struct parser *p, struct labels *labels)
{
    static const char *const names[] = {[MONITOR_ID] = "monitor_id",
                                        [MONITOR_URL] = "monitor_url",
                                        [MONITOR_NAME] = "monitor_name",
                                        [ALERT_TYPE] = "alert_type",
                                        [ALERT_TYPE_NAME] = "alert_type_name"};
    labels->n = 0;
    for (size_t v = 0; v < sizeof names / sizeof names[0]; v++) {
        if (p->known[v].text.text)
            labels_add(labels, names[v], &p->known[v].text);
    }
}

/* ---- what is kept ------------------------------------------------------------------------------------------------ */

static bool keep(struct parser *p, const struct json_text *name, const struct json_text *text, struct strbuf *to)
{
    struct json_text encoded;
    if (!entities_encode(text, &p->arena, &encoded))
        return false;
    strbuf_addc(to, to->len > 0 ? ',' : '{');
    strbuf_add_json(to, name->text, name->len);
    strbuf_addc(to, ':');
    strbuf_add_json(to, encoded.text, encoded.len);
    return true;
}

static enum err keep_all(struct parser *p, struct strbuf *to)
{
    bool is_right = true;
    for (enum variable v = 0; v < N_VARIABLES && is_right; v++) {
        const struct json_text name = {variables[v].name, strlen(variables[v].name)};
        if (p->known[v].text.text)
            is_right = keep(p, &name, &p->known[v].text, to);
    }
    for (size_t i = 0; i < p->n_others && is_right; i++)
        is_right = keep(p, &p->others[i].name, &p->others[i].text, to);
    strbuf_addc(to, '}');
    return is_right && !to->is_broken ? ERR_OK : no_memory(p);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static enum err uptimerobot_parse(const struct handler_request *request, struct handler_result *result,
                                  struct errmsg *why)
{
    struct parser p;
    struct labels labels;
    struct handler_alert alert = {.labels = labels.items};
    arena_init(&p.arena);
    p.why = why;
    p.request = request;
    memset(p.known, 0, sizeof p.known);
    memset(p.is_unfilled, 0, sizeof p.is_unfilled);
    p.n_others = 0;
    enum err err = read_all(&p);
    if (err == ERR_OK)
        err = describe(&p, &alert);
    if (err == ERR_OK)
        err = keep_all(&p, &result->stored);
    if (err == ERR_OK) {
        describe_labels(&p, &labels);
        alert.n_labels = labels.n;
        err = result->take(result->context, &alert, why);
    }
    arena_done(&p.arena);
    return err;
}

/* Nothing but the credentials that every source has. */
static const struct row rows[] = {{.name = NULL}};

extern const struct handler handler_uptimerobot;
const struct handler handler_uptimerobot = {
    .kind = "uptimerobot",
    .help = "UptimeRobot's webhook: its variables in the query, as a form or as JSON",
    .rows = rows,
    .labels_help = "monitor_id, monitor_url, monitor_name, alert_type (1 down, 2 up, 3 certificate), alert_type_name",
    .methods = "GET, POST",
    .media = HANDLER_ANY_MEDIA,
    .max_body = MAX_BODY,
    .parse = uptimerobot_parse,
};
