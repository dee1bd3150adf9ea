"""What every rule has in common: reading sources, and the two ways to run it.

    /usr/bin/python3 tests/rules/layers.py check ROOT    prints violations, exit 1 when there are any
    /usr/bin/python3 tests/rules/layers.py plant ROOT    plants each known violation in a copy, exit 1 when one is missed

A rule that cannot fail is worth nothing: that is why each rule brings the violations that it must find.
"""

import os
import re
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True

LEFT_OUT = {".git", "build", "__pycache__", ".pytest_cache", "node_modules"}


class Violation:
    def __init__(self, path, line, text):
        self.path, self.line, self.text = path, line, text

    def __str__(self):
        return f"{self.path}:{self.line}: {self.text}"


def files_under(root, *folders, ends=("",)):
    """Paths relative to root, in order; folders that do not exist are empty."""
    found = []
    for folder in folders or ("",):
        for at, names, files in os.walk(os.path.join(root, folder)):
            names[:] = [n for n in names if n not in LEFT_OUT and not n.startswith("build-")]
            # In a worktree of git's, .git is a file.
            found += [os.path.relpath(os.path.join(at, f), root) for f in files
                      if f.endswith(tuple(ends)) and f not in LEFT_OUT]
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return file.read()


TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def blank(text):
    """As many lines as before, and nothing else."""
    return re.sub(r"[^\n]", " ", text)


def without_comments(text):
    """C source with its comments blanked out; strings and line numbers stay."""
    return TOKEN.sub(lambda m: blank(m[0]) if m[0].startswith("/") else m[0], text)


def without_comments_and_strings(text):
    return TOKEN.sub(lambda m: blank(m[0]) if m[0].startswith("/") else '""' + " " * (len(m[0]) - 2), text)


def strings_of(text):
    """(line, content) of each string literal outside comments; adjacent literals are one string."""
    code = without_comments(text)
    joined = re.compile(r'"(?:\\.|[^"\\\n])*"(?:\s*"(?:\\.|[^"\\\n])*")*')
    for match in joined.finditer(code):
        parts = re.findall(r'"((?:\\.|[^"\\\n])*)"', match[0])
        yield code.count("\n", 0, match.start()) + 1, "".join(parts)


def write(root, path, text):
    full = os.path.join(root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w", encoding="utf-8") as file:
        file.write(text)


def copy_tree(root, to, is_needed):
    for path in files_under(root):
        if is_needed(path):
            target = os.path.join(to, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(os.path.join(root, path), target)


def plant(check, plants, root, is_needed):
    """Each plant is (what it is, path it must be found in, function that plants it into a root)."""
    missed = 0
    with tempfile.TemporaryDirectory(prefix="turnout-rules-") as copies:
        clean = os.path.join(copies, "clean")
        os.mkdir(clean)
        copy_tree(root, clean, is_needed)
        before = {str(v) for v in check(clean)}
        for number, (name, path, put) in enumerate(plants):
            copy = os.path.join(copies, str(number))
            shutil.copytree(clean, copy)
            put(copy)
            new = [v for v in check(copy) if str(v) not in before and v.path == path]
            print(f"{'found ' if new else 'MISSED'} {name}: {new[0] if new else path}")
            missed += not new
            shutil.rmtree(copy)
    return 1 if missed or not plants else 0


def main(check, plants, is_needed=lambda path: True):
    """`is_needed` says which files the copies for planting must have: the less, the quicker."""
    if len(sys.argv) != 3 or sys.argv[1] not in ("check", "plant"):
        sys.exit(f"usage: {sys.argv[0]} check|plant ROOT")
    root = os.path.abspath(sys.argv[2])
    if sys.argv[1] == "plant":
        sys.exit(plant(check, plants, root, is_needed))
    violations = check(root)
    for violation in violations:
        print(violation)
    sys.exit(1 if violations else 0)
