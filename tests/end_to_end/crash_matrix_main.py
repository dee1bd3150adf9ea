"""The crash matrix as a program: see scripts/crash-matrix."""

import argparse
import sys
import tempfile
import time

import crash_matrix
import crash_scenarios  # noqa: F401  pylint: disable=unused-import


def options():
    parser = argparse.ArgumentParser(prog="crash-matrix")
    parser.add_argument("--all", action="store_true", help="every point, not every third")
    parser.add_argument("--kind", action="append", choices=tuple(crash_matrix.KINDS), help="(default: all)")
    parser.add_argument("--how", action="append", choices=crash_matrix.HOWS, help="(default: all)")
    parser.add_argument("--point", help="only those whose name holds this")
    parser.add_argument("--fault", choices=(*crash_matrix.FAULTS, "late", "midst", "restart", "none"),
                        help="only trials with it, or without any")
    parser.add_argument("--seed", type=int, default=int(time.time()) // 86400, help="which faults, and which third (default: the day)")
    parser.add_argument("--workers", type=int, default=5)
    return parser.parse_args()


def tell(score, trial, wrong):
    if wrong:
        print("\n%s\n    %s" % (trial, wrong[2]), flush=True)
    elif (score.tried + score.missed) % 50 == 0:
        print(score, flush=True)


def main():
    chosen = options()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="turnout-crash-") as folder:
        points = crash_matrix.first_pass(folder, chosen.kind or list(crash_matrix.KINDS))
        for kind, names in points.items():
            print("%s passes %d points" % (kind, len(names)))
        if chosen.point:
            points = {kind: [name for name in names if chosen.point in name] for kind, names in points.items()}
        trials = crash_matrix.all_trials(points, chosen.how or crash_matrix.HOWS, chosen.seed)
        if chosen.fault:
            trials = [trial for trial in trials if (trial.fault or "none") == chosen.fault]
        if not chosen.all and not chosen.point:
            trials = trials[chosen.seed % 3::3]
        score = crash_matrix.carry_out(trials, folder, chosen.workers, tell)
    print("%s; seed %d, %d s" % (score, chosen.seed, time.monotonic() - begin))
    return 1 if score.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
