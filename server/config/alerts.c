/* Alert rules: which alerts of which source speak of which site.
 *
 * The complication is regular expressions: a small one can stand for a huge automaton, and one with back-references
 * can take for ever on one label. Both are refused here, since labels are hostile and matching has no time limit. */
#include "base/cleanup.h"
#include "config/rows.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#define MAX_REGEX 512       /* bytes */
#define MAX_REGEX_SIZE 1000 /* characters, repetitions written out */
#define MAX_REGEX_GROUPS 16 /* within each other */
#define MAX_MATCHES 32      /* labels of one rule */
#define MAX_VALUES 100      /* of one label */

/* ---- regular expressions ----------------------------------------------------------------------------------------- */

/* How large an expression is with its repetitions written out, per open group. */
struct regex_size {
    size_t total[MAX_REGEX_GROUPS + 1]; /* of the group so far, closed parts included */
    size_t last[MAX_REGEX_GROUPS + 1];  /* of its last part: what a repetition repeats */
    size_t depth;
};

static void size_add(struct regex_size *size, size_t part)
{
    size->last[size->depth] = part;
    size->total[size->depth] += part;
}

/* The larger number of {n}, {n,} and {n,m}; `c` is behind the brace. */
static size_t repetition_of(const char *c)
{
    size_t low = strtoul(c, NULL, 10), high = 0;
    const char *comma = c + strspn(c, "0123456789");
    if (*comma == ',')
        high = strtoul(comma + 1, NULL, 10);
    return high > low ? high : low > 0 ? low : 1;
}

/* What follows the bracket expression that begins at `c`. */
static const char *skip_brackets(const char *c)
{
    c++;
    c += *c == '^';
    c += *c == ']';
    while (*c && *c != ']') {
        const char kind = c[0] == '[' && c[1] && strchr(":.=", c[1]) ? c[1] : '\0';
        const char *end = NULL;
        if (kind) {
            const char closing[] = {kind, ']', '\0'};
            end = strstr(c + 2, closing);
        }
        c = end ? end + 2 : c + 1;
    }
    return *c ? c + 1 : c;
}

/* NULL when it can be compiled and matched at a bounded cost; else why not. */
static const char *regex_objection(const char *text)
{
    struct regex_size size = {.depth = 0};
    if (strlen(text) > MAX_REGEX)
        return "it is too long";
    for (const char *c = text; *c;) {
        if (*c == '(' && ++size.depth > MAX_REGEX_GROUPS)
            return "its groups are nested too deep";
        if (*c == '(') {
            size.total[size.depth] = size.last[size.depth] = 0;
        } else if (*c == ')' && size.depth > 0) {
            size.depth--;
            size_add(&size, size.total[size.depth + 1] + 1);
        } else if (*c == '{') {
            size_t times = repetition_of(c + 1);
            if (times > MAX_REGEX_SIZE || size.last[size.depth] * times > MAX_REGEX_SIZE)
                return "its repetitions are too many";
            size.total[size.depth] += size.last[size.depth] * (times - 1);
            size.last[size.depth] *= times;
        } else if (*c == '\\' && c[1] >= '1' && c[1] <= '9') {
            return "it holds a back-reference";
        } else {
            size_add(&size, 1);
        }
        if (size.total[size.depth] > MAX_REGEX_SIZE)
            return "its repetitions are too many";
        c = *c == '[' ? skip_brackets(c) : *c == '\\' && c[1] ? c + 2 : c + 1;
    }
    return NULL;
}

/* regex_t for the whole value; NULL after a complaint. */
static void *read_regex(struct reading *r, const struct node *node, const char *text)
{
    const char *objection = regex_objection(text);
    char error[128] = "";
    regex_t *regex = new_array(r, 1, sizeof(*regex));
    if (!regex)
        return NULL;
    /* First by itself: "a)(b" would be well-formed between the parentheses added below. */
    int code = objection ? 0 : regcomp(regex, text, REG_EXTENDED | REG_NOSUB);
    if (!objection && code != 0) {
        regerror(code, regex, error, sizeof(error));
        objection = error;
    }
    if (objection) {
        complain(r, node, "regular expression %s cannot be used: %s; it must be a POSIX extended one", shown(text).text,
                 objection);
        free(regex);
        return NULL;
    }
    regfree(regex);
    AUTO_FREE char *anchored = NULL;
    if (asprintf(&anchored, "^(%s)$", text) < 0) {
        anchored = NULL;
        code = REG_ESPACE;
    } else {
        code = regcomp(regex, anchored, REG_EXTENDED | REG_NOSUB);
    }
    if (code == 0)
        return regex;
    complain_memory(r);
    free(regex);
    return NULL;
}

/* ---- conditions -------------------------------------------------------------------------------------------------- */

static void read_match_value(struct reading *r, const struct node *node, struct label_match *match)
{
    char *text = plain_text(r, node, match->label ? match->label : "match");
    if (!text)
        return;
    if (node->text[0] == '~') {
        complain(r, node, "%s stands in a list, which cannot hold regular expressions; write one as \"~a|b\"",
                 shown(text).text);
        free(text);
        return;
    }
    match->values[match->n_values++] = text;
}

static char *join_values(struct reading *r, const struct label_match *match)
{
    struct strbuf text = STRBUF_INIT;
    strbuf_addc(&text, '[');
    for (size_t i = 0; i < match->n_values; i++)
        strbuf_addf(&text, "%s%s", i > 0 ? ", " : "", match->values[i]);
    strbuf_addc(&text, ']');
    char *joined = strbuf_take(&text);
    if (!joined)
        complain_memory(r);
    return joined;
}

static void read_match(struct reading *r, const struct node_pair *pair, struct label_match *match)
{
    const struct node *value = pair->value;
    const char *label = pair->key->text;
    match->label = new_text(r, label);
    if (value->kind == NODE_LIST && (value->n_items == 0 || value->n_items > MAX_VALUES)) {
        complain(r, value, "%s cannot be a list of %zu; it must hold 1 to %d", shown(label).text, value->n_items,
                 MAX_VALUES);
        return;
    }
    match->values = new_array(r, value->kind == NODE_LIST ? value->n_items : 1, sizeof(*match->values));
    if (!match->values)
        return;
    if (value->kind == NODE_LIST) {
        for (size_t i = 0; i < value->n_items; i++)
            read_match_value(r, value->items[i], match);
        match->text = join_values(r, match);
        return;
    }
    if (value->kind != NODE_TEXT) {
        complain(r, value, "%s cannot be %s; it must be text, a list of texts, or \"~\" and a regular expression",
                 shown(label).text, node_kind_text(value->kind));
        return;
    }
    AUTO_FREE char *text = plain_text(r, value, label);
    if (!text)
        return;
    match->text = new_text(r, text);
    if (text[0] == '~')
        match->regex = read_regex(r, value, text + 1);
    else
        match->values[match->n_values++] = TAKE(text);
}

void read_matches(struct reading *r, const struct node *rule, struct label_match **ret, size_t *ret_n)
{
    const struct node *map = child(rule, "match");
    if (!map || map->kind == NODE_NULL || (map->kind == NODE_MAP && map->n_pairs == 0)) {
        complain(r, map ? map : rule,
                 "\"match\" is %s and would match every alert; name labels, as {alertname: SiteDown}",
                 map ? "empty" : "missing");
        return;
    }
    if (!expect_kind(r, map, NODE_MAP, "match"))
        return;
    if (map->n_pairs > MAX_MATCHES) {
        complain(r, map, "\"match\" names %zu labels; %d is the most", map->n_pairs, MAX_MATCHES);
        return;
    }
    struct label_match *matches = new_array(r, map->n_pairs, sizeof(*matches));
    if (!matches)
        return;
    *ret = matches;
    *ret_n = map->n_pairs;
    for (size_t i = 0; i < map->n_pairs; i++)
        read_match(r, &map->pairs[i], &matches[i]);
}

/* ---- rules ------------------------------------------------------------------------------------------------------- */

static int read_source(struct reading *r, const struct node *rule)
{
    const struct node *source = child(rule, "source");
    if (!source) {
        complain(r, rule, "\"source\" is missing; it must name one of the sources");
        return -1;
    }
    if (!expect_kind(r, source, NODE_TEXT, "source"))
        return -1;
    const struct model *model = &r->config->model;
    int found = model_source_find(model, source->text);
    if (found < 0) {
        struct names names = {.count = 0};
        for (int i = 0; i < model->n_sources; i++)
            names_add(&names, model->source_names[i]);
        complain_unknown(r, source, "source", source->text, &names);
    }
    return found;
}

static int read_site(struct reading *r, const struct node *rule, const struct service *service)
{
    const struct node *site = child(rule, "site");
    if (!site) {
        complain(r, rule, "\"site\" is missing; it must be a site of the service, or active");
        return SITE_NONE;
    }
    if (!expect_kind(r, site, NODE_TEXT, "site"))
        return SITE_NONE;
    if (strcmp(site->text, "active") == 0)
        return SITE_OF_ALERT_TIME;
    int found = service_site_find(service, site->text);
    if (found == SITE_NONE) {
        struct names names = {.count = 0};
        for (int i = 0; i < service->n_sites; i++)
            names_add(&names, service->sites[i].name);
        names_add(&names, "active");
        complain_unknown(r, site, "site", site->text, &names);
    }
    return found;
}

static void doubt_identity(struct reading *r, const struct node *node, const struct alert_rule *rule)
{
    const struct handler *handler = rule->source >= 0 ? r->config->sources[rule->source].handler : NULL;
    if (!handler || !handler->identifying || rule->n_matches == 0)
        return;
    for (size_t i = 0; i < rule->n_matches; i++) {
        if (rule->matches[i].label && strcmp(rule->matches[i].label, handler->identifying) == 0)
            return;
    }
    doubt(r, node, "\"match\" does not name the alert (\"%s\"): any alert with these labels says that the site is down",
          handler->identifying);
}

/* Such a rule never matches. */
static void doubt_labels(struct reading *r, const struct node *node, const struct alert_rule *rule)
{
    const struct source *source = rule->source >= 0 ? &r->config->sources[rule->source] : NULL;
    if (!source || !source->handler || !source->handler->has_label)
        return;
    for (size_t i = 0; i < rule->n_matches; i++) {
        const char *label = rule->matches[i].label;
        if (label && !source->handler->has_label(source, label))
            doubt(r, node, "\"match\" names %s, which is not among the \"labels\" of source %s: the rule never matches",
                  shown(label).text, shown(source->name).text);
    }
}

static void read_rule(struct reading *r, const struct node *node, const struct service *service, struct alert_rule *ret)
{
    static const char *const names[] = {"source", "match", "site", NULL};
    ret->source = -1;
    ret->site = SITE_NONE;
    if (!expect_item(r, node, NODE_MAP, "alerts"))
        return;
    keys_check(r, node, &(struct keys){.names = names});
    ret->source = read_source(r, node);
    ret->site = read_site(r, node, service);
    read_matches(r, node, &ret->matches, &ret->n_matches);
    doubt_identity(r, node, ret);
    doubt_labels(r, node, ret);
}

void read_alerts(struct reading *r, const struct node *alerts, struct service *service)
{
    if (!expect_kind(r, alerts, NODE_LIST, "alerts") || alerts->n_items == 0)
        return;
    service->rules = new_array(r, alerts->n_items, sizeof(*service->rules));
    if (!service->rules)
        return;
    service->n_rules = alerts->n_items;
    for (size_t i = 0; i < alerts->n_items; i++)
        read_rule(r, alerts->items[i], service, &service->rules[i]);
}
