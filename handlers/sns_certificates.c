/* See sns_certificates.h. */
#include "handlers/sns_certificates.h"

#include "base/cleanup.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_KEPT 16                /* in memory */
#define FETCH_EVERY_MS (60 * 1000) /* one fetch of a source */
#define FETCH_TAKES_MS (15 * 1000) /* at most: what was asked for and never came is asked for again */
#define ONE_A_MINUTE "the signing certificate is not known, and only one is fetched in a minute"
#define MAX_HEX 64
#define MIN_HEX 16

struct kept {
    char host[64], name[128];
    struct certificate *certificate; /* NULL: the slot is free */
    bool is_by_hand;
    uint64_t used; /* the count at its last use */
};

struct sns_certificates {
    char *folder, *base;
    pthread_mutex_t mutex; /* of everything below */
    struct kept kept[MAX_KEPT];
    uint64_t count;
    /* The last fetch, and what came of it. */
    int64_t asked_at; /* wall; 0: never */
    struct sns_key asked;
    struct handler_need need;
    bool is_waiting;
    enum err err; /* ERR_OK unless it failed */
    struct errmsg why;
};

bool sns_key_parse(const struct json_text *url, const struct sns_topic *topic, struct sns_key *ret)
{
    char start[128];
    int len = snprintf(start, sizeof start, "https://%s/", topic->host);
    static const char prefix[] = "SimpleNotificationService-", suffix[] = ".pem";
    size_t fixed = (size_t)len + sizeof prefix - 1 + sizeof suffix - 1;
    if (url->len < fixed + MIN_HEX || url->len > fixed + MAX_HEX || memcmp(url->text, start, (size_t)len) != 0)
        return false;
    *ret = (struct sns_key){.topic = topic};
    memcpy(ret->name, url->text + len, url->len - (size_t)len);
    size_t hex = url->len - fixed;
    const char *at = ret->name + sizeof prefix - 1;
    return strncmp(ret->name, prefix, sizeof prefix - 1) == 0 && strspn(at, "0123456789abcdef") == hex &&
           strcmp(at + hex, suffix) == 0;
}

struct sns_certificates *sns_certificates_new(const char *folder, const char *base)
{
    struct sns_certificates *certificates = calloc(1, sizeof *certificates);
    if (!certificates)
        return NULL;
    pthread_mutex_init(&certificates->mutex, NULL);
    certificates->folder = strdup(folder);
    certificates->base = base ? strdup(base) : NULL;
    if (!certificates->folder || (base && !certificates->base)) {
        sns_certificates_free(certificates);
        return NULL;
    }
    return certificates;
}

void sns_certificates_free(struct sns_certificates *certificates)
{
    if (!certificates)
        return;
    for (size_t i = 0; i < MAX_KEPT; i++)
        certificate_free(certificates->kept[i].certificate);
    pthread_mutex_destroy(&certificates->mutex);
    free(certificates->folder);
    free(certificates->base);
    free(certificates);
}

/* ---- in memory --------------------------------------------------------------------------------------------------- */

static struct kept *kept_find(struct sns_certificates *certificates, const struct sns_key *key)
{
    for (size_t i = 0; i < MAX_KEPT; i++) {
        struct kept *kept = &certificates->kept[i];
        if (kept->certificate && strcmp(kept->name, key->name) == 0 && strcmp(kept->host, key->topic->host) == 0)
            return kept;
    }
    return NULL;
}

/* A reference of the caller's, or NULL. */
static struct certificate *remembered(struct sns_certificates *certificates, const struct sns_key *key,
                                      bool *ret_is_by_hand)
{
    struct certificate *certificate = NULL;
    pthread_mutex_lock(&certificates->mutex);
    struct kept *kept = kept_find(certificates, key);
    if (kept) {
        kept->used = ++certificates->count;
        *ret_is_by_hand = kept->is_by_hand;
        certificate = certificate_share(kept->certificate);
    }
    pthread_mutex_unlock(&certificates->mutex);
    return certificate;
}

/* With the mutex held. In the place of the same key, or of the one that was used longest ago. */
static void remember(struct sns_certificates *certificates, const struct sns_key *key, struct certificate *certificate,
                     bool is_by_hand)
{
    struct kept *slot = kept_find(certificates, key);
    if (!slot) {
        slot = &certificates->kept[0];
        for (struct kept *kept = slot + 1; kept < certificates->kept + MAX_KEPT && slot->certificate; kept++)
            if (!kept->certificate || kept->used < slot->used)
                slot = kept;
    }
    certificate_free(slot->certificate);
    snprintf(slot->host, sizeof slot->host, "%s", key->topic->host);
    snprintf(slot->name, sizeof slot->name, "%s", key->name);
    slot->certificate = certificate_share(certificate);
    slot->is_by_hand = is_by_hand;
    slot->used = ++certificates->count;
}

/* ---- in the folder ----------------------------------------------------------------------------------------------- */

static bool path_by_hand(const struct sns_certificates *certificates, const struct sns_key *key, char path[PATH_MAX])
{
    return snprintf(path, PATH_MAX, "%s/%s", certificates->folder, key->name) < PATH_MAX;
}

static bool path_fetched(const struct sns_certificates *certificates, const struct sns_key *key, char path[PATH_MAX])
{
    return snprintf(path, PATH_MAX, "%s/fetched/%s/%s", certificates->folder, key->topic->host, key->name) < PATH_MAX;
}

/* ERR_NOT_FOUND when there is no such file. */
static enum err read_file(const char *path, struct certificate **ret, struct errmsg *why)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : err_set(why, ERR_IO, "%s", strerror(errno));
    AUTO_FREE char *text = malloc(CERTIFICATE_MAX + 1);
    if (!text)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    size_t len = 0;
    ssize_t n = 1;
    while (n > 0 && len <= CERTIFICATE_MAX) {
        n = read(fd, text + len, CERTIFICATE_MAX + 1 - len);
        len += n > 0 ? (size_t)n : 0;
    }
    return n < 0 ? err_set(why, ERR_IO, "%s", strerror(errno)) : certificate_load(text, len, ret, why);
}

/* Whoever reads it sees the old file or the new one. */
static enum err write_file(const char *path, const struct bytes_view *bytes)
{
    char temporary[PATH_MAX + 8];
    snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    AUTO_CLOSE int fd = mkostemp(temporary, O_CLOEXEC); /* 0600 */
    if (fd < 0)
        return ERR_IO;
    if (write(fd, bytes->data, bytes->len) == (ssize_t)bytes->len && fsync(fd) == 0 && rename(temporary, path) == 0)
        return ERR_OK;
    unlink(temporary);
    return ERR_IO;
}

/* The folders down to the file, but not those of the path in the configuration above its last. */
static enum err make_folders(const struct sns_certificates *certificates, const struct sns_key *key)
{
    const char *const parts[] = {"", "/fetched", "/fetched/"};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        char path[PATH_MAX];
        int len = snprintf(path, sizeof path, "%s%s%s", certificates->folder, parts[i], i == 2 ? key->topic->host : "");
        if (len >= PATH_MAX || (mkdir(path, 0700) != 0 && errno != EEXIST))
            return ERR_IO;
    }
    return ERR_OK;
}

/* What cannot be kept is fetched again after a restart: worth a word, and no more. */
static void keep(const struct sns_certificates *certificates, const struct sns_key *key, const struct bytes_view *pem)
{
    char path[PATH_MAX];
    errno = ENAMETOOLONG;
    if (!path_fetched(certificates, key, path) || make_folders(certificates, key) != ERR_OK ||
        write_file(path, pem) != ERR_OK)
        log_warning("the certificate %s cannot be kept in %s: %s", key->name, certificates->folder, strerror(errno));
    else
        log_info("learnt the certificate %s of %s, kept in %s", key->name, key->topic->host, certificates->folder);
}

/* ---- what may be used -------------------------------------------------------------------------------------------- */

static enum err refused(const struct sns_key *key, struct errmsg *why)
{
    return err_prefix(why, ERR_DENIED, "the signing certificate of %s is refused", key->topic->host);
}

static enum err check_name(const struct certificate *certificate, const struct sns_key *key, struct errmsg *why)
{
    for (size_t i = 0; i < SNS_NAMES; i++)
        if (key->topic->names[i][0] && certificate_is_named(certificate, key->topic->names[i]))
            return ERR_OK;
    return err_set(why, ERR_DENIED, "it is not for %s", key->topic->names[0]);
}

static enum err check(const struct certificate *certificate, const struct sns_key *key, int64_t now, struct errmsg *why)
{
    enum err err = check_name(certificate, key, why);
    if (err == ERR_OK)
        err = certificate_check_dates(certificate, now, why);
    return err == ERR_OK ? ERR_OK : refused(key, why);
}

/* ERR_NOT_FOUND when there is none. */
static enum err get_by_hand(struct sns_certificates *certificates, const struct sns_key *key, struct certificate **ret,
                            struct errmsg *why)
{
    char path[PATH_MAX];
    if (!path_by_hand(certificates, key, path))
        return ERR_NOT_FOUND;
    enum err err = read_file(path, ret, why);
    if (err == ERR_NOT_FOUND)
        return err;
    if (err != ERR_OK)
        return err_prefix(why, ERR_TEMPORARY, "the signing certificate placed by hand cannot be used");
    pthread_mutex_lock(&certificates->mutex);
    remember(certificates, key, *ret, true);
    pthread_mutex_unlock(&certificates->mutex);
    return ERR_OK;
}

/* A file that is not readable is none: it is fetched again, and written over. */
static struct certificate *get_fetched(struct sns_certificates *certificates, const struct sns_key *key)
{
    char path[PATH_MAX];
    struct certificate *certificate = NULL;
    if (!path_fetched(certificates, key, path) || read_file(path, &certificate, NULL) != ERR_OK)
        return NULL;
    pthread_mutex_lock(&certificates->mutex);
    remember(certificates, key, certificate, false);
    pthread_mutex_unlock(&certificates->mutex);
    return certificate;
}

/* ---- what is fetched --------------------------------------------------------------------------------------------- */

/* With the mutex held. */
static bool is_last(const struct sns_certificates *certificates, const struct sns_key *key)
{
    return certificates->asked.topic && strcmp(certificates->asked.name, key->name) == 0 &&
           strcmp(certificates->asked.topic->host, key->topic->host) == 0;
}

/* With the mutex held. */
static bool is_last_need(const struct sns_certificates *certificates, const struct handler_need *need)
{
    return strcmp(certificates->need.url, need->url) == 0 && strcmp(certificates->need.what, need->what) == 0;
}

static void fill_need(const struct sns_certificates *certificates, const struct sns_key *key, struct handler_need *need)
{
    const char *base = certificates->base;
    need->kind = HANDLER_NEEDS_CERTIFICATE;
    snprintf(need->url, sizeof need->url, "%s%s/%s", base ? base : "https://", base ? "" : key->topic->host, key->name);
    snprintf(need->what, sizeof need->what, "the signing certificate %s of %s", key->name, key->topic->host);
}

/* With the mutex held. ERR_OK: it is to be fetched. ERR_NOT_FOUND: it has been learnt since the caller looked. A clock
 * that was put back holds up nobody. */
static enum err ask(struct sns_certificates *certificates, const struct sns_key *key, int64_t now, struct errmsg *why)
{
    int64_t since = now - certificates->asked_at;
    bool is_recent = certificates->asked_at != 0 && since >= 0 && since < FETCH_EVERY_MS;
    if (is_recent && is_last(certificates, key)) {
        if (certificates->is_waiting && since < FETCH_TAKES_MS)
            return ERR_OK;
        if (certificates->err != ERR_OK)
            return err_set(why, certificates->err, "%s", certificates->why.text);
        if (!certificates->is_waiting)
            return ERR_NOT_FOUND;
    }
    if (is_recent)
        return err_set(why, ERR_TEMPORARY, ONE_A_MINUTE);
    certificates->asked = *key;
    certificates->asked_at = now;
    certificates->is_waiting = true;
    certificates->err = ERR_OK;
    fill_need(certificates, key, &certificates->need);
    return ERR_OK;
}

/* What memory and the folder have. ERR_NOT_FOUND: nothing. */
static enum err get_known(struct sns_certificates *certificates, const struct sns_key *key, int64_t now,
                          struct certificate **ret, struct errmsg *why)
{
    bool is_by_hand = false;
    struct errmsg refusal = {""};
    struct certificate *known = remembered(certificates, key, &is_by_hand);
    enum err err = !known ? ERR_NOT_FOUND : is_by_hand ? ERR_OK : check(known, key, now, &refusal);
    if (err == ERR_OK) {
        *ret = known;
        return ERR_OK;
    }
    /* Neither known nor acceptable: what a person has placed comes first. */
    enum err by_hand = get_by_hand(certificates, key, ret, why);
    if (by_hand != ERR_NOT_FOUND) {
        certificate_free(known);
        return by_hand;
    }
    if (!known) {
        known = get_fetched(certificates, key);
        err = known ? check(known, key, now, &refusal) : ERR_NOT_FOUND;
    }
    if (err == ERR_OK) {
        *ret = known;
        return ERR_OK;
    }
    certificate_free(known);
    return err == ERR_NOT_FOUND ? err : err_set(why, err, "%s", refusal.text);
}

enum err sns_certificates_get(struct sns_certificates *certificates, const struct sns_key *key, int64_t now,
                              struct certificate **ret, struct handler_need *need, struct errmsg *why)
{
    *ret = NULL;
    enum err err = get_known(certificates, key, now, ret, why);
    if (err != ERR_NOT_FOUND)
        return err;
    pthread_mutex_lock(&certificates->mutex);
    err = ask(certificates, key, now, why);
    if (err == ERR_OK)
        *need = certificates->need;
    pthread_mutex_unlock(&certificates->mutex);
    if (err == ERR_NOT_FOUND)
        err = get_known(certificates, key, now, ret, why);
    return err == ERR_NOT_FOUND ? err_set(why, ERR_TEMPORARY, ONE_A_MINUTE) : err;
}

bool sns_certificates_is_needed(struct sns_certificates *certificates, const struct handler_need *need)
{
    pthread_mutex_lock(&certificates->mutex);
    bool is_needed = certificates->is_waiting && is_last_need(certificates, need);
    pthread_mutex_unlock(&certificates->mutex);
    return is_needed;
}

static enum err judge(const struct sns_key *key, const struct bytes_view *pem, int64_t now, struct certificate **ret,
                      struct errmsg *why)
{
    enum err err = certificate_load(pem->data, pem->len, ret, why);
    if (err == ERR_NO_MEMORY)
        return err;
    return err == ERR_OK ? check(*ret, key, now, why) : refused(key, why);
}

void sns_certificates_learn(struct sns_certificates *certificates, const struct handler_need *need,
                            const struct bytes_view *pem, int64_t now, enum err err, const struct errmsg *why)
{
    pthread_mutex_lock(&certificates->mutex);
    const struct sns_key key = certificates->asked;
    bool is_wanted = is_last_need(certificates, need);
    pthread_mutex_unlock(&certificates->mutex);
    if (!is_wanted)
        return;
    struct certificate *certificate = NULL;
    struct errmsg text = {""};
    err = err == ERR_OK ? judge(&key, pem, now, &certificate, &text) : err_set(&text, ERR_TEMPORARY, "%s", why->text);
    if (err == ERR_OK)
        keep(certificates, &key, pem);
    pthread_mutex_lock(&certificates->mutex);
    if (err == ERR_OK)
        remember(certificates, &key, certificate, false);
    if (is_last_need(certificates, need)) {
        certificates->is_waiting = false;
        certificates->err = err;
        certificates->why = text;
    }
    pthread_mutex_unlock(&certificates->mutex);
    certificate_free(certificate);
}
