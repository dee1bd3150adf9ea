"""A sample of the crash matrix: every day another one, of all kinds and ways. scripts/crash-matrix --all does the whole."""

import os
import time

import pytest

import crash_matrix


SEED = int(os.environ.get("TURNOUT_CRASH_SEED", int(time.time()) // 86400))
TRIALS = 8


@pytest.fixture(scope="module")
def points(tmp_path_factory):
    return crash_matrix.first_pass(tmp_path_factory.mktemp("first"))


def test_a_run_passes_its_commits_its_requests_and_what_lies_between(points):
    for names in points.values():
        for step in range(6):
            for what in ("commit before: step %d attempt 2 apply ended #1", "commit after: step %d attempt 2 apply ended #1",
                         "push before: step %d attempt 2 apply #1", "call before: step %d attempt 2 apply #1",
                         "request before: step %d attempt 2 apply #1", "request after: step %d attempt 2 apply #1"):
                assert what % step in names, what % step
    for how in crash_matrix.HOWS:
        trials = sample(points, how)
        assert len(trials) >= TRIALS and {trial.kind for trial in trials} == set(points)
        assert {bool(trial.fault) for trial in trials} == ({True, False} if how in ("kill", "full") else {False})
    # Going back is as long again as the way there.
    assert len(points["undo"]) > 1.3 * len(points["failover"])


def sample(points, how):
    """An odd step: with an even one all trials of a kill would be with a fault, or none, as of a full disk with a restart."""
    trials = crash_matrix.all_trials(points, [how], SEED)
    every = max(1, len(trials) // TRIALS) | 1
    return trials[SEED % every::every]


@pytest.fixture(scope="module")
def score(points, tmp_path_factory):
    """Of all ways at once: the providers and templates of a worker take as long to make as its trials of one way."""
    folder = str(tmp_path_factory.mktemp("trials"))
    trials = {how: sample(points, how) for how in crash_matrix.HOWS if how != "full" or crash_matrix.can_mount(folder)}
    found = crash_matrix.carry_out([trial for how in trials for trial in trials[how]], folder, 4)
    print("seed %d: %s" % (SEED, found))
    return trials, found


@pytest.mark.parametrize("how", crash_matrix.HOWS)
def test_every_kth_point(score, how):
    trials, found = score
    if how not in trials:
        pytest.skip("file systems cannot be made here; test_store_fault has a full disk without")
    wrong = ["%s: %s" % (trial, text) for _, trial, text in found.wrong if trial.how == how]
    assert not wrong, "TURNOUT_CRASH_SEED=%d: %s\n%s" % (SEED, found, "\n".join(wrong))
    assert sum(trial.is_reached for trial in trials[how]) >= TRIALS / 2
