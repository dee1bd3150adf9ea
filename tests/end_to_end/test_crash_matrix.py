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
    # Going back is as long again as the way there.
    assert len(points["undo"]) > 1.3 * len(points["failover"])


@pytest.mark.parametrize("how", crash_matrix.HOWS)
def test_every_kth_point(points, tmp_path, how):
    if how == "full" and not crash_matrix.can_mount(str(tmp_path)):
        pytest.skip("file systems cannot be made here; test_store_fault has a full disk without")
    trials = crash_matrix.all_trials(points, [how], SEED)
    every = max(1, len(trials) // TRIALS)
    score = crash_matrix.carry_out(trials[SEED % every::every], str(tmp_path), 4)
    print("seed %d: %s" % (SEED, score))
    assert not score.wrong, "TURNOUT_CRASH_SEED=%d: %s\n%s" % (SEED, score, "\n".join("%s: %s" % wrong[1:] for wrong in score.wrong))
    assert score.tried >= TRIALS / 2
