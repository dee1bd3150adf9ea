/* What an alert would be taken for, in words: each sentence as a person reads it, and hostile labels in them. */
#include "base/cleanup.h"
#include "base/utf8.h"
#include "core/explain.h"
#include "tests/unit/test.h"

#include <regex.h>
#include <stdlib.h>

/* ---- the model --------------------------------------------------------------------------------------------------- */

static char name_gra[] = "gra", name_rbx[] = "rbx", name_shop[] = "shop", name_mail[] = "mail", name_wiki[] = "wiki";
static char name_prometheus[] = "prometheus", name_pingdom[] = "pingdom", name_robot[] = "robot";
static struct site sites[] = {{.name = name_gra}, {.name = name_rbx}};
static char *source_names[] = {name_prometheus, name_pingdom, name_robot};
static enum trust trusts[] = {TRUST_SECRET, TRUST_OPEN, TRUST_SIGNED};

static char label_alert[] = "alertname", label_region[] = "region", label_service[] = "service",
            label_id[] = "check_id";
static char text_down[] = "SiteDown", text_gone[] = "SiteGone", text_list[] = "[SiteDown, SiteGone]";
static char text_regex[] = "~web-[0-9]+", text_id[] = "85975";
static char *values_down[] = {text_down}, *values_either[] = {text_down, text_gone}, *values_gra[] = {name_gra};
static char *values_rbx[] = {name_rbx}, *values_shop[] = {name_shop}, *values_id[] = {text_id};
static regex_t web;

#define ONE(of, list, as)                                                                                              \
    {                                                                                                                  \
        .label = (of), .values = (list), .n_values = 1, .text = (as)                                                   \
    }
static struct label_match matches_gra[] = {ONE(label_alert, values_down, text_down),
                                           ONE(label_region, values_gra, name_gra),
                                           ONE(label_service, values_shop, name_shop)};
static struct label_match matches_rbx[] = {
    {.label = label_alert, .values = values_either, .n_values = 2, .text = text_list},
    ONE(label_region, values_rbx, name_rbx),
    ONE(label_service, values_shop, name_shop)};
static struct label_match matches_id[] = {ONE(label_id, values_id, text_id)};
static struct label_match matches_web[] = {ONE(label_alert, values_down, text_down),
                                           {.label = label_service, .regex = &web, .text = text_regex}};
static struct alert_rule shop_rules[] = {{.source = 0, .matches = matches_gra, .n_matches = 3, .site = 0},
                                         {.source = 0, .matches = matches_rbx, .n_matches = 3, .site = 1},
                                         {.source = 1, .matches = matches_id, .n_matches = 1, .site = 0},
                                         {.source = 2, .matches = matches_id, .n_matches = 1, .site = 0}};
static struct alert_rule mail_rules[] = {
    {.source = 1, .matches = matches_id, .n_matches = 1, .site = SITE_OF_ALERT_TIME}};
static struct alert_rule wiki_rules[] = {{.source = 0, .matches = matches_web, .n_matches = 2, .site = 1}};
static struct service services[] = {
    {.name = name_shop,
     .sites = sites,
     .n_sites = 2,
     .rules = shop_rules,
     .n_rules = 4,
     .mode = MODE_AUTOMATIC,
     .votes = 2,
     .trusted_votes = 1,
     .hold_ms = 30000},
    {.name = name_mail,
     .sites = sites,
     .n_sites = 2,
     .rules = mail_rules,
     .n_rules = 1,
     .mode = MODE_MANUAL,
     .votes = 1,
     .hold_ms = 0},
    {.name = name_wiki,
     .sites = sites,
     .n_sites = 2,
     .rules = wiki_rules,
     .n_rules = 1,
     .mode = MODE_AUTOMATIC,
     .votes = 1,
     .hold_ms = 90000},
};
static const struct model model = {
    .services = services, .n_services = 3, .source_names = source_names, .source_trust = trusts, .n_sources = 3};

/* ---- asking it --------------------------------------------------------------------------------------------------- */

struct told {
    char text[8192];
    int n;
};

static void take(void *context, const struct sentence *sentence)
{
    struct told *told = context;
    size_t len = strlen(told->text);
    (void)snprintf(told->text + len, sizeof told->text - len, "%s%s", told->n++ ? "\n" : "", sentence->text);
}

/* `labels`: "a=b c=d". */
static int ask(const struct model *of, int source, enum alert_state state, const char *labels, struct told *told)
{
    AUTO_FREE char *copy = strdup(labels);
    struct label list[8];
    size_t n = 0;
    char *at = NULL;
    for (char *word = strtok_r(copy, " ", &at); word; word = strtok_r(NULL, " ", &at)) {
        char *equals = strchr(word, '=');
        list[n++] = (struct label){word, (size_t)(equals - word), equals + 1, strlen(equals + 1)};
    }
    *told = (struct told){.n = 0};
    return explain_alert(of, source, state, list, n, take, told);
}

static void expect(int source, enum alert_state state, const char *labels, int n_services, const char *expected)
{
    struct told told;
    assert_int_equal(ask(&model, source, state, labels, &told), n_services);
    if (strcmp(told.text, expected) != 0)
        fail_msg("%s:\ngot      %s\nexpected %s", labels, told.text, expected);
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void what_matches(void **state)
{
    (void)state;
    expect(0, ALERT_FIRING, "alertname=SiteDown region=gra service=shop", 1,
           "down vote for shop at gra by prometheus, 1 of 2, 1 of 1 trusted (secret); would hold 30 s");
    expect(2, ALERT_FIRING, "check_id=85975", 1,
           "down vote for shop at gra by robot, 1 of 2, 1 of 1 trusted (signed); would hold 30 s");
    expect(0, ALERT_RESOLVED, "alertname=SiteGone region=rbx service=shop", 1,
           "withdraws the down vote of prometheus for shop at rbx");
    expect(2, ALERT_UP, "check_id=85975", 1, "up vote for shop at gra by robot");
    expect(
        1, ALERT_UP, "check_id=85975", 2,
        "up vote for shop at gra by pingdom\n"
        "withdraws the down vote for mail at the site active at that time by pingdom; a rule with site: active never "
        "says up");
    expect(0, ALERT_UNKNOWN, "alertname=SiteDown service=web-7", 1,
           "neither up nor down: casts no vote for wiki at rbx, and withdraws that of prometheus");
    expect(0, ALERT_FIRING, "alertname=SiteDown service=web-7", 1,
           "down vote for wiki at rbx by prometheus, 1 of 1; would hold 1 min 30 s");
    /* A service each. */
    expect(1, ALERT_FIRING, "check_id=85975", 2,
           "down vote for shop at gra by pingdom, 1 of 2, open: does not count as trusted, and 1 trusted vote is needed"
           "; would hold 30 s\n"
           "down vote for mail at the site active at that time by pingdom, 1 of 1; would hold no time; the mode is "
           "manual: nothing starts by itself");
    expect(1, ALERT_RESOLVED, "check_id=85975", 2,
           "withdraws the down vote of pingdom for shop at gra\n"
           "withdraws the down vote of pingdom for mail at the site active at that time");
}

static void what_is_nearest(void **state)
{
    (void)state;
    expect(
        0, ALERT_FIRING, "alertname=SiteDown region=waw host=a", 0,
        "no rule matches; nearest: services.wiki.alerts[0] (site rbx): service is missing, expected \"~web-[0-9]+\"");
    expect(1, ALERT_FIRING, "check_id=1 check_id=2 check_id=3", 0,
           "no rule matches; nearest: services.shop.alerts[2] (site gra): check_id is \"1\" and 2 more, expected "
           "\"85975\"");
    struct model two = model;
    two.n_services = 2;
    struct told told;
    assert_int_equal(ask(&two, 0, ALERT_FIRING, "alertname=SiteDown region=waw", &told), 0);
    assert_string_equal(
        told.text,
        "no rule matches; nearest: services.shop.alerts[0] (site gra): region is \"waw\", expected \"gra\"; service "
        "is missing, expected \"shop\"");
    expect(0, ALERT_RESOLVED, "alertname=SiteSlow region=rbx service=shop", 0,
           "no rule matches; nearest: services.shop.alerts[1] (site rbx): alertname is \"SiteSlow\", expected one of "
           "[SiteDown, SiteGone]");
    expect(0, ALERT_FIRING, "alertname=SiteDown service=web-x", 0,
           "no rule matches; nearest: services.wiki.alerts[0] (site rbx): service is \"web-x\", expected "
           "\"~web-[0-9]+\"");
    /* Everything is right but the source. */
    expect(1, ALERT_FIRING, "alertname=SiteDown region=gra service=shop", 0,
           "no rule matches; nearest: services.shop.alerts[0] (site gra): its source is prometheus, not pingdom");
    expect(1, ALERT_FIRING, "check_id=1", 0,
           "no rule matches; nearest: services.shop.alerts[2] (site gra): check_id is \"1\", expected \"85975\"");
    struct service bare = {.name = name_shop, .sites = sites, .n_sites = 2, .votes = 1};
    struct model none = {
        .services = &bare, .n_services = 1, .source_names = source_names, .source_trust = trusts, .n_sources = 3};
    assert_int_equal(ask(&none, 0, ALERT_FIRING, "a=b", &told), 0);
    assert_string_equal(told.text, "no rule matches: no service has any \"alerts\"");
    assert_int_equal(explain_alert(&none, 0, ALERT_FIRING, NULL, 0, NULL, NULL), 0);
}

static void assert_clean(const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len;) {
        size_t character = utf8_character_len(text + i, len - i);
        assert_true(character > 0 && (unsigned char)text[i] >= ' ' && text[i] != '\x7f');
        i += character;
    }
}

static void hostile_labels(void **state)
{
    (void)state;
    static char big[100000];
    memset(big, 0xff, sizeof big);
    const struct label labels[] = {{"alertname", 9, big, sizeof big},
                                   {"region", 6, "g\0r\n\x1b[31ma\xc3", 11},
                                   {"service", 7, "shop", 4},
                                   {big, sizeof big, NULL, 0}};
    struct told told = {.n = 0};
    assert_int_equal(explain_alert(&model, 0, ALERT_FIRING, labels, 4, take, &told), 0);
    assert_int_equal(told.n, 1);
    assert_clean(told.text);
    assert_true(strlen(told.text) < 600);
    assert_non_null(strstr(told.text, "region is \"g?r??[31ma?\", expected"));
    /* A cut between two bytes of one character is none. */
    for (size_t i = 0; i < 200; i++)
        memcpy(big + 2 * i, "é", 2);
    const struct label accents[] = {{"check_id", 8, big + 1, 401}};
    told = (struct told){.n = 0};
    explain_alert(&model, 1, ALERT_FIRING, accents, 1, take, &told);
    assert_clean(told.text);
    assert_non_null(strstr(told.text, "é…\", expected \"85975\""));
}

static void what_differs_is_bounded(void **state)
{
    (void)state;
    static char name[200], value[200];
    static char *values[] = {value};
    static struct label_match many[64];
    memset(name, 'n', sizeof name - 1);
    memset(value, 'v', sizeof value - 1);
    for (size_t i = 0; i < COUNT_OF(many); i++)
        many[i] = (struct label_match)ONE(name, values, value);
    struct alert_rule rule = {.source = 0, .matches = many, .n_matches = COUNT_OF(many), .site = 1};
    struct service service = {.name = name_shop, .sites = sites, .n_sites = 2, .rules = &rule, .n_rules = 1};
    struct model one = {
        .services = &service, .n_services = 1, .source_names = source_names, .source_trust = trusts, .n_sources = 1};
    struct told told;
    assert_int_equal(ask(&one, 0, ALERT_FIRING, "a=b", &told), 0);
    assert_non_null(strstr(told.text, "; and 60 more"));
    assert_true(strlen(told.text) < sizeof(struct sentence) - 1);
}

static void many_services(void **state)
{
    (void)state;
    static struct service many[50];
    for (size_t i = 0; i < COUNT_OF(many); i++)
        many[i] = services[2];
    struct model all = {.services = many,
                        .n_services = (int)COUNT_OF(many),
                        .source_names = source_names,
                        .source_trust = trusts,
                        .n_sources = 3};
    struct told told;
    assert_int_equal(ask(&all, 0, ALERT_RESOLVED, "alertname=SiteDown service=web-1", &told), 50);
    assert_int_equal(told.n, EXPLAIN_MAX_SERVICES + 1);
    assert_non_null(strstr(told.text, "and the same for 30 more services"));
}

static int compile(void **state)
{
    (void)state;
    return regcomp(&web, "^(web-[0-9]+)$", REG_EXTENDED | REG_NOSUB);
}

static int release(void **state)
{
    (void)state;
    regfree(&web);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_matches),  cmocka_unit_test(what_is_nearest),         cmocka_unit_test(hostile_labels),
        cmocka_unit_test(many_services), cmocka_unit_test(what_differs_is_bounded),
    };
    return cmocka_run_group_tests(tests, compile, release);
}
