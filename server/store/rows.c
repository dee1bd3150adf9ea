/* Columns to structs: the order here is the order of the column lists in sql.h. */
#include "store/internal.h"

struct run_row run_from_columns(struct columns *columns)
{
    struct run_row row = {.playbook = ""};
    row.id = column_id(columns);
    row.service = column_text(columns);
    COLUMN_WORD(columns, direction, &row.direction);
    COLUMN_WORD(columns, occasion, &row.occasion);
    row.is_ours = column_int(columns) != 0;
    row.overrides = column_text(columns);
    row.from = column_text(columns);
    row.to = column_text(columns);
    COLUMN_WORD(columns, run_state, &row.state);
    row.has_effect = column_int(columns) != 0;
    COLUMN_WORD(columns, ending, &row.ending);
    row.is_undoing = column_int(columns) != 0;
    row.current = (int)column_int(columns);
    row.reason = column_text(columns);
    row.started_by = column_text(columns);
    row.incident = column_id(columns);
    row.started_at = column_int(columns);
    row.finished_at = column_int(columns);
    row.error = column_text(columns);
    row.plan = column_text(columns);
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
    row.is_undoing = column_int(columns) != 0;
    row.began_at = column_int(columns);
    row.next_at = column_int(columns);
    row.offset_ms = column_int(columns);
    row.boot_id = column_text(columns);
    row.started_at = column_int(columns);
    row.finished_at = column_int(columns);
    row.error = column_text(columns);
    row.token = column_text(columns);
    row.observed = column_text(columns);
    row.previous = column_text(columns);
    return row;
}

struct timer_row timer_from_columns(struct columns *columns)
{
    struct timer_row row = {0};
    row.service = column_text(columns);
    row.site = column_text(columns);
    COLUMN_WORD(columns, timer_kind, &row.kind);
    row.count = (int)column_int(columns);
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
    row.stood_at = column_int(columns);
    row.fell_at = column_int(columns);
    row.most_votes = (int)column_int(columns);
    row.would_at = column_int(columns);
    row.would_to = column_text(columns);
    row.last_reason = column_text(columns);
    row.run = column_id(columns);
    return row;
}

struct vote_row vote_from_columns(struct columns *columns)
{
    struct vote_row row = {0};
    row.service = column_text(columns);
    row.site = column_text(columns);
    row.source = column_text(columns);
    row.down = column_int(columns);
    row.up = column_int(columns);
    COLUMN_WORD(columns, vote, &row.vote);
    row.heard_at = column_int(columns);
    row.offset_ms = column_int(columns);
    row.boot_id = column_text(columns);
    return row;
}

struct source_row source_from_columns(struct columns *columns)
{
    struct source_row row = {0};
    row.name = column_text(columns);
    row.open_alerts = column_int(columns);
    row.heard_at = column_int(columns);
    row.beat_at = column_int(columns);
    row.offset_ms = column_int(columns);
    row.boot_id = column_text(columns);
    return row;
}

struct pause_row pause_from_columns(struct columns *columns)
{
    struct pause_row row = {0};
    row.service = column_text(columns);
    row.at = column_int(columns);
    row.who = column_text(columns);
    row.reason = column_text(columns);
    return row;
}

struct drill_row drill_from_columns(struct columns *columns)
{
    struct drill_row row = {0};
    row.service = column_text(columns);
    COLUMN_WORD(columns, drill_kind, &row.kind);
    row.at = column_int(columns);
    row.is_good = column_int(columns) != 0;
    row.proven_at = column_int(columns);
    row.text = column_text(columns);
    row.run = column_id(columns);
    return row;
}

struct readiness_row readiness_from_columns(struct columns *columns)
{
    struct readiness_row row = {.detail = ""};
    row.service = column_text(columns);
    COLUMN_WORD(columns, direction, &row.direction);
    COLUMN_WORD(columns, readiness, &row.state);
    row.since = column_int(columns);
    row.checked_at = column_int(columns);
    row.text = column_text(columns);
    return row;
}
