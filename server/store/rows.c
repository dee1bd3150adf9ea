/* Columns to structs: the order here is the order of the column lists in sql.h. */
#include "store/internal.h"

struct run_row run_from_columns(struct columns *columns)
{
    struct run_row row = {.playbook = ""};
    row.id = column_id(columns);
    row.service = column_text(columns);
    COLUMN_WORD(columns, direction, &row.direction);
    row.from = column_text(columns);
    row.to = column_text(columns);
    COLUMN_WORD(columns, run_state, &row.state);
    row.has_effect = column_int(columns) != 0;
    row.is_cancelling = column_int(columns) != 0;
    row.current = (int)column_int(columns);
    row.reason = column_text(columns);
    row.started_by = column_text(columns);
    row.incident = column_id(columns);
    row.started_at = column_int(columns);
    row.finished_at = column_int(columns);
    row.error = column_text(columns);
    return row;
}

struct step_row step_from_columns(struct columns *columns)
{
    struct step_row row = {0};
    row.run = column_id(columns);
    row.n = (int)column_int(columns);
    row.name = column_text(columns);
    row.action = column_text(columns);
    COLUMN_WORD(columns, step_state, &row.state);
    COLUMN_WORD(columns, phase, &row.phase);
    row.tries = (int)column_int(columns);
    row.n_attempts = (int)column_int(columns);
    row.attempt_at = column_int(columns);
    row.has_applied = column_int(columns) != 0;
    row.has_unknown_apply = column_int(columns) != 0;
    row.began_at = column_int(columns);
    row.next_at = column_int(columns);
    row.offset_ms = column_int(columns);
    row.boot_id = column_text(columns);
    row.started_at = column_int(columns);
    row.finished_at = column_int(columns);
    row.error = column_text(columns);
    row.token = column_text(columns);
    row.observed = column_text(columns);
    return row;
}

struct timer_row timer_from_columns(struct columns *columns)
{
    struct timer_row row = {0};
    row.service = column_text(columns);
    row.site = column_text(columns);
    COLUMN_WORD(columns, timer_kind, &row.kind);
    row.due_at = column_int(columns);
    row.offset_ms = column_int(columns);
    row.boot_id = column_text(columns);
    return row;
}

struct incident_row incident_from_columns(struct columns *columns)
{
    struct incident_row row = {0};
    row.id = column_id(columns);
    row.service = column_text(columns);
    row.site = column_text(columns);
    row.opened_at = column_int(columns);
    row.resolved_at = column_int(columns);
    row.is_standing = column_int(columns) != 0;
    row.last_reason = column_text(columns);
    row.run = column_id(columns);
    return row;
}
