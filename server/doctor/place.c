/* This machine: files and folders, who may read and write them, room on the disk, and whether a daemon is there. */
#include "doctor/doctor.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MIB ((int64_t)1 << 20)
#define RESERVE (64 * MIB) /* of the orchestrator: below it intake is closed; a tenth of a small disk */
#define OLD_EXPORT_MS ((int64_t)3600 * 1000)

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* ---- the configuration file -------------------------------------------------------------------------------------- */

static void check_config_file(json_t *list, const struct config *config, bool has_literal_secrets)
{
    struct stat st;
    char mend[300];
    if (stat(config->path, &st) != 0)
        return;
    snprintf(mend, sizeof mend, "chmod go-w %.256s", config->path);
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        found(list, SEVERITY_HINDERS, "configuration", mend,
              "%s can be written by others than its owner (mode %03o), who could have anything done", config->path,
              (unsigned)st.st_mode & 0777);
    snprintf(mend, sizeof mend, "chmod go-rwx %.256s", config->path);
    if (has_literal_secrets && st.st_mode & (S_IRGRP | S_IROTH))
        found(list, SEVERITY_HINDERS, "configuration", mend,
              "%s holds secrets and can be read by others than its owner (mode %03o)", config->path,
              (unsigned)st.st_mode & 0777);
}

/* ---- the database ------------------------------------------------------------------------------------------------ */

static void check_holder(json_t *list, const struct config *config, bool has_daemon)
{
    long pid = 0;
    const bool is_held = store_is_held(config->database, &pid);
    if (!is_held && !has_daemon)
        found(list, SEVERITY_STOPS, "daemon", "start it, as turnout serve -c FILE",
              "it does not run: no process holds the database %s", config->database);
    else if (is_held && !has_daemon)
        found(list, SEVERITY_STOPS, "daemon", NULL, "process %ld holds the database %s, but does not answer", pid,
              config->database);
    else if (!is_held)
        found(
            list, SEVERITY_HINDERS, "daemon", NULL,
            "one answers, but no process here holds the database %s: it runs elsewhere, or with another configuration",
            config->database);
}

/* As after a start by root that was only meant to try: this user may be able to write everything, the daemon's not. */
static void check_owner(json_t *list, const char *folder, const char *file, const struct stat *of_file)
{
    struct stat of_folder;
    if (!folder || stat(folder, &of_folder) != 0 || of_folder.st_uid == 0 || of_folder.st_uid == of_file->st_uid)
        return;
    found(list, SEVERITY_HINDERS, "database", "chown it, and its -wal and -shm, to the daemon's user",
          "%s belongs to user %u, and its folder to user %u: a daemon that is the latter cannot write it", file,
          (unsigned)of_file->st_uid, (unsigned)of_folder.st_uid);
}

static void check_database(json_t *list, const struct config *config)
{
    struct stat st;
    struct errmsg why = {0};
    AUTO_FREE char *folder = folder_of(config->database);
    if (folder && access(folder, W_OK | X_OK) != 0)
        found(list, SEVERITY_STOPS, "database", "let the daemon's user write it",
              "the folder %s cannot be written by this user: %s", folder, strerror(errno));
    if (stat(config->database, &st) != 0) {
        if (errno != ENOENT)
            found(list, SEVERITY_STOPS, "database", NULL, "%s cannot be looked at: %s", config->database,
                  strerror(errno));
        return; /* the first start makes it */
    }
    check_owner(list, folder, config->database, &st);
    struct store_reader *reader = NULL;
    json_t *services = NULL;
    if (store_reader_open(config->database, &reader, &why) != ERR_OK ||
        store_services(reader, &services, &why) != ERR_OK)
        found(list, SEVERITY_STOPS, "database", NULL, "%s", why.text);
    json_decref(services);
    store_reader_close(reader);
    if (access(config->database, W_OK) != 0)
        found(list, SEVERITY_STOPS, "database", "let the daemon's user write it",
              "%s cannot be written by this user: %s", config->database, strerror(errno));
    if (st.st_mode & (S_IRGRP | S_IROTH))
        found(list, SEVERITY_HINDERS, "database", "chmod go-rwx it and its -wal and -shm",
              "%s can be read by others than its owner (mode %03o): it holds what the monitors said", config->database,
              (unsigned)st.st_mode & 0777);
}

/* Below a reserve of free disk the daemon takes no alerts any more. */
static void check_disk(json_t *list, const struct config *config)
{
    struct statvfs fs;
    AUTO_FREE char *folder = folder_of(config->database);
    if (!folder || statvfs(folder, &fs) != 0)
        return;
    const int64_t free_bytes = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
    const int64_t tenth = (int64_t)(fs.f_blocks * fs.f_frsize / 10), reserve = tenth < RESERVE ? tenth : RESERVE;
    if (free_bytes < reserve)
        found(list, SEVERITY_STOPS, "disk", "make room there",
              "the disk of the database has %" PRId64 " MiB left: alerts are refused", free_bytes / MIB);
    else if (free_bytes < 4 * reserve)
        found(list, SEVERITY_HINDERS, "disk", "make room there", "the disk of the database has %" PRId64 " MiB left",
              free_bytes / MIB);
    if (fs.f_files > 0 && fs.f_favail == 0)
        found(list, SEVERITY_STOPS, "disk", "remove files there",
              "the disk of the database has no room for a file more");
}

static void check_ballast(json_t *list, const struct config *config)
{
    struct stat st;
    AUTO_FREE char *path = NULL;
    if (config->ballast_bytes == 0 || access(config->database, F_OK) != 0 ||
        asprintf(&path, "%s.ballast", config->database) < 0)
        return;
    if (lstat(path, &st) != 0)
        found(list, SEVERITY_HINDERS, "disk", "make room for it, and the daemon makes it anew",
              "the ballast %s is not there: when the disk is full, nothing can be given up for a run", path);
    else if ((int64_t)st.st_blocks * 512 < config->ballast_bytes)
        found(list, SEVERITY_HINDERS, "disk", "make room for it, and the daemon makes it anew",
              "the ballast %s holds %" PRId64 " bytes and should hold %" PRId64, path, (int64_t)st.st_blocks * 512,
              config->ballast_bytes);
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

static void check_export_file(json_t *list, const struct config *config, const char *service)
{
    struct stat st;
    AUTO_FREE char *path = NULL;
    if (asprintf(&path, "%s/%s-failover.sh", config->export, service) < 0)
        return;
    if (stat(path, &st) != 0) {
        found(list, SEVERITY_HINDERS, service, NULL, "its break-glass script %s is not there: %s", path,
              strerror(errno));
        return;
    }
    const int64_t age_ms = clock_wall_ms() - (int64_t)st.st_mtim.tv_sec * 1000;
    if (age_ms > OLD_EXPORT_MS)
        found(list, SEVERITY_HINDERS, service, NULL,
              "its break-glass script %s is %" PRId64 " hours old: it may name what is there no more", path,
              age_ms / OLD_EXPORT_MS);
}

static void check_export(json_t *list, const struct config *config, bool has_daemon)
{
    if (!config->export)
        return;
    if (access(config->export, W_OK | X_OK) != 0) {
        found(list, SEVERITY_HINDERS, "export", "make it, and let the daemon's user write it",
              "no break-glass files can be written to %s: %s", config->export, strerror(errno));
        return;
    }
    for (int i = 0; has_daemon && i < config->model.n_services; i++) {
        if (config->model.services[i].ready_every_ms > 0)
            check_export_file(list, config, config->model.services[i].name);
    }
}

void doctor_place(json_t *list, const struct config *config, bool has_literal_secrets, bool has_daemon)
{
    check_config_file(list, config, has_literal_secrets);
    check_holder(list, config, has_daemon);
    check_database(list, config);
    check_disk(list, config);
    check_ballast(list, config);
    check_export(list, config, has_daemon);
    if (config->kill_switch && access(config->kill_switch, F_OK) == 0)
        found(list, SEVERITY_STOPS, "kill switch", "remove it when things may be changed again",
              "the file %s is there: nothing is written to any provider", config->kill_switch);
}
