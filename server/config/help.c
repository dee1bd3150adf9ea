/* What the rows say, for people: `turnout actions` and `turnout sources`. */
#include "config/reading.h"
#include "config/rows.h"
#include "config/value.h"

#include <string.h>

#define INDENT 2
#define NAME_WIDTH 18

static void print_row(FILE *out, const struct row *row, int indent)
{
    struct strbuf expected = STRBUF_INIT;
    value_describe(row, &expected);
    fprintf(out, "%*s%-*s %s", indent, "", NAME_WIDTH, row->name, strbuf_text(&expected));
    if (row->is_required)
        fputs("; required", out);
    else if (row->default_text)
        fprintf(out, "; default %s", row->default_text[0] ? row->default_text : "\"\"");
    fprintf(out, "\n%*s%-*s   %s\n", indent, "", NAME_WIDTH, "", row->help ? row->help : "");
    for (const struct row *inner = row->type == ROW_MAP || row->type == ROW_MAPS ? row->rows : NULL;
         inner && inner->name; inner++)
        print_row(out, inner, indent + INDENT);
    strbuf_done(&expected);
}

static void print_rows(FILE *out, const char *title, const struct row *rows)
{
    fprintf(out, "\n%s\n", title);
    for (const struct row *row = rows; row && row->name; row++)
        print_row(out, row, INDENT);
}

static void print_action(FILE *out, const struct action *action)
{
    struct strbuf timeout = STRBUF_INIT;
    duration_describe(action->default_timeout_ms, &timeout);
    fprintf(out, "%s: %s\n", action->name, action->help);
    fprintf(out, "\nDefault timeout %s", strbuf_text(&timeout));
    if (action->is_check && action->default_retries < 0)
        fputs("; a check, tried until its deadline\n", out);
    else if (action->is_check)
        fprintf(out, "; a check, tried again %d times\n", action->default_retries);
    else
        fputs("; temporary errors are retried until the deadline\n", out);
    strbuf_done(&timeout);
    print_rows(out, "It takes:", action->rows);
    const struct provider_kind *kind = action->provider_kind ? provider_kind_find(action->provider_kind) : NULL;
    if (kind) {
        fprintf(out, "\nIt needs a provider of kind %s: %s\n", kind->name, kind->help);
        print_rows(out, "Such a provider takes:", kind->rows);
        print_rows(out, "Every provider takes:", config_provider_rows);
    }
    print_rows(out, "Every step takes:", config_step_rows);
    if (action->is_check && !kind)
        print_rows(out, "As the probe of a trigger it takes, in place of those:", config_probe_rows);
}

bool config_print_actions(FILE *out, const char *name)
{
    if (name) {
        const struct action *action = action_find(name);
        if (action)
            print_action(out, action);
        return action != NULL;
    }
    for (const struct action *const *action = action_list(); *action; action++)
        fprintf(out, "%-*s %s\n", NAME_WIDTH + INDENT, (*action)->name, (*action)->help);
    print_rows(out, "Every step takes:", config_step_rows);
    return true;
}

static void print_source(FILE *out, const struct handler *handler)
{
    fprintf(out, "%s: %s\n", handler->kind, handler->help);
    fprintf(out, "\nLabels that \"match\" sees: %s\n", handler->labels_help);
    if (handler->identifying)
        fprintf(out, "The label that names an alert: %s\n", handler->identifying);
    print_rows(out, "Every source takes:", config_source_rows);
    if (handler->rows && handler->rows[0].name)
        print_rows(out, "One of this kind also takes:", handler->rows);
}

bool config_print_sources(FILE *out, const char *kind)
{
    if (kind) {
        const struct handler *handler = handler_find(kind);
        if (handler)
            print_source(out, handler);
        return handler != NULL;
    }
    for (const struct handler *const *handler = handler_list(); *handler; handler++)
        fprintf(out, "%-*s %s\n", NAME_WIDTH + INDENT, (*handler)->kind, (*handler)->help);
    return true;
}
