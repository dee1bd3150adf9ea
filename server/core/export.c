#include "core/export.h"

#include "core/export_text.h"

#include <stdio.h>
#include <string.h>

#define MAX_SECRETS 64
#define NAME_SIZE 128

/* ---- what a script needs ----------------------------------------------------------------------------------------- */

struct needs {
    char secrets[MAX_SECRETS][NAME_SIZE];
    int n_secrets;
    bool has_openssl, has_psql;
};

static void add_secret(struct needs *needs, const char *name, size_t len)
{
    if (len == 0 || len >= NAME_SIZE || needs->n_secrets == MAX_SECRETS)
        return;
    for (int i = 0; i < needs->n_secrets; i++)
        if (strlen(needs->secrets[i]) == len && memcmp(needs->secrets[i], name, len) == 0)
            return;
    memcpy(needs->secrets[needs->n_secrets], name, len);
    needs->secrets[needs->n_secrets++][len] = '\0';
}

/* What stands in it as ${NAME}, all in capitals. */
static void scan(struct needs *needs, const char *script)
{
    for (const char *at = strstr(script, "${"); at; at = strstr(at + 2, "${")) {
        const size_t len = strspn(at + 2, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
        if (at[2 + len] == '}')
            add_secret(needs, at + 2, len);
    }
    needs->has_openssl |= strstr(script, "openssl") != NULL;
    needs->has_psql |= strstr(script, "psql -X") != NULL;
}

static void needs_of(const json_t *plan, struct needs *ret)
{
    size_t i;
    const json_t *step;
    *ret = (struct needs){.n_secrets = 0};
    json_array_foreach(json_object_get(plan, "steps"), i, step) scan(ret, export_text(step, "script"));
}

/* ---- the script -------------------------------------------------------------------------------------------------- */

static void add_head(struct strbuf *out, const json_t *plan, const char *at, const struct needs *needs)
{
    const char *service = export_text(plan, "service"), *direction = export_text(plan, "direction");
    strbuf_adds(out, "#!/bin/sh\n# The ");
    export_line(out, direction);
    strbuf_adds(out, " of ");
    export_line(out, service);
    strbuf_adds(out, " from ");
    export_line(out, export_text(plan, "from"));
    strbuf_adds(out, " to ");
    export_line(out, export_text(plan, "to"));
    strbuf_adds(out, " by hand, for when Turnout itself is down. Made at ");
    export_line(out, at);
    strbuf_adds(out,
                ",\n# from what was there then. Stop the daemon first, or let its kill switch hold it: two who move "
                "one service are one too\n# many.\n#\n#   sh ");
    export_line(out, service);
    strbuf_addc(out, '-');
    export_line(out, direction);
    strbuf_adds(out, ".sh [--yes] [--from-step N]\n#\n"
                     "# --yes asks nothing. It looks before each write, so it can be run again.\n");
    if (needs->n_secrets > 0) {
        strbuf_adds(out, "# These have to be in the environment:");
        for (int i = 0; i < needs->n_secrets; i++)
            strbuf_addf(out, " %s", needs->secrets[i]);
        strbuf_addc(out, '\n');
    }
    strbuf_adds(out, "# shellcheck disable=SC2317,SC2016  # steps are called by their numbers; what is quoted is meant "
                     "as it stands\nset -u\n\nservice=");
    export_quote(out, service);
    strbuf_adds(out, "\nto=");
    export_quote(out, export_text(plan, "to"));
}

static const char frame[] =
    "\nis_yes=\"\"\nfirst=1\nagain=\"\"\n"
    "usage() {\n"
    "    echo \"usage: sh $0 [--yes] [--from-step N]\" >&2\n"
    "    exit 2\n"
    "}\n"
    "while [ $# -gt 0 ]; do\n"
    "    case $1 in\n"
    "    --yes) is_yes=1 ;;\n"
    "    --from-step)\n"
    "        [ $# -gt 1 ] || usage\n"
    "        case $2 in\n"
    "        '' | *[!0-9]*) usage ;;\n"
    "        esac\n"
    "        first=$2 again=$2\n"
    "        shift\n"
    "        ;;\n"
    "    *) usage ;;\n"
    "    esac\n"
    "    shift\n"
    "done\n"
    "\n"
    "is_missing=\"\"\n"
    "need_tool() {\n"
    "    command -v \"$1\" >/dev/null 2>&1 && return\n"
    "    echo \"$1 is not installed\" >&2\n"
    "    is_missing=1\n"
    "}\n"
    "need_secret() {\n"
    "    [ -n \"$2\" ] && return\n"
    "    echo \"$1 is not set in the environment\" >&2\n"
    "    is_missing=1\n"
    "}\n"
    "\n"
    "stop_at() {\n"
    "    echo >&2\n"
    "    echo \"Stopped at step $1: $2\" >&2\n"
    "    echo \"Go on with:         sh $0 --from-step $1\" >&2\n"
    "    echo \"or without step $1:  sh $0 --from-step $(($1 + 1))\" >&2\n"
    "    exit 1\n"
    "}\n"
    "\n"
    "# says_yes QUESTION\n"
    "says_yes() {\n"
    "    printf '   %s [y/N] ' \"$1\"\n"
    "    answer=\"\"\n"
    "    read -r answer || echo\n"
    "    case $answer in\n"
    "    [yY] | [yY][eE][sS]) ;;\n"
    "    *) return 1 ;;\n"
    "    esac\n"
    "}\n"
    "\n"
    "# show NUMBER NAME WHAT: false where the step is to be left out.\n"
    "show() {\n"
    "    [ \"$1\" -ge \"$first\" ] || return 1\n"
    "    printf '\\n%s. %s\\n   %s\\n' \"$1\" \"$2\" \"$3\"\n"
    "}\n"
    "\n"
    "# change NUMBER CAN_LOOK: looks, writes where that is needed, and looks again.\n"
    "change() {\n"
    "    if [ \"$2\" = yes ] && \"step_$1\" look >/dev/null 2>&1; then\n"
    "        echo '   it is so already'\n"
    "        [ \"$1\" = \"$again\" ] && [ -z \"$is_yes\" ] && says_yes 'Write it again?' || return 0\n"
    "    elif [ -z \"$is_yes\" ]; then\n"
    "        says_yes 'Write this, and all that follows?' || stop_at \"$1\" 'nobody said yes'\n"
    "        is_yes=1\n"
    "    fi\n"
    "    \"step_$1\" write || stop_at \"$1\" 'it was refused; see above'\n"
    "    echo\n"
    "    if [ \"$2\" = yes ]; then\n"
    "        tries=0\n"
    "        until \"step_$1\" look >/dev/null 2>&1; do\n"
    "            tries=$((tries + 1))\n"
    "            [ \"$tries\" -lt 10 ] || stop_at \"$1\" 'it was written, and is not there'\n"
    "            sleep 1\n"
    "        done\n"
    "        echo '   written, and read back'\n"
    "    else\n"
    "        echo '   written'\n"
    "    fi\n"
    "}\n"
    "\n"
    "# by_hand NUMBER: this script cannot do it.\n"
    "by_hand() {\n"
    "    [ -z \"$is_asked_for_yes\" ] || stop_at \"$1\" 'do it by hand, then go on without it'\n"
    "    says_yes 'Done by hand?' || stop_at \"$1\" 'nobody said yes'\n"
    "}\n"
    "is_asked_for_yes=$is_yes\n"
    "\n"
    "need_tool curl\n";

static void add_needs(struct strbuf *out, const struct needs *needs, size_t n_steps)
{
    if (needs->has_openssl)
        strbuf_adds(out, "need_tool openssl\n");
    if (needs->has_psql)
        strbuf_adds(out, "need_tool psql\n");
    for (int i = 0; i < needs->n_secrets; i++)
        strbuf_addf(out, "need_secret %s \"${%s-}\"\n", needs->secrets[i], needs->secrets[i]);
    strbuf_addf(out, "[ -z \"$is_missing\" ] || exit 2\n[ \"$first\" -le %zu ] || usage\n", n_steps + 1);
}

static bool has_script(const json_t *step)
{
    return export_text(step, "script")[0] != '\0';
}

static bool can_look(const json_t *step)
{
    const char *script = export_text(step, "script");
    return strncmp(script, "look()", 6) == 0 || strstr(script, "\nlook()") != NULL;
}

/* Lines that are no functions are the one that the step is for. */
static void add_function(struct strbuf *out, int number, const json_t *step)
{
    const char *script = export_text(step, "script");
    const size_t len = strlen(script);
    const char *end = len > 0 && script[len - 1] == '\n' ? "" : "\n";
    const bool has_functions = can_look(step) || strncmp(script, "write()", 7) == 0 || strstr(script, "\nwrite()");
    strbuf_addf(out, "\nstep_%d() (\n", number);
    if (has_functions)
        strbuf_addf(out, "%s%s", script, end);
    else
        strbuf_addf(out, "%s() {\n%s%s}\n", export_is_check(step) ? "look" : "write", script, end);
    strbuf_adds(out, "\"$1\"\n)\n");
}

static void add_call(struct strbuf *out, int number, const json_t *step)
{
    struct strbuf what = STRBUF_INIT;
    export_what(&what, step);
    strbuf_addf(out, "if show %d ", number);
    export_quote(out, export_text(step, "name"));
    strbuf_addc(out, ' ');
    export_quote(out, strbuf_text(&what));
    strbuf_adds(out, "; then\n");
    strbuf_done(&what);
    if (export_is_check(step) && has_script(step))
        strbuf_addf(out, "    \"step_%d\" look || stop_at %d 'it is not so'\n    echo '   it is so'\n", number, number);
    else if (export_is_check(step))
        strbuf_adds(out, "    echo '   look for yourself: this script cannot'\n");
    else if (has_script(step))
        strbuf_addf(out, "    change %d %s\n", number, can_look(step) ? "yes" : "no");
    else
        strbuf_addf(out, "    by_hand %d\n", number);
    strbuf_adds(out, "fi\n");
}

enum err export_script(const json_t *plan, const char *at, struct strbuf *ret, struct errmsg *why)
{
    const json_t *steps = json_object_get(plan, "steps"), *step;
    struct needs needs;
    size_t i;
    if (!json_is_array(steps) || !export_text(plan, "service")[0])
        return err_set(why, ERR_INVALID, "this is no plan");
    needs_of(plan, &needs);
    add_head(ret, plan, at, &needs);
    strbuf_adds(ret, frame);
    add_needs(ret, &needs, json_array_size(steps));
    json_array_foreach(steps, i, step)
    {
        if (has_script(step))
            add_function(ret, (int)i + 1, step);
    }
    strbuf_addc(ret, '\n');
    json_array_foreach(steps, i, step) add_call(ret, (int)i + 1, step);
    strbuf_adds(ret, "\necho\necho \"$service is moved. When Turnout is back:\"\n"
                     "echo \"  turnout adopt $service --to $to --reason 'moved by hand'\"\n");
    return ret->is_broken ? err_set(why, ERR_NO_MEMORY, "out of memory") : ERR_OK;
}
