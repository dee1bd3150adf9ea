"""Plants each fault of this folder into a copy of server/core, and a random walk has to find it: engine_* that over the
engine, all others that over the decision.

    /usr/bin/python3 tests/faults/plant.py ROOT

A walk that cannot fail is worth nothing. Each patch says above its diff what it breaks and, behind "Breaks:", which promises
of the walk's witness may be the first to end. It has to apply exactly: where server/core has moved on, it is made anew.
"""

import concurrent.futures
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

WALKS = { # by their sources: how much they walk without a fault, and with one
    "engine": (["tests/unit/test_playbook_walk.c"], "TURNOUT_WALK_RUNS", 3000, 30000),
    "decision": (["tests/unit/walk/*.c", "tests/unit/test_decide_walk.c"], "TURNOUT_WALK_EVENTS", 30000, 240000),
}
FLAGS = ["-std=c17", "-D_GNU_SOURCE", "-O1", "-g"]
LIBRARIES = ["cmocka", "jansson", "gnutls", "uuid"]


def pkg_config(what):
    return subprocess.run(["pkg-config", what, *LIBRARIES], check=True, capture_output=True, text=True).stdout.split()


def compile_all(sources, folder, include):
    """Compiles each source into an object in the folder; returns these by source."""
    compiler = os.environ.get("CC", "cc")

    def one(source):
        target = os.path.join(folder, re.sub(r"\W", "_", os.path.relpath(source, include[-1])) + ".o")
        command = [compiler, *FLAGS, *pkg_config("--cflags"), *["-I" + path for path in include], "-c", source, "-o", target]
        subprocess.run(command, check=True)
        return source, target

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(pool.map(one, sources))


def kind_of(path):
    return "engine" if os.path.basename(path).startswith("engine_") else "decision"


def sources_of(root, kind):
    patterns = ["server/core/*.c", "server/base/*.c", *WALKS[kind][0]]
    return [path for pattern in patterns for path in glob.glob(os.path.join(root, pattern))]


def walk(objects, folder, kind, is_sound):
    """Links and runs it. Returns (whether it passed, what it printed)."""
    program = os.path.join(folder, "walk")
    subprocess.run([os.environ.get("CC", "cc"), *objects, "-o", program, *pkg_config("--libs"), "-lpthread"], check=True)
    _, variable, least, most = WALKS[kind]
    environment = dict(os.environ, TURNOUT_WALK_SEED="1", **{variable: str(least if is_sound else most)})
    run = subprocess.run([program], env=environment, capture_output=True, text=True, errors="replace", timeout=100)
    return run.returncode == 0, run.stdout + run.stderr


def promise_broken(output):
    """Of "seed 1: WHAT" or "seed 1, event 12, shop: WHAT", of an error; None: it ended otherwise."""
    match = re.search(r"ERROR: seed \d+(?:, event \d+, \w+)?: (.*)", output)
    return match[1] if match else None


def plant(root, patch, sound, folder):
    """Returns what is wrong with it, or None."""
    with open(patch, encoding="utf-8") as file:
        text = file.read()
    wanted = re.search(r"^Breaks: (.*)$", text, re.M)
    if not wanted:
        return "it does not say which promise it breaks"
    for part in ("server/core", "server/base"):
        shutil.copytree(os.path.join(root, part), os.path.join(folder, part))
    applied = subprocess.run(["git", "apply", "-p1", patch], cwd=folder, capture_output=True, text=True,
                             env=dict(os.environ, GIT_CEILING_DIRECTORIES=os.path.dirname(folder)))
    if applied.returncode != 0:
        return "it does not apply to server/core any more, make it anew: " + applied.stderr.strip()
    changed = re.findall(r"^\+\+\+ b/(\S+)", text, re.M)
    if not changed or not all(path.startswith("server/core/") and path.endswith(".c") for path in changed):
        return "it changes something else than sources of server/core"
    new = compile_all([os.path.join(folder, path) for path in changed], folder, [os.path.join(folder, "server"), root, folder])
    kind = kind_of(patch)
    objects = {os.path.relpath(source, root): sound[source] for source in sources_of(root, kind)}
    objects.update({os.path.relpath(source, folder): target for source, target in new.items()})
    passed, output = walk(objects.values(), folder, kind, False)
    if passed:
        return "MISSED: the walk over the %s passes with it" % kind
    found = promise_broken(output)
    if found not in wanted[1].split(" | "):
        return "the walk ended with %r instead of %r" % (found or output[-300:], wanted[1])
    return None


def main():
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} ROOT")
    root = os.path.abspath(sys.argv[1])
    patches = sorted(glob.glob(os.path.join(root, "tests/faults/*.patch")))
    failed = len(patches) < 3
    with tempfile.TemporaryDirectory(prefix="turnout-faults-") as folder:
        sources = {kind: sources_of(root, kind) for kind in WALKS}
        sound = compile_all(sorted({path for some in sources.values() for path in some}), folder, [os.path.join(root, "server"), root])
        for kind, some in sources.items():
            passed, output = walk([sound[path] for path in some], folder, kind, True)
            if not passed:
                sys.exit("without a fault the walk over the %s does not pass:\n%s" % (kind, output[-4000:]))
        for patch in patches:
            copy = os.path.join(folder, os.path.basename(patch) + ".d")
            os.mkdir(copy)
            wrong = plant(root, patch, sound, copy)
            print(f"{'WRONG ' if wrong else 'found '} {os.path.basename(patch)}{': ' + wrong if wrong else ''}", flush=True)
            failed |= wrong is not None
            shutil.rmtree(copy)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
