/* Labels against rules, and the model's finders and end: the model here is made on the heap as the configuration makes
 * it, so that the sanitizer sees what model_done() forgets. */
#include "base/cleanup.h"
#include "core/alert.h"
#include "tests/unit/test.h"

#include <regex.h>
#include <stdlib.h>

/* ---- making a model ---------------------------------------------------------------------------------------------- */

static struct label_match condition(const char *label, const char *value)
{
    struct label_match match = {.label = strdup(label), .text = strdup(value)};
    if (value[0] == '~') {
        match.regex = calloc(1, sizeof(regex_t));
        assert_int_equal(regcomp(match.regex, value + 1, REG_EXTENDED | REG_NOSUB), 0);
        return match;
    }
    AUTO_FREE char *copy = strdup(value);
    char *at = NULL;
    match.values = calloc(4, sizeof *match.values);
    for (char *word = strtok_r(copy, "|", &at); word; word = strtok_r(NULL, "|", &at))
        match.values[match.n_values++] = strdup(word);
    return match;
}

static void add_rule(struct service *service, int source, int site, const char *label1, const char *value1,
                     const char *label2, const char *value2)
{
    service->rules = realloc(service->rules, (service->n_rules + 1) * sizeof *service->rules);
    struct alert_rule *rule = &service->rules[service->n_rules++];
    *rule = (struct alert_rule){.source = source, .site = site, .matches = calloc(2, sizeof *rule->matches)};
    rule->matches[rule->n_matches++] = condition(label1, value1);
    if (label2)
        rule->matches[rule->n_matches++] = condition(label2, value2);
}

static void add_service(struct model *model, const char *name)
{
    static const char *const names[] = {"gra", "rbx"};
    model->services = realloc(model->services, (size_t)(model->n_services + 1) * sizeof *model->services);
    struct service *service = &model->services[model->n_services++];
    *service = (struct service){.name = strdup(name), .n_sites = 2, .sites = calloc(2, sizeof *service->sites)};
    for (int i = 0; i < 2; i++)
        service->sites[i] =
            (struct site){.name = strdup(names[i]), .values = json_pack("{s:s}", "address", "192.0.2.1")};
    service->n_steps = 1;
    service->steps = calloc(1, sizeof *service->steps);
    service->steps[0] = (struct step){.name = strdup("a step"), .args = json_object()};
}

static int make(void **state)
{
    struct model *model = calloc(1, sizeof *model);
    model->n_sources = 2;
    model->source_names = calloc(2, sizeof *model->source_names);
    model->source_names[0] = strdup("prometheus");
    model->source_names[1] = strdup("pingdom");
    model->n_providers = 1;
    model->provider_names = calloc(1, sizeof *model->provider_names);
    model->provider_names[0] = strdup("linode");
    add_service(model, "shop");
    add_rule(&model->services[0], 0, 0, "alertname", "SiteDown", "region", "gra");
    add_rule(&model->services[0], 0, 1, "alertname", "SiteDown|SiteGone", "region", "rbx");
    add_rule(&model->services[0], 0, SITE_OF_ALERT_TIME, "alertname", "SiteDown", "service", "~^(shop|web-[0-9]+)$");
    add_rule(&model->services[0], 1, SITE_OF_ALERT_TIME, "check_id", "85975", NULL, NULL);
    add_service(model, "mail");
    add_rule(&model->services[1], 0, 0, "region", "gra", NULL, NULL);
    add_service(model, "wiki");
    add_rule(&model->services[2], 1, 1, "tag", "~^(.*wiki.*)$", NULL, NULL);
    *state = model;
    return 0;
}

static int unmake(void **state)
{
    struct model *model = *state;
    model_done(model);
    assert_int_equal(model->n_services, 0);
    model_done(model);
    free(model);
    return 0;
}

/* ---- asking it --------------------------------------------------------------------------------------------------- */

/* "a=b c=d"; returns "service:site service:site". */
static const char *targets_of(const struct model *model, int source, const char *text)
{
    static char result[256];
    AUTO_FREE char *copy = strdup(text);
    struct label labels[8];
    size_t n = 0;
    char *at = NULL;
    for (char *word = strtok_r(copy, " ", &at); word; word = strtok_r(NULL, " ", &at)) {
        char *equals = strchr(word, '=');
        labels[n++] = (struct label){
            .name = word, .name_len = (size_t)(equals - word), .value = equals + 1, .value_len = strlen(equals + 1)};
    }
    struct alert_target *targets = NULL;
    int count = match_alert(model, source, labels, n, &targets);
    assert_true(count >= 0);
    assert_true((count == 0) == (targets == NULL));
    result[0] = 0;
    for (int i = 0; i < count; i++) {
        const struct service *service = &model->services[targets[i].service];
        size_t len = strlen(result);
        (void)snprintf(result + len, sizeof result - len, "%s%s:%s", len ? " " : "", service->name,
                       targets[i].site >= 0 ? service->sites[targets[i].site].name : "active");
    }
    free(targets);
    return result;
}

static void rules(void **state)
{
    static const struct {
        int source;
        const char *labels, *targets;
    } cases[] = {
        {0, "alertname=SiteDown region=gra", "shop:gra mail:gra"},
        {0, "region=gra alertname=SiteDown severity=page", "shop:gra mail:gra"}, /* any order, others besides */
        {0, "alertname=SiteDown region=rbx", "shop:rbx"},
        {0, "alertname=SiteGone region=rbx", "shop:rbx"},                       /* a list */
        {0, "alertname=SiteGone region=gra", "mail:gra"},                       /* not in that one */
        {0, "alertname=SiteDown region=waw service=web-17", "shop:active"},     /* a regex */
        {0, "alertname=SiteDown region=gra service=shop", "shop:gra mail:gra"}, /* the first rule of a service */
        {0, "alertname=SiteDown service=web-17x", ""},                          /* anchored */
        {0, "alertname=SiteDown service=xshop", ""},
        {0, "alertname=SiteDown", ""},                    /* a label that is not there */
        {0, "alertname=sitedown region=gra", "mail:gra"}, /* case matters */
        {0, "alertnam=SiteDown region=gr", ""},
        {0, "", ""},
        {1, "check_id=85975", "shop:active"},
        {0, "check_id=85975", ""}, /* another source */
        {1, "alertname=SiteDown region=gra", ""},
        {1, "tag=my-wiki check_id=85975", "shop:active wiki:rbx"},
        {1, "tag=eu tag=prod", ""},
        {1, "tag=wiki tag=eu tag=prod", "wiki:rbx"}, /* several of one name: any of them */
        {1, "tag=eu tag=prod tag=wiki", "wiki:rbx"},
        {1, "check_id=1 tag=wiki check_id=85975", "shop:active wiki:rbx"},
        {0, "alertname=SiteUp alertname=SiteGone region=gra region=rbx", "shop:rbx mail:gra"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *got = targets_of(*state, cases[i].source, cases[i].labels);
        if (strcmp(got, cases[i].targets) != 0)
            fail_msg("%s: \"%s\" instead of \"%s\"", cases[i].labels, got, cases[i].targets);
    }
}

static int count_of(const struct model *model, int source, struct label label)
{
    struct alert_target *targets = NULL;
    int n = match_alert(model, source, &label, 1, &targets);
    free(targets);
    return n;
}

static void hostile_labels(void **state)
{
    static char big[5000];
    memset(big, 'x', sizeof big);
    memcpy(big, "wiki", 4);
    struct label label = {.name = "tag", .name_len = 3, .value = big, .value_len = 4096};
    assert_int_equal(count_of(*state, 1, label), 1);
    label.value_len = 4097; /* too long for a regex */
    assert_int_equal(count_of(*state, 1, label), 0);
    label.value = "wiki\0x"; /* a NUL must not cut the value short */
    label.value_len = 6;
    assert_int_equal(count_of(*state, 1, label), 0);
    label.value = NULL;
    label.value_len = 0;
    assert_int_equal(count_of(*state, 1, label), 0);
    label = (struct label){.name = "region", .name_len = 6, .value = "gra\0", .value_len = 4};
    assert_int_equal(count_of(*state, 0, label), 0);
    label.value_len = 3;
    assert_int_equal(count_of(*state, 0, label), 1);
}

/* Not NUL-terminated: exactly the bytes given are read. */
static void borrowed_bytes(void **state)
{
    AUTO_FREE char *name = malloc(3);
    AUTO_FREE char *value = malloc(4);
    memcpy(name, "tag", 3);
    memcpy(value, "wiki", 4);
    assert_int_equal(count_of(*state, 1, (struct label){.name = name, .name_len = 3, .value = value, .value_len = 4}),
                     1);
}

static void many_services(void **state)
{
    (void)state;
    struct model model = {.n_sources = 0};
    for (int i = 0; i < 100; i++) {
        add_service(&model, "s");
        add_rule(&model.services[i], 0, i % 2, "region", "gra", NULL, NULL);
    }
    const struct label label = {.name = "region", .name_len = 6, .value = "gra", .value_len = 3};
    struct alert_target *targets = NULL;
    assert_int_equal(match_alert(&model, 0, &label, 1, &targets), 100);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(targets[i].service, i);
        assert_int_equal(targets[i].site, i % 2);
    }
    free(targets);
    model_done(&model);
}

static void finders(void **state)
{
    const struct model *model = *state;
    assert_int_equal(model_service_find(model, "mail"), 1);
    assert_int_equal(model_service_find(model, "mai"), -1);
    assert_int_equal(model_source_find(model, "pingdom"), 1);
    assert_int_equal(model_source_find(model, ""), -1);
    assert_int_equal(service_site_find(&model->services[0], "rbx"), 1);
    assert_int_equal(service_site_find(&model->services[0], "waw"), SITE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rules, make, unmake),
        cmocka_unit_test_setup_teardown(hostile_labels, make, unmake),
        cmocka_unit_test_setup_teardown(borrowed_bytes, make, unmake),
        cmocka_unit_test(many_services),
        cmocka_unit_test_setup_teardown(finders, make, unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
