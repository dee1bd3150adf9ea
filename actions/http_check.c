/* http.check: does a site answer as it should, on its public name or at an address before the name points there?
 *
 * With `at` only the address differs: name, certificate and Host stay those of the URL, and no proxy is used. A check
 * says what it sees, so a refused connection or a bad certificate is "not right" and not an error of the check. A name
 * that cannot be looked up is one, or a socket that cannot be had: nothing has been seen of the site then. */
#include "actions/action.h"
#include "actions/by_hand.h"
#include "actions/common.h"

#include <stdio.h>
#include <string.h>

/* One answer against what is expected of it; the sentence says what differs. */
static bool answer_is_right(const struct fetch_response *response, const json_t *expect, struct strbuf *text)
{
    int64_t status = arg_int(expect, "status", 200), within_ms = arg_int(expect, "within", 0);
    const char *body = arg_text(expect, "body", NULL);
    bool is_status = response->status == status;
    bool is_in_time = within_ms <= 0 || response->took_ms <= within_ms;
    bool is_body = !body || memmem(strbuf_text(&response->body), response->body.len, body, strlen(body));
    strbuf_addf(text, "%d in %lld ms", response->status, (long long)response->took_ms);
    if (!is_status)
        strbuf_addf(text, ", expected %lld", (long long)status);
    if (!is_in_time)
        strbuf_addf(text, ", expected within %lld ms", (long long)within_ms);
    if (!is_body)
        strbuf_addf(text, ", and the body does not have \"%.80s\"", body);
    return is_status && is_in_time && is_body;
}

static json_t *wanted_of(const json_t *expect)
{
    json_t *wanted = json_pack("{s:I}", "status", (json_int_t)arg_int(expect, "status", 200));
    if (arg_int(expect, "within", 0) > 0)
        json_object_set_new(wanted, "took_ms", json_integer(arg_int(expect, "within", 0)));
    return wanted;
}

static void judge(struct action_call *call, struct action_result *ret, const struct fetch_response *response)
{
    const json_t *expect = json_object_get(call->args, "expect");
    struct strbuf text = STRBUF_INIT;
    char words[400];
    ret->is_right = answer_is_right(response, expect, &text);
    ret->current = json_pack("{s:i, s:I}", "status", response->status, "took_ms", (json_int_t)response->took_ms);
    ret->desired = wanted_of(expect);
    ret->ends_at = response->certificate_ends_at;
    words_of(call, strbuf_text(&text), text.len, words, sizeof(words));
    result_set(ret, OUTCOME_OK, "%s", text.is_broken ? "out of memory for what it answers" : words);
    strbuf_done(&text);
}

static void http_check_observe(struct action_call *call, struct action_result *ret)
{
    const char *at = arg_text(call->args, "at", NULL);
    struct fetch_request request = {
        .method = "GET", .url = arg_text(call->args, "url", ""), .connect_to = at, .is_fresh = true};
    struct fetch_response response;
    struct errmsg why = {""};
    enum err err = action_send(call, &request, &response, &why);
    if (err == ERR_OK) {
        judge(call, ret, &response);
    } else if (err == ERR_INVALID) {
        result_set(ret, OUTCOME_PERMANENT, "the URL cannot be asked: %s", why.text);
    } else if (call_is_cancelled(call)) {
        result_set(ret, OUTCOME_CANCELLED, "cancelled while checking");
    } else if (response.is_untried || err == ERR_NO_MEMORY) {
        result_set(ret, OUTCOME_TEMPORARY, "it cannot be tried from here: %s", why.text);
    } else {
        ret->is_right = false;
        ret->current = json_pack("{s:n, s:I}", "status", "took_ms", (json_int_t)response.took_ms);
        ret->desired = wanted_of(json_object_get(call->args, "expect"));
        result_set(ret, OUTCOME_OK, "no answer%s%s: %s", at ? " from " : "", at ? at : "", why.text);
    }
    fetch_response_done(&response);
}

/* ---- by hand ---- */

static void http_check_write_look(struct strbuf *script, const json_t *args, const struct provider *provider,
                                  const json_t *token)
{
    const json_t *expect = json_object_get(args, "expect");
    const char *at = arg_text(args, "at", NULL), *body = arg_text(expect, "body", NULL);
    (void)provider;
    (void)token;
    strbuf_adds(script, "answer=$(curl -gsS --max-time 30 -w '\\n%{http_code}\\n' ");
    if (at)
        strbuf_addf(script,
                    strchr(at, ':') ? "--noproxy '*' --connect-to '::[%s]:' " : "--noproxy '*' --connect-to '::%s:' ",
                    at);
    by_hand_quote(script, arg_text(args, "url", ""));
    strbuf_addf(script, ") &&\n  printf '%%s\\n' \"$answer\" | tail -n 1 | grep -qx %lld",
                (long long)arg_int(expect, "status", 200));
    if (body) { /* which may be of several lines; the last one is the status */
        strbuf_adds(script, " &&\n  case ${answer%?[0-9][0-9][0-9]} in\n  *");
        by_hand_quote(script, body);
        strbuf_adds(script, "*) ;;\n  *) false ;;\n  esac");
    }
    strbuf_addc(script, '\n');
}

static const struct row expect_rows[] = {
    {.name = "status",
     .type = ROW_INT,
     .default_text = "200",
     .min = 100,
     .max = 599,
     .help = "HTTP status; redirects are not followed"},
    {.name = "body", .type = ROW_STRING, .min = 1, .max = 4096, .help = "text that the body must have somewhere"},
    {.name = "within",
     .type = ROW_DURATION,
     .min = 1,
     .max = 300000,
     .help = "the longest time from the look-up of the name to the last byte"},
    {.name = NULL},
};

static const struct row check_rows[] = {
    {.name = "url", .type = ROW_URL, .is_required = true, .help = "what to ask for with GET"},
    {.name = "at",
     .type = ROW_ADDRESS,
     .help = "address to connect to in place of the URL's host; name, certificate and Host stay those of the URL"},
    {.name = "expect", .type = ROW_MAP, .rows = expect_rows, .help = "what a good answer is; default: status 200"},
    {.name = NULL},
};

const struct action action_http_check = {
    .name = "http.check",
    .help = "checks by one GET that a site answers as expected",
    .rows = check_rows,
    .is_check = true,
    .default_retries = 3,
    .default_timeout_ms = 10000,
    .observe = http_check_observe,
    .write_look = http_check_write_look,
};
