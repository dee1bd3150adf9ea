"""Nothing is left for later, and nothing points to a place that only its writer had."""

import re

import rule
from rule import Violation

# Written so that this file does not find itself.
MARKS = [
    (re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b"), "a mark of unfinished work: finish it, or open an issue"),
    (re.compile(r"(?<![\w.\-/])/(?:wo" r"rk|ho" r"me|Us" r"ers)/\w"), "an absolute path of somebody's machine"),
    (re.compile(r"\.\./(?:\.\./)*(?:sha" r"red|\.lib" r"rary)\b|(?<!\w)\.lib" r"rary/"), "a path outside the repository"),
    (re.compile(r"^(?:<<<<<<<|>>>>>>>) ", re.MULTILINE), "a merge that was not finished"),
]
# Inputs of fuzzers are any bytes.
NOT_TEXT = ("tests/fuzz/corpus/",)


def check(root):
    violations = []
    for path in rule.files_under(root):
        if path.startswith(NOT_TEXT):
            continue
        text = rule.read(root, path)
        if "\0" in text:
            continue
        for pattern, wrong in MARKS:
            for match in pattern.finditer(text):
                violations.append(Violation(path, text.count("\n", 0, match.start()) + 1, f"{match[0]!r}: {wrong}"))
    return violations


def planted(path, text):
    return text.strip(), path, lambda root: rule.write(root, path, text)


PLANTS = [
    planted("server/core/zz.c", "/* TO" "DO: think */\n"),
    planted("tests/end_to_end/test_zz.py", "# FIX" "ME\n"),
    planted("scripts/zz", "# XX" "X what is this\n"),
    planted("CMakeLists.txt", "# HA" "CK\n"),
    planted("README.zz.md", "See /wo" "rk/main/README.md.\n"),
    planted("README.zz.md", "As in `../sha" "red/design/style.md`.\n"),
    planted("server/store/zz.h", "/* ../../sha" "red/x */\n"),
    planted("README.zz.md", "From ../.lib" "rary/search.\n"),
    planted("examples/zz.yaml", "database: /ho" "me/somebody/turnout.db\n"),
    planted("server/base/zz.c", "<<<<<<< ours\n"),
]

if __name__ == "__main__":
    rule.main(check, PLANTS, lambda path: False)
