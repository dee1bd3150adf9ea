/* What the tests of the three DNS actions have in common: one sandbox, its credentials, its faults, and what holds for
 * each of them alike. For tests that are linked with nothing else that has a sandbox. */
#ifndef TURNOUT_TESTS_DNS_RIG_H
#define TURNOUT_TESTS_DNS_RIG_H

#include "action_rig.h"

static struct sandbox sandbox;

__attribute__((unused)) static const char *const linode_secrets[] = {"token=sandbox-linode-token", NULL};
__attribute__((unused)) static const char *const ovh_secrets[] = {
    "application_key=sandbox-ak", "application_secret=sandbox-as", "consumer_key=sandbox-ck", NULL};
__attribute__((unused)) static const char *const aws_secrets[] = {"access_key_id=AKIASANDBOX0000000000",
                                                                  "secret_access_key=sandbox-aws-secret", NULL};

static inline void fault(const char *json)
{
    sandbox_do(&sandbox, "faults", json);
}

/* Observes, changes, and puts back what was found, to the letter. `settles`: where two changes cannot follow at once.
 */
static inline void put_back(struct rig *rig, const char *provider, const char *zone, bool settles)
{
    json_t *before = sandbox_zone(&sandbox, provider, zone, "accepted");
    assert_outcome(rig, rig_observe(rig), OUTCOME_OK);
    json_t *previous = json_incref(rig->result.previous);
    assert_non_null(previous);
    assert_outcome(rig, rig_apply(rig), OUTCOME_OK);
    if (settles)
        assert_outcome(rig, rig_settle(rig, 5000), OUTCOME_OK);
    json_object_update(rig->args, previous);
    assert_outcome(rig, rig_observe(rig), OUTCOME_OK);
    assert_false(rig->result.is_right);
    assert_outcome(rig, rig_apply(rig), OUTCOME_OK);
    assert_outcome(rig, rig_observe(rig), OUTCOME_OK);
    assert_true(rig->result.is_right);
    assert_outcome(rig, rig_settle(rig, 5000), OUTCOME_OK);
    json_t *after = sandbox_zone(&sandbox, provider, zone, "accepted");
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
    json_decref(previous);
}

#endif
