#include "actions/served.h"

#include "actions/common.h"
#include "base/strbuf.h"

#include <stdio.h>
#include <string.h>

#define MAX_SHOWN_VALUES 4

/* What one server said, for people. */
static void answer_text(struct action_call *call, const struct dns_answer *answer, struct strbuf *text)
{
    if (answer->n_values == 0)
        strbuf_adds(text, answer->problem);
    for (int i = 0; i < answer->n_values && i < MAX_SHOWN_VALUES; i++) {
        char words[128];
        words_of(call, answer->values[i], strlen(answer->values[i]), words, sizeof(words));
        strbuf_addf(text, "%s%s", i ? ", " : "", words);
    }
    if (answer->n_values > MAX_SHOWN_VALUES)
        strbuf_addf(text, " and %d more", answer->n_values - MAX_SHOWN_VALUES);
}

static bool is_right(const struct dns_answer *answer, const char *type, const char *target)
{
    return answer->is_answered && answer->problem[0] == '\0' && answer->n_values == 1 &&
           target_equal(type, answer->values[0], target);
}

static void judge(struct action_call *call, const struct dns_servers *servers, const struct dns_answer *answers,
                  const char *type, const char *target, struct served *ret, json_t *seen)
{
    struct strbuf text = STRBUF_INIT;
    for (int i = 0; i < servers->count; i++) {
        struct strbuf said = STRBUF_INIT;
        bool is_good = is_right(&answers[i], type, target);
        answer_text(call, &answers[i], &said);
        ret->n_right += is_good;
        ret->n_silent += !answers[i].is_answered;
        ret->n_wrong += answers[i].is_answered && !is_good;
        if (!is_good)
            strbuf_addf(&text, "%s%s %s", text.len ? "; " : "", servers->items[i].name,
                        answers[i].is_answered ? "says " : "does not answer: ");
        if (!is_good)
            strbuf_adds(&text, strbuf_text(&said));
        if (seen)
            json_object_set_new(seen, servers->items[i].name, json_string(strbuf_text(&said)));
        strbuf_done(&said);
    }
    if (text.len == 0 && servers->count == 1)
        strbuf_addf(&text, "its name server answers %s", target);
    else if (text.len == 0)
        strbuf_addf(&text, "all %d name servers answer %s", servers->count, target);
    if (text.is_broken)
        snprintf(ret->text, sizeof(ret->text), "out of memory for what the name servers say");
    else
        words_of(call, strbuf_text(&text), text.len, ret->text, sizeof(ret->text));
    strbuf_done(&text);
}

enum err served_ask(struct action_call *call, const struct dns_servers *servers, const char *name, const char *type,
                    const char *target, struct served *ret, json_t **ret_seen, struct errmsg *why)
{
    struct dns_answer *answers = calloc(DNS_MAX_SERVERS, sizeof(*answers));
    struct dns_patience patience = {call->deadline_at, call->cancel};
    memset(ret, 0, sizeof(*ret));
    if (!answers)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    enum err err = dns_ask(servers, name, type, &patience, answers, why);
    json_t *seen = err == ERR_OK && ret_seen ? json_object() : NULL;
    if (err == ERR_OK)
        judge(call, servers, answers, type, target, ret, seen);
    if (ret_seen)
        *ret_seen = seen;
    dns_answers_done(answers, servers->count);
    free(answers);
    return err;
}

enum err served_servers(const json_t *endpoints, struct dns_servers *ret, struct errmsg *why)
{
    const json_t *endpoint;
    size_t i;
    enum err err = ERR_OK;
    memset(ret, 0, sizeof(*ret));
    if (json_is_string(endpoints))
        return dns_servers_add(ret, json_string_value(endpoints), why);
    json_array_foreach(endpoints, i, endpoint)
    {
        if (err == ERR_OK)
            err = dns_servers_add(ret, json_string_value(endpoint) ? json_string_value(endpoint) : "", why);
    }
    return err;
}
