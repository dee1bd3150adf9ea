"""Formatting and shell scripts are what their tools want: clang-format-14 for all C, shellcheck for all shell."""

import os
import re
import subprocess

import rule
from rule import Violation

SHELL = re.compile(r"\A#!\s*/(?:usr/)?bin/(?:env\s+)?(?:ba|da)?sh\b|\A(?:#.*\n)*# shellcheck shell=")


def lines_of(command, root, pattern):
    """Violations from the lines of a tool's output; a tool that fails without such a line is an error of ours."""
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    found = [Violation(m["path"], int(m["line"]), m["text"])
             for m in re.finditer(pattern, done.stdout + done.stderr, re.MULTILINE)]
    if done.returncode != 0 and not found:
        raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}")
    return found


def check_c(root):
    files = rule.files_under(root, "server", "handlers", "actions", "tests", ends=(".c", ".h"))
    if not files:
        return []
    found = lines_of(["clang-format-14", "--dry-run", "-Werror", "--style=file", *files], root,
                     r"^(?P<path>[^:\n]+):(?P<line>\d+):\d+: error: (?P<text>.*)$")
    first = {}
    for violation in found:
        first.setdefault(violation.path, violation)
    return list(first.values())


def check_shell(root):
    files = [path for path in rule.files_under(root)
             if (os.path.splitext(path)[1] in ("", ".sh")) and SHELL.match(rule.read(root, path))]
    if not files:
        return []
    return lines_of(["shellcheck", "-x", "-P", ".", "-f", "gcc", *files], root,
                    r"^(?P<path>[^:\n]+):(?P<line>\d+):\d+: (?P<text>(?:error|warning|note): .*)$")


def check(root):
    return check_c(root) + check_shell(root)


def planted(name, path, text):
    return name, path, lambda root: rule.write(root, path, text)


PLANTS = [
    planted("C that is formatted otherwise", "server/core/zz.c", "int  zz ( void )\n{ return 1 ; }\n"),
    planted("a header too", "handlers/zz.h", "struct zz{int a;};\n"),
    planted("a test too", "tests/unit/test_zz.c", "int main(void) {\n\treturn 0;\n}\n"),
    planted("a line of more than 120 columns", "actions/zz.c",
            "int zz_with_a_long_name(int the_first_of_them, int the_second_of_them, int the_third_of_them, "
            "int the_fourth_of_them, int the_last);\n"),
    planted("a script with an unquoted variable", "scripts/zz", "#!/usr/bin/env bash\nrm -r $1\n"),
    planted("a sourced script", "scripts/zz", "# shellcheck shell=bash\nzz() {\n    cd $1\n}\n"),
]

if __name__ == "__main__":
    rule.main(check, PLANTS, lambda path: path == ".clang-format")
