/* The runbook: the same moves for people, on paper. See export.h. */
#include "core/export.h"
#include "core/export_text.h"

#include <inttypes.h>

static void add_time(struct strbuf *out, const char *before, const json_t *ms)
{
    const json_int_t value = json_integer_value(ms);
    if (!json_is_integer(ms))
        return;
    strbuf_adds(out, before);
    if (value < 10000)
        strbuf_addf(out, "%" JSON_INTEGER_FORMAT ".%" JSON_INTEGER_FORMAT " s", value / 1000, value % 1000 / 100);
    else if (value < 600000)
        strbuf_addf(out, "%" JSON_INTEGER_FORMAT " s", value / 1000);
    else
        strbuf_addf(out, "%" JSON_INTEGER_FORMAT " min", value / 60000);
}

/* "   - TITLE: target 192.0.2.10, ttl 30"; no line where there is nothing. */
static void add_values(struct strbuf *out, const char *title, const json_t *values)
{
    if (json_object_size(values) == 0)
        return;
    strbuf_addf(out, "   - %s: ", title);
    export_values(out, values);
    strbuf_addc(out, '\n');
}

static void add_step(struct strbuf *out, size_t number, const json_t *step)
{
    const json_t *previous = json_object_get(step, "previous");
    strbuf_addf(out, "%zu. **", number);
    export_line(out, export_text(step, "name"));
    strbuf_adds(out, "** (");
    export_line(out, export_text(step, "action"));
    if (export_text(step, "provider")[0]) {
        strbuf_adds(out, " at ");
        export_line(out, export_text(step, "provider"));
    }
    add_time(out, "; takes about ", json_object_get(step, "predicted_ms"));
    strbuf_adds(out, ")\n");
    add_values(out, "what", json_object_get(step, "args"));
    add_values(out, "was there", json_object_get(step, "current"));
    add_values(out, "has to be there", json_object_get(step, "desired"));
    if (export_is_check(step))
        strbuf_adds(out, "   - nothing is changed: look whether it is so, and do not go on before\n");
    else if (!export_text(step, "script")[0])
        strbuf_adds(out, "   - the script cannot do this: do it by hand, with the provider's own tools\n");
    if (export_text(step, "text")[0]) {
        strbuf_adds(out, "   - seen then: ");
        export_line(out, export_text(step, "text"));
        strbuf_addc(out, '\n');
    }
    if (!export_is_check(step) && json_object_size(previous) > 0)
        add_values(out, "to go back", previous);
    else if (!export_is_check(step))
        strbuf_adds(out, "   - to go back: nothing is known that would; ask before you do it\n");
}

static void add_move(struct strbuf *out, const json_t *plan)
{
    const json_t *steps = json_object_get(plan, "steps"), *step, *warning;
    const json_t *warnings = json_object_get(plan, "warnings");
    size_t i;
    strbuf_adds(out, "\n## The ");
    export_line(out, export_text(plan, "direction"));
    strbuf_adds(out, ": from ");
    export_line(out, export_text(plan, "from"));
    strbuf_adds(out, " to ");
    export_line(out, export_text(plan, "to"));
    strbuf_adds(out, "\n\n    sh ");
    export_line(out, export_text(plan, "service"));
    strbuf_addc(out, '-');
    export_line(out, export_text(plan, "direction"));
    strbuf_adds(out, ".sh\n\nIn this order");
    add_time(out, "; all of it takes about ", json_object_get(json_object_get(plan, "predicted"), "total_ms"));
    strbuf_adds(out, ":\n\n");
    json_array_foreach(steps, i, step) add_step(out, i + 1, step);
    json_array_foreach(warnings, i, warning)
    {
        strbuf_adds(out, i == 0 ? "\nMind:\n\n- " : "- ");
        export_line(out, export_text(warning, "text"));
        strbuf_addc(out, '\n');
    }
}

enum err export_runbook(const json_t *there, const json_t *back, const char *at, struct strbuf *ret, struct errmsg *why)
{
    if (!json_is_array(json_object_get(there, "steps")) || !export_text(there, "service")[0])
        return err_set(why, ERR_INVALID, "this is no plan");
    strbuf_adds(ret, "# ");
    export_line(ret, export_text(there, "service"));
    strbuf_adds(ret, ": how to move it when Turnout is down\n\nMade at ");
    export_line(ret, at);
    strbuf_adds(
        ret, ", from what was there then. Look first whether it still is.\n\n"
             "1. Stop the daemon, or create its kill switch file: two who move one service are one too many.\n"
             "2. Put the secrets into the environment that the head of the script names.\n"
             "3. Run the script. It shows each step, asks before the first write, reads back what it wrote, and stops "
             "at the first\n   failure with the call that goes on from there. It may be run again.\n"
             "4. Look whether users are served.\n"
             "5. When the daemon is back: `turnout adopt ");
    export_line(ret, export_text(there, "service"));
    strbuf_adds(ret, " --to SITE --reason TEXT`, with the site where it is now.\n");
    add_move(ret, there);
    if (back)
        add_move(ret, back);
    return ret->is_broken ? err_set(why, ERR_NO_MEMORY, "out of memory") : ERR_OK;
}
