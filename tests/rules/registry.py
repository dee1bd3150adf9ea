"""The registries are complete: what is in a list is defined in exactly one file of its folder, and what is defined is in
the list. A handler that is missing from its list would compile, and never be found.
"""

import re

import rule
from rule import Violation

# Struct, prefix of the variable's name, list, folder.
REGISTRIES = [
    ("handler", "handler_", "HANDLER_LIST", "handlers"),
    ("action", "action_", "ACTION_LIST", "actions"),
    ("provider_kind", "provider_kind_", "PROVIDER_KIND_LIST", "actions"),
]


def entries(root, folder, macro):
    """(line, name) of each X(name) of the list; None when the list is not there."""
    text = rule.without_comments(rule.read(root, f"{folder}/list.h"))
    match = re.search(rf"#define[ \t]+{macro}\(X\)((?:.*\\\n)*.*)", text)
    if not match:
        return None
    return [
        (text.count("\n", 0, match.start(1) + m.start()) + 1, m[1])
        for m in re.finditer(r"\bX\(\s*(\w+)\s*\)", match[1])
    ]


def definitions(root, folder, struct):
    """(path, line, is static, variable) of each object of that type with an initializer."""
    pattern = re.compile(rf"(\bstatic\s+)?\bconst\s+struct\s+{struct}\s+(\w+)\s*=\s*\{{")
    for path in rule.files_under(root, folder, ends=(".c", ".h")):
        code = rule.without_comments_and_strings(rule.read(root, path))
        for match in pattern.finditer(code):
            yield path, code.count("\n", 0, match.start(2)) + 1, bool(match[1]), match[2]


def check_registry(root, struct, prefix, macro, folder):
    listed = entries(root, folder, macro)
    if not listed:
        return [Violation(f"{folder}/list.h", 1, f"{macro} is missing or empty")]
    violations = []
    names = [name for _, name in listed]
    defined = {}
    for path, line, is_static, variable in definitions(root, folder, struct):
        name = variable.removeprefix(prefix)
        if is_static or not variable.startswith(prefix):
            wrong = f"{variable} cannot be in {macro}: call it {prefix}…, and do not make it static"
        elif name not in names:
            wrong = f"{variable} is not in {macro}"
        elif name in defined:
            wrong = f"{variable} is defined in {defined[name]} already"
        else:
            wrong = None
        if wrong:
            violations.append(Violation(path, line, wrong))
        defined.setdefault(name, path)
    for line, name in listed:
        if name not in defined:
            violations.append(Violation(f"{folder}/list.h", line, f"{prefix}{name} is defined in no file of {folder}/"))
        if names.count(name) > 1:
            violations.append(Violation(f"{folder}/list.h", line, f"{name} is in {macro} twice"))
    return violations


def check(root):
    violations = []
    for registry in REGISTRIES:
        violations += check_registry(root, *registry)
    return violations


def edit(path, old, new):
    def put(root):
        text = rule.read(root, path)
        assert old in text, f"{path} has no {old}"
        rule.write(root, path, text.replace(old, new, 1))

    return put


def new_file(path, text):
    return lambda root: rule.write(root, path, text)


def defined_twice(root):
    _, first = entries(root, "handlers", "HANDLER_LIST")[0]
    rule.write(root, "handlers/zz.c", f"const struct handler handler_{first} = {{0}};\n")


PLANTS = [
    ("a handler that is not in the list", "handlers/zz.c",
     new_file("handlers/zz.c", "const struct handler handler_zz = {\n    .kind = \"zz\",\n};\n")),
    ("an action that is not in the list", "actions/zz.c",
     new_file("actions/zz.c", "const struct action action_zz = {.name = \"zz.zz\"};\n")),
    ("a provider kind that is not in the list", "actions/zz.c",
     new_file("actions/zz.c", "const struct provider_kind provider_kind_zz =\n    {.name = \"zz\"};\n")),
    ("a listed handler without a file", "handlers/list.h",
     edit("handlers/list.h", "HANDLER_LIST(X) ", "HANDLER_LIST(X) X(zz) ")),
    ("a listed action without a file", "actions/list.h",
     edit("actions/list.h", "    X(", "    X(zz) X(")),
    ("a listed provider kind without a file", "actions/list.h",
     edit("actions/list.h", "#define PROVIDER_KIND_LIST(X)", "#define PROVIDER_KIND_LIST(X) X(zz)")),
    ("a handler defined only in a comment", "handlers/list.h",
     lambda root: (edit("handlers/list.h", "HANDLER_LIST(X) ", "HANDLER_LIST(X) X(zz) ")(root),
                   rule.write(root, "handlers/zz.c", "/* const struct handler handler_zz = {0}; */\n"))),
    ("a handler defined twice", "handlers/zz.c", defined_twice),
    ("a static handler", "handlers/zz.c",
     new_file("handlers/zz.c", "static const struct handler handler_alertmanager = {0};\n")),
    ("a handler of another name", "handlers/zz.c", new_file("handlers/zz.c", "const struct handler zz = {0};\n")),
    ("an entry twice", "handlers/list.h",
     edit("handlers/list.h", "HANDLER_LIST(X) ", "HANDLER_LIST(X) X(alertmanager) ")),
    ("no list at all", "handlers/list.h", new_file("handlers/list.h", "/* nothing */\n")),
]

if __name__ == "__main__":
    rule.main(check, PLANTS, lambda path: path.startswith(("handlers/", "actions/")))
