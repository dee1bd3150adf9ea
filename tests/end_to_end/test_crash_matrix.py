"""A sample of the crash matrix: every day another one, of all kinds and ways. scripts/crash-matrix --all does the whole."""

import os
import random
import time

import pytest

import crash_matrix
import crash_scenarios  # noqa: F401  pylint: disable=unused-import


SEED = int(os.environ.get("TURNOUT_CRASH_SEED", int(time.time()) // 86400))


@pytest.fixture(scope="module")
def points(tmp_path_factory):
    return crash_matrix.first_pass(str(tmp_path_factory.mktemp("first")), list(crash_matrix.KINDS))


def test_a_run_passes_its_commits_its_requests_and_what_lies_between(points):
    for kind in ("failover", "failback", "undo"):
        for step in range(6):
            for what in ("commit before: step %d attempt 2 apply ended #1", "commit after: step %d attempt 2 apply ended #1",
                         "push before: step %d attempt 2 apply #1", "call before: step %d attempt 2 apply #1",
                         "request before: step %d attempt 2 apply #1", "request after: step %d attempt 2 apply #1"):
                assert what % step in points[kind], what % step
    # Going back is as long again as the way there.
    assert len(points["undo"]) > 1.3 * len(points["failover"])


def sample(points, how):
    """One of each kind; where there are any with a fault (or with a restart on a full disk), every other one is."""
    trials = []
    for n, kind in enumerate(points):
        of_kind = crash_matrix.all_trials({kind: points[kind]}, [how], SEED)
        wanted = [trial for trial in of_kind if bool(trial.fault) == ((n + SEED) % 2 == 0)]
        trials.append(random.Random("%d %s %s" % (SEED, kind, how)).choice(wanted or of_kind))
    return trials


@pytest.fixture(scope="module")
def score(points, tmp_path_factory):
    """Of all ways at once: the providers and templates of a worker take as long to make as its trials of one way."""
    folder = str(tmp_path_factory.mktemp("trials"))
    trials = {how: sample(points, how) for how in crash_matrix.HOWS if how != "full" or crash_matrix.can_mount(folder)}
    found = crash_matrix.carry_out([trial for how in trials for trial in trials[how]], folder, 4)
    print("seed %d: %s" % (SEED, found))
    return trials, found


@pytest.mark.parametrize("how", crash_matrix.HOWS)
def test_a_point_of_each_kind(score, how):
    trials, found = score
    if how not in trials:
        pytest.skip("file systems cannot be made here; test_store_fault has a full disk without")
    wrong = ["%s: %s" % (trial, text) for _, trial, text in found.wrong if trial.how == how]
    assert not wrong, "TURNOUT_CRASH_SEED=%d: %s\n%s" % (SEED, found, "\n".join(wrong))
    assert sum(trial.is_reached for trial in trials[how]) >= len(trials[how]) / 2
