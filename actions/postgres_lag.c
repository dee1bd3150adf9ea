#include "actions/postgres_lag.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAIR_SIZE 320

static bool half_parse(const char *text, size_t len, uint64_t *ret)
{
    uint64_t value = 0;
    if (len == 0 || len > 8)
        return false;
    for (size_t i = 0; i < len; i++) {
        const char c = text[i];
        if (c >= '0' && c <= '9')
            value = value * 16 + (uint64_t)(c - '0');
        else if ((c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f'))
            value = value * 16 + (uint64_t)((c | 0x20) - 'a') + 10;
        else
            return false;
    }
    *ret = value;
    return true;
}

enum err lsn_parse(const char *text, uint64_t *ret)
{
    uint64_t high, low;
    const char *slash = strchr(text, '/');
    if (!slash || !half_parse(text, (size_t)(slash - text), &high) || !half_parse(slash + 1, strlen(slash + 1), &low))
        return ERR_INVALID;
    *ret = high << 32 | low;
    return ERR_OK;
}

const char *size_format(uint64_t bytes, char text[SIZE_TEXT_SIZE])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    uint64_t tenths = bytes > UINT64_MAX / 10 ? UINT64_MAX : bytes * 10;
    while (tenths >= 10240 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        tenths /= 1024;
        unit++;
    }
    if (tenths % 10 == 0)
        snprintf(text, SIZE_TEXT_SIZE, "%" PRIu64 " %s", tenths / 10, units[unit]);
    else
        snprintf(text, SIZE_TEXT_SIZE, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10, units[unit]);
    return text;
}

const char *age_format(int64_t ms, char text[SIZE_TEXT_SIZE])
{
    const int64_t s = ms < 0 ? 0 : ms / 1000;
    if (s < 120)
        snprintf(text, SIZE_TEXT_SIZE, "%" PRId64 " s", s);
    else if (s < 120 * 60)
        snprintf(text, SIZE_TEXT_SIZE, "%" PRId64 " min", s / 60);
    else if (s < 48 * 3600)
        snprintf(text, SIZE_TEXT_SIZE, "%" PRId64 " h", s / 3600);
    else
        snprintf(text, SIZE_TEXT_SIZE, "%" PRId64 " days", s / (24 * 3600));
    return text;
}

/* ---- sightings --------------------------------------------------------------------------------------------------- */

struct sightings {
    pthread_mutex_t mutex;
    size_t n;
    struct {
        char pair[PAIR_SIZE];
        struct sighting seen;
    } items[MAX_SIGHTINGS];
};

struct sightings *sightings_new(void)
{
    struct sightings *sightings = calloc(1, sizeof(*sightings));
    if (sightings)
        pthread_mutex_init(&sightings->mutex, NULL);
    return sightings;
}

void sightings_free(struct sightings *sightings)
{
    if (!sightings)
        return;
    pthread_mutex_destroy(&sightings->mutex);
    free(sightings);
}

/* Where it is, or where it would go. With the mutex held. */
static size_t place_of(const struct sightings *sightings, const char *pair)
{
    size_t oldest = 0;
    for (size_t i = 0; i < sightings->n; i++) {
        if (strncmp(sightings->items[i].pair, pair, PAIR_SIZE - 1) == 0)
            return i;
        if (sightings->items[i].seen.at < sightings->items[oldest].seen.at)
            oldest = i;
    }
    return sightings->n < MAX_SIGHTINGS ? sightings->n : oldest;
}

void sighting_keep(struct sightings *sightings, const char *pair, struct sighting seen)
{
    pthread_mutex_lock(&sightings->mutex);
    const size_t i = place_of(sightings, pair);
    const bool is_same = i < sightings->n && strncmp(sightings->items[i].pair, pair, PAIR_SIZE - 1) == 0;
    if (!is_same || sightings->items[i].seen.at < seen.at) {
        snprintf(sightings->items[i].pair, PAIR_SIZE, "%s", pair);
        sightings->items[i].seen = seen;
    }
    if (i == sightings->n)
        sightings->n++;
    pthread_mutex_unlock(&sightings->mutex);
}

bool sighting_find(struct sightings *sightings, const char *pair, struct sighting *ret)
{
    pthread_mutex_lock(&sightings->mutex);
    const size_t i = place_of(sightings, pair);
    const bool is_there = i < sightings->n && strncmp(sightings->items[i].pair, pair, PAIR_SIZE - 1) == 0;
    if (is_there)
        *ret = sightings->items[i].seen;
    pthread_mutex_unlock(&sightings->mutex);
    return is_there;
}

/* ---- the judgement ----------------------------------------------------------------------------------------------- */

static uint64_t behind(uint64_t position, uint64_t end)
{
    return end > position ? end - position : 0;
}

struct lag lag_judge(const struct replica *replica, const struct sighting *seen, uint64_t max_bytes, int64_t max_ms)
{
    if (!seen)
        return (struct lag){.verdict = LAG_UNKNOWN, .ms = -1};
    const uint64_t held = replica->received > replica->replayed ? replica->received : replica->replayed;
    struct lag lag = {
        .verdict = LAG_BEYOND, .bytes = behind(replica->replayed, seen->lsn), .missing = behind(held, seen->lsn)};
    /* A primary where nobody writes commits nothing: then the age of the last commit says nothing. */
    lag.ms = lag.bytes == 0 ? 0 : replica->replay_age;
    const bool is_late = max_ms > 0 && (lag.ms < 0 || lag.ms > max_ms);
    const bool replay_suffices = lag.missing == 0 || (lag.missing <= max_bytes && max_ms == 0);
    if (lag.bytes <= max_bytes && !is_late)
        lag.verdict = LAG_WITHIN;
    else if (!replica->is_paused && (replica->is_streaming || replay_suffices))
        lag.verdict = LAG_CLOSING;
    return lag;
}
