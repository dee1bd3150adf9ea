#include "actions/budget.h"

#include "actions/common.h"
#include "base/clock.h"

#include <pthread.h>
#include <time.h>

#define POLL_MS 50                  /* a cancel is seen within this time */
#define MAX_LEFT_MS (2 * 60 * 1000) /* a provider's word that nothing is left is not believed for longer */

/* One for all: it is held for some instructions, some times a second. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* ---- the reckoning ----------------------------------------------------------------------------------------------- */

static void forget_old(struct budget *budget, const struct rate *rate, int64_t now)
{
    while (budget->count > 0 && budget->sent_at[budget->first] <= now - rate->per_ms) {
        budget->first = (budget->first + 1) % MAX_RATE;
        budget->count--;
    }
    if (budget->left_until <= now)
        budget->left_until = 0;
}

int64_t budget_take(struct budget *budget, const struct rate *rate, bool is_look, int64_t now)
{
    if (rate->requests == 0)
        return 0;
    forget_old(budget, rate, now);
    int reserve = is_look ? (rate->requests + 4) / 5 : 0;
    int may = rate->requests - reserve > 0 ? rate->requests - reserve : 1;
    if (is_look && budget->n_waiting > 0)
        return now + POLL_MS;
    if (budget->left_until != 0 && budget->left <= reserve)
        return budget->left_until;
    if (budget->count >= may) {
        /* When so many have left the window that there is room for one. */
        int nth = (budget->first + budget->count - may) % MAX_RATE;
        return budget->sent_at[nth] + rate->per_ms;
    }
    budget->sent_at[(budget->first + budget->count++) % MAX_RATE] = now;
    budget->left--;
    return 0;
}

void budget_learn(struct budget *budget, int left, int64_t reset_at, int64_t now)
{
    if (left < 0 || reset_at <= now)
        return;
    if (reset_at > now + MAX_LEFT_MS)
        reset_at = now + MAX_LEFT_MS;
    /* Answers overtake each other, and the provider may count several things: the least counts, until it is old. */
    if (budget->left_until > now && budget->left < left)
        return;
    budget->left = left;
    budget->left_until = reset_at;
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

static struct rate rate_of(const struct provider *provider)
{
    struct rate rate = provider->kind->rate;
    rate.requests = (int)arg_int(provider->args, "rate", rate.requests);
    if (rate.requests > MAX_RATE)
        rate.requests = MAX_RATE;
    return rate;
}

/* `is_told`: it is the provider's own word that holds the call up. */
static int64_t try_take(struct action_call *call, const struct rate *rate, bool *is_waiting, bool *is_told)
{
    struct budget *budget = &call->provider->budget;
    pthread_mutex_lock(&mutex);
    int64_t at = budget_take(budget, rate, call->is_look, clock_steady_ms());
    *is_told = at != 0 && at == budget->left_until;
    if (!call->is_look && (at != 0) != *is_waiting) {
        *is_waiting = at != 0;
        budget->n_waiting += *is_waiting ? 1 : -1;
    }
    pthread_mutex_unlock(&mutex);
    return at;
}

static void wait_no_more(struct action_call *call)
{
    pthread_mutex_lock(&mutex);
    call->provider->budget.n_waiting--;
    pthread_mutex_unlock(&mutex);
}

static enum err wait_for_turn(struct action_call *call, const struct rate *rate, bool *is_waiting, struct errmsg *why)
{
    int64_t at;
    bool is_told;
    while ((at = try_take(call, rate, is_waiting, &is_told)) != 0) {
        int64_t now = clock_steady_ms();
        if (call_is_cancelled(call))
            return err_set(why, ERR_CANCELLED, "cancelled before anything was sent");
        if (at >= call->deadline_at || now >= call->deadline_at) {
            call->retry_after_ms = at > now ? at - now : POLL_MS;
            long long pause_s = (call->retry_after_ms + 999) / 1000;
            if (is_told)
                return err_set(why, ERR_BUSY, "it says that no requests are left; the next may go in %lld s", pause_s);
            return err_set(why, ERR_BUSY,
                           "the requests that it takes in a time (%d in %lld s) are used up; the next may go in %lld s",
                           rate->requests, (long long)rate->per_ms / 1000, pause_s);
        }
        int64_t pause_ms = at - now < 1 ? 1 : at - now < POLL_MS ? at - now : POLL_MS;
        nanosleep(&(struct timespec){.tv_nsec = (long)pause_ms * 1000000}, NULL);
    }
    return ERR_OK;
}

enum err budget_wait(struct action_call *call, struct errmsg *why)
{
    if (!call->provider)
        return ERR_OK;
    struct rate rate = rate_of(call->provider);
    bool is_waiting = false;
    enum err err = wait_for_turn(call, &rate, &is_waiting, why);
    if (is_waiting)
        wait_no_more(call);
    return err;
}

void budget_heed(struct action_call *call, int left, int64_t reset_at_wall)
{
    if (!call->provider || left < 0 || reset_at_wall == 0)
        return;
    int64_t now = clock_steady_ms();
    pthread_mutex_lock(&mutex);
    budget_learn(&call->provider->budget, left, now + (reset_at_wall - clock_wall_ms()), now);
    pthread_mutex_unlock(&mutex);
}
