/* The work of the DNS actions as lines of sh, run by the shell of this host (dash on Debian) against the sandbox, which
 * checks signatures. */
#include "dns_rig.h"

#include "actions/by_hand.h"
#include "core/export.h"

static const char *const session_secrets[] = {"access_key_id=ASIASANDBOX0000000000",
                                              "secret_access_key=sandbox-aws-secret",
                                              "session_token=sandbox/session+token==", NULL};

static const struct {
    const char *action, *provider, *path;
    const char *const *secrets;
    const char *args, *zone, *name;
} kinds[] = {
    {"linode.dns_record", "linode", "/linode/v4/", linode_secrets,
     "{\"domain\": \"example.com\", \"record\": \"app\", \"type\": \"A\", \"target\": \"198.51.100.20\", \"ttl\": 30}",
     "example.com", "app.example.com"},
    {"ovh.dns_record", "ovh", "/ovh/1.0", ovh_secrets,
     "{\"zone\": \"example.net\", \"record\": \"app\", \"type\": \"A\", \"target\": \"198.51.100.20\", \"ttl\": 60}",
     "example.net", "app.example.net"},
    {"route53.record", "route53", "/aws", aws_secrets,
     "{\"hosted_zone\": \"Z1PA6795UKMFR9\", \"record\": \"app.example.org\", \"type\": \"A\", \"target\":"
     " \"198.51.100.20\", \"ttl\": 60}",
     "example.org", "app.example.org"},
    {"route53.record", "route53", "/aws", session_secrets,
     "{\"hosted_zone\": \"Z1PA6795UKMFR9\", \"record\": \"checked.example.org\", \"type\": \"A\", \"target\":"
     " \"198.51.100.20\", \"ttl\": 30}",
     "example.org", "checked.example.org"},
};

static void start(struct rig *rig, size_t kind)
{
    char provider[200];
    snprintf(provider, sizeof(provider), "{\"url\": \"%s%s\"}", sandbox.url, kinds[kind].path);
    sandbox_do(&sandbox, "reset", NULL);
    rig_start(rig, kinds[kind].action, provider, kinds[kind].secrets, kinds[kind].args);
    free(rig->provider.name);
    rig->provider.name = strdup("my-dns 1");
}

/* NAME_ROW=value for each secret of the provider, and a PATH. */
static char **environment(const struct rig *rig, const char *replaced)
{
    char **made = calloc(MAX_PROVIDER_SECRETS + 2, sizeof(*made));
    size_t n = 0;
    assert_non_null(made);
    for (int i = 0; i < MAX_PROVIDER_SECRETS; i++) {
        if (!rig->provider.secrets[i].row)
            continue;
        made[n] = malloc(300);
        assert_non_null(made[n]);
        snprintf(made[n], 300, "MY_DNS_1_%s=%s", rig->provider.secrets[i].row,
                 replaced ? replaced : rig->provider.secrets[i].value.bytes);
        for (char *c = made[n]; *c != '='; c++)
            *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
        n++;
    }
    made[n] = strdup("PATH=/usr/bin:/bin");
    return made;
}

/* The exit status. What the shell says goes to the test's own output. */
static int run(const struct rig *rig, const char *script, const char *replaced)
{
    char **environ_of_script = environment(rig, replaced), shell[] = "/bin/sh", options[] = "-euc";
    char *text = strdup(script), *argv[] = {shell, options, text, NULL};
    pid_t pid;
    int status = -1;
    assert_int_equal(posix_spawn(&pid, shell, NULL, NULL, argv, environ_of_script), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    for (size_t i = 0; environ_of_script[i]; i++)
        free(environ_of_script[i]);
    free(environ_of_script);
    free(text);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static bool holds(size_t kind, const char *which, const char *value)
{
    const json_t *row;
    size_t i;
    int count = 0;
    json_t *rows = sandbox_zone(&sandbox, kinds[kind].provider, kinds[kind].zone, which);
    json_array_foreach(rows, i, row)
    {
        count += strcmp(json_string_value(json_object_get(row, "name")), kinds[kind].name) == 0 &&
                 strcmp(json_string_value(json_object_get(row, "type")), "A") == 0 &&
                 strcmp(json_string_value(json_object_get(row, "value")), value) == 0;
    }
    json_decref(rows);
    return count == 1;
}

static void script_of(struct rig *rig, struct strbuf *script)
{
    strbuf_clear(script);
    rig->action->write_script(script, rig->args, &rig->provider, rig->observed);
    assert_false(script->is_broken);
    for (int i = 0; i < MAX_PROVIDER_SECRETS; i++)
        if (rig->provider.secrets[i].value.bytes)
            assert_null(strstr(strbuf_text(script), rig->provider.secrets[i].value.bytes));
}

static void test_moves_the_record(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
        struct rig rig;
        struct strbuf script = STRBUF_INIT;
        start(&rig, kind);
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
        script_of(&rig, &script);
        assert_true(holds(kind, "accepted", "192.0.2.10"));
        assert_int_equal(run(&rig, strbuf_text(&script), NULL), 0);
        assert_true(holds(kind, "accepted", "198.51.100.20"));
        for (int i = 0; i < 100 && !holds(kind, "served", "198.51.100.20"); i++)
            usleep(50000);
        assert_true(holds(kind, "served", "198.51.100.20"));
        rig_forget(&rig);
        rig_set(&rig, "nameservers", sandbox.dns);
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
        assert_true(rig.result.is_right);
        strbuf_done(&script);
        rig_stop(&rig);
    }
}

/* Before the write it is not as it is to be, behind it it is; who is not let in knows nothing. */
static void test_looks(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
        struct rig rig;
        struct strbuf script = STRBUF_INIT, look = STRBUF_INIT;
        start(&rig, kind);
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
        script_of(&rig, &script);
        rig.action->write_look(&look, rig.args, &rig.provider, rig.observed);
        assert_int_not_equal(run(&rig, strbuf_text(&look), NULL), 0);
        assert_true(holds(kind, "accepted", "192.0.2.10"));
        assert_int_equal(run(&rig, strbuf_text(&script), NULL), 0);
        assert_int_equal(run(&rig, strbuf_text(&look), NULL), 0);
        assert_int_not_equal(run(&rig, strbuf_text(&look), "wrong"), 0);
        strbuf_done(&script);
        strbuf_done(&look);
        rig_stop(&rig);
    }
}

static void test_fails_where_the_provider_refuses(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
        struct rig rig;
        struct strbuf script = STRBUF_INIT;
        start(&rig, kind);
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
        script_of(&rig, &script);
        assert_int_not_equal(run(&rig, strbuf_text(&script), "wrong"), 0);
        assert_true(holds(kind, "accepted", "192.0.2.10"));
        if (strcmp(kinds[kind].provider, "ovh") == 0) /* the record is changed, and then it is not served */
            sandbox_do(&sandbox, "faults", "[{\"path_regex\":\"/refresh\",\"kind\":\"status\",\"status\":503}]");
        else
            sandbox_do(&sandbox, "faults", "[{\"kind\":\"status\",\"status\":503}]");
        assert_int_not_equal(run(&rig, strbuf_text(&script), NULL), 0);
        strbuf_done(&script);
        rig_stop(&rig);
    }
}

/* Route 53 compares by itself: a script that is older than somebody's change does nothing. */
static void test_an_old_script_does_no_harm_at_route53(void **state)
{
    (void)state;
    struct rig rig;
    struct strbuf script = STRBUF_INIT;
    start(&rig, 2);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    script_of(&rig, &script);
    rig_set(&rig, "target", "203.0.113.77");
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    assert_int_not_equal(run(&rig, strbuf_text(&script), NULL), 0);
    assert_true(holds(2, "accepted", "203.0.113.77"));
    strbuf_done(&script);
    rig_stop(&rig);
}

/* The script of the way back is written while nothing has to be changed. */
static void test_a_way_back_leads_back(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
        struct rig rig;
        struct strbuf script = STRBUF_INIT;
        start(&rig, kind);
        rig_set(&rig, "target", "192.0.2.10");
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
        script_of(&rig, &script);
        rig_set(&rig, "target", "198.51.100.20");
        assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
        for (int n = 0; n < 100 && !holds(kind, "served", "198.51.100.20"); n++)
            usleep(50000); /* OVH refreshes one zone once at a time */
        assert_int_equal(run(&rig, strbuf_text(&script), NULL), 0);
        assert_true(holds(kind, "accepted", "192.0.2.10"));
        strbuf_done(&script);
        rig_stop(&rig);
    }
}

static void test_without_ids_it_says_so(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
        struct rig rig;
        struct strbuf script = STRBUF_INIT;
        start(&rig, kind);
        script_of(&rig, &script);
        assert_non_null(strstr(strbuf_text(&script), "not known"));
        assert_int_equal(run(&rig, strbuf_text(&script), NULL), 1);
        strbuf_done(&script);
        rig_stop(&rig);
    }
}

/* As the executor puts a step down. */
static json_t *step_of(struct rig *rig)
{
    struct strbuf script = STRBUF_INIT;
    strbuf_adds(&script, "look() {\n");
    rig->action->write_look(&script, rig->args, &rig->provider, rig->observed);
    strbuf_adds(&script, "}\nwrite() {\n");
    rig->action->write_script(&script, rig->args, &rig->provider, rig->observed);
    strbuf_adds(&script, "}\n");
    json_t *step = json_pack("{s:s, s:s, s:s, s:O, s:O, s:s}", "name", rig->action->name, "action", rig->action->name,
                             "state", "changes", "current", rig->result.current, "desired", rig->result.desired,
                             "script", strbuf_text(&script));
    strbuf_done(&script);
    return step;
}

static int count_writes(void)
{
    return sandbox_effects(&sandbox, "PUT") + sandbox_effects(&sandbox, "POST");
}

/* The whole script: it moves all three, again it does nothing new, and the shell's own critic has nothing to say. */
static void test_break_glass(void **state)
{
    (void)state;
    char path[] = "/tmp/test_by_hand_XXXXXX", command[200];
    struct strbuf script = STRBUF_INIT;
    struct rig rigs[3];
    json_t *steps = json_array();
    struct errmsg why = {0};
    for (size_t kind = 0; kind < 3; kind++) {
        start(&rigs[kind], kind);
        assert_outcome(&rigs[kind], rig_observe(&rigs[kind]), OUTCOME_OK);
        json_array_append_new(steps, step_of(&rigs[kind]));
        char **variables = environment(&rigs[kind], NULL);
        for (char **next = variables; *next; next++) {
            char *value = strchr(*next, '=');
            *value++ = '\0';
            setenv(*next, value, 1);
            free(*next);
        }
        free(variables);
    }
    json_t *plan = json_pack("{s:s, s:s, s:s, s:s, s:o}", "service", "shop", "from", "gra", "to", "rbx", "direction",
                             "failover", "steps", steps);
    assert_int_equal(export_script(plan, "2026-11-28T06:00:00Z", &script, &why), ERR_OK);
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, script.data, script.len) == (ssize_t)script.len);
    close(fd);
    snprintf(command, sizeof(command), "shellcheck %s", path);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof(command), "sh %s --yes", path);
    assert_int_equal(system(command), 0);
    for (size_t kind = 0; kind < 3; kind++)
        assert_true(holds(kind, "accepted", "198.51.100.20"));
    int n_writes = count_writes();
    assert_true(n_writes >= 4);
    assert_int_equal(system(command), 0);
    assert_int_equal(count_writes(), n_writes);
    unlink(path);
    strbuf_done(&script);
    json_decref(plan);
    for (size_t kind = 0; kind < 3; kind++)
        rig_stop(&rigs[kind]);
}

/* What a check by hand may have in its URL and in the text that it expects, and a proxy that it is not to use. */
static void test_checks(void **state)
{
    (void)state;
    static const struct {
        const char *before, *path, *more;
        int status;
    } cases[] = {
        {"", "/ids[]={1,2}", "\"expect\": {\"status\": 404}", 0},
        {"", "/", "\"expect\": {\"status\": 599}", 1},
        {"export http_proxy=http://127.0.0.1:9\n", "/", "\"at\": \"127.0.0.1\", \"expect\": {\"status\": 404}", 0},
        {"curl() { printf 'it is\\n-v and\\n200\\n'; }\n", "/", "\"expect\": {\"body\": \"-v\"}", 0},
        {"curl() { printf 'it is\\n-v and\\n200\\n'; }\n", "/", "\"expect\": {\"body\": \"-w\"}", 1},
        {"curl() { printf 'it is\\n-v and\\n200\\n'; }\n", "/", "\"expect\": {\"body\": \"is\\n-v\"}", 0},
        {"curl() { printf 'it is\\n-v and\\n200\\n'; }\n", "/", "\"expect\": {\"body\": \"is\\nother\"}", 1},
        {"curl() { printf 'it is\\n-v and\\n200\\n'; }\n", "/", "\"expect\": {\"body\": \"200\"}", 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        char args[400];
        struct strbuf look = STRBUF_INIT;
        snprintf(args, sizeof(args), "{\"url\": \"%s%s\", %s}", sandbox.url, cases[i].path, cases[i].more);
        rig_start(&rig, "http.check", NULL, NULL, args);
        strbuf_adds(&look, cases[i].before);
        rig.action->write_look(&look, rig.args, NULL, NULL);
        int status = run(&rig, strbuf_text(&look), NULL);
        if (status != cases[i].status)
            fail_msg("%d of\n%s", status, strbuf_text(&look));
        strbuf_done(&look);
        rig_stop(&rig);
    }
}

/* As the executor puts it down: functions. */
static int run_function(const struct rig *rig, bool is_look)
{
    struct strbuf script = STRBUF_INIT;
    strbuf_adds(&script, "it() {\n");
    (is_look ? rig->action->write_look : rig->action->write_script)(&script, rig->args, NULL, NULL);
    strbuf_adds(&script, "}\nit\n");
    assert_null(strstr(strbuf_text(&script), "${NOT_OURS}"));
    int status = run(rig, strbuf_text(&script), NULL);
    strbuf_done(&script);
    return status;
}

/* A program of the user's own: its words as they are, in its folder, with its variables and none of a person's. */
static void test_command(void **state)
{
    (void)state;
    char path[] = "/tmp/test_by_hand_XXXXXX", args[600], line[300] = "";
    struct rig rig;
    close(mkstemp(path));
    snprintf(args, sizeof(args),
             "{\"shell\": true, \"run\": [\"printf '%%s|' \\\"$PWD\\\" \\\"$A\\\" \\\"${NOT_OURS}\\\""
             " \\\"${MY_X-none}\\\" > %s; cat\"], \"observe\": [\"grep -q b %s\"], \"directory\": \"/usr\","
             " \"environment\": {\"A\": \"a 'b' $HOME\"}}",
             path, path);
    rig_start(&rig, "command", NULL, NULL, args);
    setenv("MY_X", "of a person", 1);
    assert_int_equal(run_function(&rig, true), 1);
    assert_int_equal(run_function(&rig, false), 0);
    assert_int_equal(run_function(&rig, true), 0);
    unsetenv("MY_X");
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    fclose(file);
    assert_string_equal(line, "/usr|a 'b' $HOME||none|");
    rig_set(&rig, "directory", "/no/such/folder");
    assert_int_not_equal(run_function(&rig, false), 0);
    rig_stop(&rig);
    rig_start(&rig, "command", NULL, NULL, "{\"run\": [\"sh\", \"-c\", \"exit 7\"]}");
    assert_int_equal(run_function(&rig, false), 7);
    rig_stop(&rig);
    unlink(path);
}

static void test_pieces(void **state)
{
    (void)state;
    struct strbuf script = STRBUF_INIT;
    char name[] = "1 é-b";
    json_t *args = json_pack("{s:s}", "url", "https://x.example/a'b//");
    struct provider provider = {.name = name, .args = args};
    by_hand_quote(&script, "it's $HOME `x` \"y\" \\");
    assert_string_equal(strbuf_text(&script), "'it'\\''s $HOME `x` \"y\" \\'");
    strbuf_clear(&script);
    by_hand_quote(&script, "echo ${NOT_OURS}"); /* what stands there as a whole is asked for as a secret */
    assert_string_equal(strbuf_text(&script), "'echo $''{NOT_OURS}'");
    strbuf_clear(&script);
    by_hand_variable(&script, &provider, "token");
    assert_string_equal(strbuf_text(&script), "${_1____B_TOKEN}");
    strbuf_clear(&script);
    by_hand_url(&script, &provider, "https://other", "/c");
    assert_string_equal(strbuf_text(&script), "'https://x.example/a'\\''b/c'");
    strbuf_done(&script);
    json_decref(args);
}

static int begin(void **state)
{
    (void)state;
    sandbox_start(&sandbox);
    return 0;
}

static int end(void **state)
{
    (void)state;
    sandbox_stop(&sandbox);
    return 0;
}

int main(void)
{
    clock_start();
    fetch_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves_the_record),
        cmocka_unit_test(test_looks),
        cmocka_unit_test(test_fails_where_the_provider_refuses),
        cmocka_unit_test(test_an_old_script_does_no_harm_at_route53),
        cmocka_unit_test(test_a_way_back_leads_back),
        cmocka_unit_test(test_without_ids_it_says_so),
        cmocka_unit_test(test_break_glass),
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_command),
        cmocka_unit_test(test_pieces),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
