"""Rule: static/openapi.yaml describes every route of the two listeners, and nothing else; and every code of an error.

What the answers look like is shown by tests/end_to_end/test_openapi.py, against the daemon. This one is about what no
request finds: an operation that nobody has described, or an error that no test can bring about.
"""

import re

import rule
import yaml
from rule import Violation

DESCRIPTION = "static/openapi.yaml"
TABLES = [("hooks", "server/http/hooks.c", "hooks_routes"), ("api", "server/http/api.c", "api_routes")]
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
HOOKS_SERVER = "http://{address}"
# Which need an operator's token; the others do not.
ROLES = {"ACCESS_VIEWER": True, "ACCESS_APPROVER": True, "ACCESS_OPERATOR": True}


class Route:
    def __init__(self, path, line, listener, method, pattern, access, parameters):
        self.path, self.line, self.listener, self.method, self.pattern = path, line, listener, method, pattern
        self.access, self.parameters = access, parameters


def macros(code):
    """Name to (arguments, text) of the macros with arguments."""
    joined = code.replace("\\\n", "  ")
    return {m[1]: ([a.strip() for a in m[2].split(",")], m[3])
            for m in re.finditer(r"^#define[ \t]+(\w+)\(([^)]*)\)(.*)$", joined, re.MULTILINE)}


def arguments_of(text):
    """Split at the commas that stand in no string and no brackets."""
    return [part.strip() for part in re.findall(r'(?:"(?:\\.|[^"\\])*"|\([^()]*\)|[^,"()])+', text)]


def fields_of(row, known):
    """The initializer of a row, its macro filled in."""
    match = re.match(r"(\w+)\((.*)\)$", row, re.DOTALL)
    if match and match[1] in known:
        names, text = known[match[1]]
        for name, value in zip(names, arguments_of(match[2])):
            text = re.sub(rf"\b{re.escape(name)}\b", lambda _, value=value: value, text)
        row = text.strip()
    return arguments_of(row.strip().strip("{}"))


def routes(root):
    for listener, path, table in TABLES:
        code = rule.without_comments(rule.read(root, path))
        known = macros(code)
        found = re.search(rf"const struct route {table}\[\] = \{{(.*?)\n\}};", code, re.DOTALL)
        for row in re.finditer(r"^ {4}(\S.*?),\n(?= {4}\S|\Z)", found[1] + "\n" if found else "", re.MULTILINE | re.DOTALL):
            line = code.count("\n", 0, found.start(1) + row.start()) + 1
            fields = fields_of(row[1], known)
            if fields[0] == "NULL":
                continue
            parameters = {f for f in fields[7].strip('"').split() if f != "NULL"} if len(fields) > 7 else set()
            yield Route(path, line, listener, fields[0].strip('"').lower(), fields[1].strip('"'), fields[2], parameters)


def line_of(text, path):
    at = text.find(f"\n  {path}:\n")
    return text.count("\n", 0, at) + 2 if at >= 0 else 1


def resolved(document, thing):
    while "$ref" in thing:
        target = document
        for key in thing["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        thing = target
    return thing


def listeners_of(item):
    urls = [server["url"] for server in item.get("servers", [{"url": "./"}])]
    return {"hooks" if url == HOOKS_SERVER else "api" for url in urls}


class Operation:
    def __init__(self, document, path, item, method, listener):
        self.path, self.method, self.listener = path, method, listener
        self.what = item[method]
        # A literal segment is of a route of its own, or of one that takes any.
        self.pattern = re.sub(r"\{\w+\}", "*", path)
        given = [resolved(document, p) for p in item.get("parameters", []) + self.what.get("parameters", [])]
        self.query = {p["name"] for p in given if p["in"] == "query"}
        self.named = [p["name"] for p in given if p["in"] == "path"]


def operations(document):
    for path, item in document["paths"].items():
        for method in METHODS & set(item):
            for listener in listeners_of(item):
                yield Operation(document, path, item, method, listener)


def serves(route, operation):
    return (route.listener == operation.listener and route.method == operation.method
            and re.fullmatch(re.escape(route.pattern).replace(r"\*", "[^/]+"), operation.path) is not None)


def check_operation(operation, route):
    """What the table says of a route, and the description of its operation."""
    if sorted(operation.named) != sorted(re.findall(r"\{(\w+)\}", operation.path)):
        yield "the parameters of the path are not those that stand in it"
    if route.listener == "api" and operation.query != route.parameters:
        yield f"the query's parameters are {sorted(route.parameters) or 'none'} in {route.path}"
    needs_token = operation.what.get("security") == [{"operator": []}]
    if route.listener == "api" and needs_token != ROLES.get(route.access, False):
        yield f"whether a token is needed is not what {route.path} says"
    if route.access in ("ACCESS_APPROVER", "ACCESS_OPERATOR") and "403" not in operation.what["responses"]:
        yield "a viewer is answered 403"


# What is followed by the code of an error, as a literal: perhaps behind other arguments, or several to choose from.
CODES = re.compile(r'\b(?:answer_error|refuse_call|call_refuse|refuse)\(|\bcall->code, sizeof call->code,')
LITERAL = re.compile(r'[^";]*"([^"\\]*)"')
IN_TEXT = re.compile(r'\\"code\\":\\"(\w+)\\"')


def codes(root):
    """(path, line, code) of each code that is written out. Those of the core's refusals are reasons, and not among them."""
    for path in rule.files_under(root, "server", ends=(".c",)):
        code = rule.without_comments(rule.read(root, path))
        for found in CODES.finditer(code):
            at = found.end()
            while literal := LITERAL.match(code, at):
                if not re.fullmatch("[a-z]+(_[a-z]+)*", literal[1]):
                    break
                yield path, code.count("\n", 0, literal.start(1)) + 1, literal[1]
                at = literal.end()
        for found in IN_TEXT.finditer(code):
            yield path, code.count("\n", 0, found.start()) + 1, found[1]


def check_codes(root, document):
    known = document["components"]["schemas"]["ErrorCode"]["enum"]
    for path, line, code in codes(root):
        if code not in known:
            yield Violation(path, line, f"the code {code} of an error is not in {DESCRIPTION}")


def check(root):
    text = rule.read(root, DESCRIPTION)
    try:
        document = yaml.load(text, yaml.CSafeLoader)  # many times as quick as Python's
        described = list(operations(document))
    except (yaml.YAMLError, KeyError, TypeError) as error:
        return [Violation(DESCRIPTION, 1, f"cannot be read: {error!r}")]
    table = list(routes(root))
    violations = [Violation(path, 1, f"{name} has no rows that this rule can read")
                  for listener, path, name in TABLES if not any(r.listener == listener for r in table)]
    for route in table:
        if not any(o.pattern == route.pattern and serves(route, o) for o in described):
            violations.append(Violation(route.path, route.line, f"{route.method.upper()} {route.pattern} on the {route.listener} "
                                        f"listener is not in {DESCRIPTION}"))
    version = re.search(r"project\(turnout VERSION (\S+)", rule.read(root, "CMakeLists.txt"))
    if not version or document["info"]["version"] != version[1]:
        violations.append(Violation(DESCRIPTION, 1, "info.version is not that of CMakeLists.txt"))
    violations += check_codes(root, document)
    seen = {}
    for operation in described:
        line = line_of(text, operation.path)
        name = f"{operation.method.upper()} {operation.path}"
        route = next((r for r in table if serves(r, operation)), None)
        if not route:
            violations.append(Violation(DESCRIPTION, line, f"{name}: the {operation.listener} listener has no such route"))
            continue
        violations += [Violation(DESCRIPTION, line, f"{name}: {wrong}") for wrong in check_operation(operation, route)]
        identity = operation.what.get("operationId")
        if not identity or seen.setdefault(identity, name) != name:
            violations.append(Violation(DESCRIPTION, line, f"{name}: an operationId of its own is missing"))
    return violations


def edit(path, old, new):
    def put(root):
        text = rule.read(root, path)
        assert old in text, f"{path} has no {old}"
        rule.write(root, path, text.replace(old, new, 1))

    return put


HOOKS, API = "server/http/hooks.c", "server/http/api.c"
PLANTS = [
    ("a route that is not described", API,
     edit(API, '    GET("/api/v1/runs", ', '    GET("/api/v1/zz", api_runs, ""),\n    GET("/api/v1/runs", ')),
    ("a call that is not described", API,
     edit(API, '    GET("/api/v1/runs", ', '    CALL("/api/v1/services/*/zz", api_call_adopt, 0),\n    GET("/api/v1/runs", ')),
    ("another method of a path that is described", HOOKS,
     edit(HOOKS, '    {"PUT", "/hooks/*", ',
          '    {"DELETE", "/hooks/*", ACCESS_SOURCE, 0, hook_begin, hook_serve, NULL, "", 0},\n    {"PUT", "/hooks/*", ')),
    ("a route on one listener that is described for the other", HOOKS,
     edit(HOOKS, '    {"PUT", "/hooks/*", ',
          '    {"GET", "/metrics", ACCESS_OPEN, 0, NULL, health_metrics, NULL, "", 0},\n    {"PUT", "/hooks/*", ')),
    ("an operation without a route", DESCRIPTION,
     edit(DESCRIPTION, "\n  /api/v1/runs:\n", "\n  /api/v1/zz:\n    get: {operationId: zz, responses: {}}\n  /api/v1/runs:\n")),
    ("a method without a route", DESCRIPTION,
     edit(DESCRIPTION, "\n  /api/v1/runs:\n", "\n  /api/v1/runs:\n    patch: {operationId: zz, responses: {}}\n")),
    ("a path on a listener that does not have it", DESCRIPTION,
     edit(DESCRIPTION, "\n  /metrics:\n", "\n  /metrics:\n    servers: [{url: 'http://{address}'}]\n")),
    ("a parameter that is not described", DESCRIPTION,
     edit(API, '"service state limit after "', '"service state limit after zz "')),
    ("a parameter that the code does not know", DESCRIPTION, edit(DESCRIPTION, "        - name: state\n", "        - name: zz\n")),
    ("a path whose parameter is not described", DESCRIPTION,
     edit(DESCRIPTION, "\n  /api/v1/runs/{run}:\n", "\n  /api/v1/runs/{id}:\n")),
    ("a token that is not asked for", DESCRIPTION,
     edit(DESCRIPTION, "for Prometheus\n      security: []", "for Prometheus\n      security: [{operator: []}]")),
    ("an operationId twice", DESCRIPTION, edit(DESCRIPTION, "operationId: listRuns", "operationId: listAudit")),
    ("a code that is not described", "server/http/route.c", edit("server/http/route.c", '"not_found"', '"zz"')),
    ("a code among several", HOOKS, edit(HOOKS, ': "denied"', ': "zz"')),
    ("a code of a call that the orchestrator refuses", "server/orchestrator/calls.c",
     edit("server/orchestrator/calls.c", 'ERR_NOT_FOUND, "not_found"', 'ERR_NOT_FOUND, "zz"')),
    ("another version", DESCRIPTION, edit("CMakeLists.txt", "project(turnout VERSION ", "project(turnout VERSION 9")),
    ("a description that is no YAML", DESCRIPTION, edit(DESCRIPTION, "paths:\n", "paths: [\n")),
    ("a table that is not found", API, edit(API, "const struct route api_routes[]", "const struct route zz_routes[]")),
]

if __name__ == "__main__":
    rule.main(check, PLANTS, lambda path: path in (DESCRIPTION, "CMakeLists.txt")
              or path.startswith(("server/http/", "server/orchestrator/")))
