/* Whether deliveries are taken: not while the database takes no commits, and not when the disk is nearly full. What is
 * kept free for runs and operators then is the reserve, and the ballast when that is gone. */
#include "base/log.h"
#include "orchestrator/internal.h"

#include <inttypes.h>
#include <stdio.h>

#define RESERVE_BYTES ((int64_t)64 * 1024 * 1024)

void set_ready(struct orchestrator *o, bool is_ready, const char *why)
{
    command_queue_refuse_deliveries(o->settings.commands, !is_ready);
    if (o->is_ready == is_ready)
        return;
    o->is_ready = is_ready;
    if (is_ready)
        log_info("intake is open");
    else
        log_error("intake is closed (senders get 503): %s", why);
    if (o->settings.on_ready)
        o->settings.on_ready(o->settings.context, is_ready, why);
}

int64_t disk_reserve(const struct orchestrator *o)
{
    int64_t free_bytes = 0;
    int64_t size = 0;
    if (store_disk_free(o->settings.store, &free_bytes, &size) != ERR_OK)
        return RESERVE_BYTES;
    return size / 10 < RESERVE_BYTES ? size / 10 : RESERVE_BYTES;
}

bool give_up_ballast(struct orchestrator *o, const struct errmsg *why)
{
    if (!ballast_drop(o->settings.ballast))
        return false;
    log_error("the disk is full (%s): the ballast of %" PRId64 " MiB is given up, so that runs can go on", why->text,
              ballast_bytes(o->settings.ballast) >> 20);
    o->is_ballast_told = false;
    return true;
}

/* One that there is no room for is no reason not to start. */
void begin_ballast(struct orchestrator *o)
{
    struct errmsg why = {0};
    o->is_ballast_told = !ballast_is_given_up(o->settings.ballast);
    if (o->is_ballast_told && o->settings.ballast && ballast_make(o->settings.ballast, disk_reserve(o), &why) != ERR_OK)
        log_warning("when the disk is full, nothing can be given up for a run: %s", why.text);
}

void note_ballast(struct orchestrator *o)
{
    if (o->is_ballast_told)
        return;
    journal_note(o, &(struct note){.kind = "store.ballast",
                                   .text = ballast_is_given_up(o->settings.ballast)
                                               ? "the disk was full: the ballast was given up for what has to be "
                                                 "written, and intake is closed until there is room for it again"
                                               : "there is room for the ballast again"});
}

/* Beyond the reserve. */
static bool has_room_for_ballast(const struct orchestrator *o)
{
    int64_t free_bytes = 0;
    int64_t size = 0;
    return store_disk_free(o->settings.store, &free_bytes, &size) == ERR_OK &&
           free_bytes - disk_reserve(o) >= ballast_bytes(o->settings.ballast);
}

/* What the ballast gave is for runs and operators: intake waits until it is there again. It waits for none that was
 * never there (there was no room when the daemon started): that one is made as soon as it has a place. */
static bool try_ballast(struct orchestrator *o)
{
    struct errmsg why = {0};
    bool is_given_up = ballast_is_given_up(o->settings.ballast);
    if (!is_given_up &&
        (ballast_bytes(o->settings.ballast) == 0 || ballast_is_there(o->settings.ballast) || !has_room_for_ballast(o)))
        return true;
    if (ballast_make(o->settings.ballast, disk_reserve(o), &why) != ERR_OK) {
        if (!is_given_up)
            return true;
        char text[sizeof why.text + 80];
        snprintf(text, sizeof text, "the disk was full, and has no room for what was given up then: %s", why.text);
        set_ready(o, false, text);
        return false;
    }
    o->is_ballast_told = false;
    o->next_due = 0; /* which puts it on record */
    return true;
}

/* Intake stops before the disk is full, so that runs, operators and pruning still have room to write. The reserve is
 * small on a small file system. */
void check_disk(struct orchestrator *o)
{
    int64_t free_bytes = 0;
    int64_t size = 0;
    if (o->failures > 0 || !try_ballast(o) || store_disk_free(o->settings.store, &free_bytes, &size) != ERR_OK)
        return;
    int64_t reserve = disk_reserve(o);
    char why[160];
    snprintf(why, sizeof why, "%" PRId64 " MiB free on the database's file system, %" PRId64 " MiB are kept in reserve",
             free_bytes >> 20, reserve >> 20);
    snprintf(o->disk_text, sizeof o->disk_text, "%s", free_bytes >= reserve ? "" : why);
    set_ready(o, free_bytes >= reserve, why);
}
