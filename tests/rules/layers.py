"""Who may include whom: every #include in server/, handlers/ and actions/ goes downwards.

The table below is the architecture. A new file under server/ that fits no pattern, and a new library, belong to nobody
until they are named here.
"""

import fnmatch
import functools
import os
import re

import rule
from rule import Violation

# Layer: the files that it consists of.
LAYERS = [
    ("base", ["server/base/*"]),
    ("core", ["server/core/*"]),
    ("store", ["server/store/*"]),
    ("http", ["server/http/*"]),
    ("command", ["server/command*"]),
    ("fetch", ["server/fetch/*"]),
    ("needs", ["server/needs*"]),
    ("config", ["server/config/*"]),
    ("orchestrator", ["server/orchestrator/*"]),
    ("executor", ["server/executor/*"]),
    ("prober", ["server/prober/*"]),
    ("watch", ["server/watch/*"]),
    ("exporter", ["server/exporter/*"]),
    ("main", ["server/main*", "server/serve*", "server/cli.*", "server/try*", "server/simulate*", "server/replay*",
              "server/client/*", "server/doctor/*", "server/standalone/*"]),
    ("handlers", ["handlers/*"]),
    ("actions", ["actions/*"]),
]

# Layer: the layers it may include besides itself.
MAY_INCLUDE = {
    "base": [],
    "core": ["base"],
    "store": ["core", "base"],
    "fetch": ["base"],
    "command": ["core", "base"],
    "handlers": ["core", "base"],
    "actions": ["fetch", "core", "base"],
    "config": ["handlers", "actions", "core", "base"],
    "executor": ["command", "store", "actions", "core", "base"],
    "prober": ["command", "actions", "core", "base"],
    "watch": ["command", "fetch", "core", "base"],
    "exporter": ["store", "core", "base"],
    "orchestrator": ["command", "store", "core", "base"],
    "needs": ["fetch", "handlers", "core", "base"],
    "http": ["needs", "command", "store", "handlers", "core", "base"],
    "main": [name for name, _ in LAYERS if name != "main"],
}

# The core is a function of its arguments: what is not one, it must not see.
NOT_IN_CORE = ["log.h", "clock.h", "secret.h", "random.h"]

# Library: the files that may include it.
LIBRARIES = {
    "microhttpd.h": ["server/http/*"],
    "curl/*": ["server/fetch/*"],
    "sqlite3.h": ["server/store/*"],
    "yaml.h": ["server/config/yaml*"],
    "expat.h": ["actions/*"],
    "ldns/*": ["actions/*"],
    "libpq-fe.h": ["actions/*"],
    "gnutls/*": ["server/base/certificate.c", "server/base/digest.c", "server/base/secret.c", "server/http/tls.c"],
    "uuid/*": ["server/base/id.c"],
    "jansson.h": ["server/[!b]*", "handlers/*", "actions/*"],
}
# Of these, one file only.
ONE_FILE = ["ldns/*", "libpq-fe.h"]

PURE_LIBC = """assert ctype errno inttypes limits math stdalign stdarg stdbool stddef stdint stdio stdlib string strings
    regex arpa/inet netinet/in""".split()
LIBC = PURE_LIBC + """dirent fcntl getopt locale netdb poll pthread sched signal stdatomic syslog spawn threads time unistd linux/tcp
    netinet/tcp sys/epoll sys/eventfd sys/file sys/ioctl sys/mman sys/pidfd sys/prctl sys/random sys/resource sys/signalfd
    sys/socket sys/stat sys/statvfs sys/time sys/timerfd sys/types sys/uio sys/un sys/wait""".split()

DIRECTIVE = re.compile(r"^[ \t]*(?:#|%:|\?\?=)[ \t]*(include|include_next|import)\b[ \t]*(.*)$", re.MULTILINE)


def layer_of(path):
    for name, patterns in LAYERS:
        if any(fnmatch.fnmatchcase(path, p) for p in patterns):
            return name
    return None


@functools.cache
def includes_of(text):
    """(line, what stands after #include). Comments count as blanks, and a backslash joins lines, as for the compiler."""
    code = rule.without_comments(text.replace("\\\n", "  "))
    return [(code.count("\n", 0, match.start()) + 1, match[1], match[2].strip()) for match in DIRECTIVE.finditer(code)]


def resolve(present, path, name):
    """The repository's file that the compiler would take, as -Iserver -I. gives it; None when there is none."""
    for folder in (os.path.dirname(path), "server", ""):
        candidate = os.path.normpath(os.path.join(folder, name))
        if candidate in present:
            return candidate
    return None


def check_internal(path, layer, target):
    if not target.endswith(".h"):
        return f"{target} is included, and is no header"
    target_layer = layer_of(target)
    if target_layer is None:
        return f"{target} belongs to no layer"
    if target_layer != layer and target_layer not in MAY_INCLUDE[layer]:
        return f"{layer} must not include {target_layer} ({target})"
    if layer == "core" and target_layer == "base" and os.path.basename(target) in NOT_IN_CORE:
        return f"core is pure and must not include {target}"
    return None


def check_external(path, layer, name, users):
    for pattern, places in LIBRARIES.items():
        if not fnmatch.fnmatchcase(name, pattern):
            continue
        if not any(fnmatch.fnmatchcase(path, p) for p in places):
            return f"<{name}> belongs to {', '.join(places)}"
        if pattern in ONE_FILE:
            first = users.setdefault(pattern, path)
            if first != path:
                return f"<{name}> belongs to one file, and {first} includes it already"
        return None
    if name.removesuffix(".h") not in (PURE_LIBC if layer == "core" else LIBC):
        return f"<{name}> is on no list" + (" of the core's" if layer == "core" else "")
    return None


def check(root):
    violations = []
    users = {}
    present = set(rule.files_under(root))
    for path in rule.files_under(root, "server", "handlers", "actions", ends=(".c", ".h")):
        layer = layer_of(path)
        if layer is None:
            violations.append(Violation(path, 1, "belongs to no layer: name it in tests/rules/layers.py"))
            continue
        for line, directive, argument in includes_of(rule.read(root, path)):
            quoted = re.fullmatch(r'"([^"]+)"', argument)
            angled = re.fullmatch(r"<([^>]+)>", argument)
            if directive != "include" or not (quoted or angled):
                violations.append(Violation(path, line, f"#{directive} {argument}: only #include \"…\" and <…>"))
                continue
            name = (quoted or angled)[1]
            target = resolve(present, path, name)
            if target:
                wrong = check_internal(path, layer, target)
                if angled:
                    wrong = f"<{name}> is ours: write it in quotes"
            elif quoted:
                wrong = f"there is no {name}"
            else:
                wrong = check_external(path, layer, name, users)
            if wrong:
                violations.append(Violation(path, line, wrong))
    return violations


def file(path, text):
    return path, lambda root: rule.write(root, path, text)


def planted(name, path, text):
    return (name, *file(path, text))


def two_ldns_users(root):
    rule.write(root, "actions/zz_one.c", "#include <ldns/ldns.h>\n")
    rule.write(root, "actions/zz_two.c", "#include <ldns/ldns.h>\n")


PLANTS = [
    planted("core logs", "server/core/zz.c", '#include "base/log.h"\n'),
    planted("core reads the clock", "server/core/zz.c", '#include "base/clock.h"\n'),
    planted("core sees secrets", "server/core/zz.h", '#include "base/secret.h"\n'),
    planted("core draws random numbers", "server/core/zz.c", '#include "base/random.h"\n'),
    planted("core asks libc for the time", "server/core/zz.c", "#include <time.h>\n"),
    planted("core starts threads", "server/core/zz.c", "#include <pthread.h>\n"),
    planted("core stores", "server/core/zz.c", '#include "store/store.h"\n'),
    planted("base goes up", "server/base/zz.c", '#include "core/model.h"\n'),
    planted("base reads JSON", "server/base/zz.c", "#include <jansson.h>\n"),
    planted("another user of GnuTLS", "server/base/zz.c", "#include <gnutls/crypto.h>\n"),
    planted("another user of libuuid", "server/store/zz.c", "#include <uuid/uuid.h>\n"),
    planted("store knows handlers", "server/store/zz.c", '#include "handlers/handler.h"\n'),
    planted("store takes commands", "server/store/zz.c", '#include "command.h"\n'),
    planted("a handler with an effect", "handlers/zz.c", '#include "fetch/fetch.h"\n'),
    planted("a handler that acts", "handlers/zz.c", '#include "actions/action.h"\n'),
    planted("a handler that stores", "handlers/zz.c", '#include "store/store.h"\n'),
    planted("an action that makes alerts", "actions/zz.c", '#include "handlers/handler.h"\n'),
    planted("an action that stores", "actions/zz.c", '#include "store/store.h"\n'),
    planted("an action that commands", "actions/zz.c", '#include "command.h"\n'),
    planted("fetch knows actions", "server/fetch/zz.c", '#include "actions/action.h"\n'),
    planted("fetch knows the core", "server/fetch/zz.c", '#include "core/model.h"\n'),
    planted("orchestrator acts", "server/orchestrator/zz.c", '#include "actions/action.h"\n'),
    planted("orchestrator reads deliveries", "server/orchestrator/zz.c", '#include "handlers/handler.h"\n'),
    planted("orchestrator serves", "server/orchestrator/zz.c", '#include "http/http.h"\n'),
    planted("prober stores", "server/prober/zz.c", '#include "store/store.h"\n'),
    planted("watch acts", "server/watch/zz.c", '#include "actions/action.h"\n'),
    planted("executor knows the orchestrator", "server/executor/zz.c", '#include "orchestrator/orchestrator.h"\n'),
    planted("http acts", "server/http/zz.c", '#include "actions/action.h"\n'),
    planted("http configures", "server/http/zz.c", '#include "config/config.h"\n'),
    planted("config stores", "server/config/zz.c", '#include "store/store.h"\n'),
    planted("command knows the store", "server/command_zz.c", '#include "store/store.h"\n'),
    planted("anybody includes main", "server/http/zz.c", '#include "../serve.h"\n'),
    planted("SQLite outside of store", "server/http/zz.c", "#include <sqlite3.h>\n"),
    planted("SQLite in main", "server/main_zz.c", "#include <sqlite3.h>\n"),
    planted("libcurl in an action", "actions/zz.c", "#include <curl/curl.h>\n"),
    planted("libcurl in the client", "server/client/zz.c", "#include <curl/curl.h>\n"),
    planted("libmicrohttpd outside of http", "server/serve_zz.c", "#include <microhttpd.h>\n"),
    planted("libyaml beside the reader", "server/config/zz.c", "#include <yaml.h>\n"),
    planted("expat in a handler", "handlers/zz.c", "#include <expat.h>\n"),
    planted("ldns in config", "server/config/zz.c", "#include <ldns/ldns.h>\n"),
    ("ldns in two actions", "actions/zz_two.c", two_ldns_users),
    planted("a library on no list", "server/http/zz.c", "#include <openssl/ssl.h>\n"),
    planted("a file of no layer", "server/zz.c", "int zz;\n"),
    planted("a folder of no layer", "server/zz/zz.c", "int zz;\n"),
    planted("a header of the tests", "server/store/zz.c", '#include "tests/unit/test.h"\n'),
    planted("a source file", "actions/zz.c", '#include "fetch/fetch.c"\n'),
    planted("a header that does not exist", "actions/zz.c", '#include "core/zz.h"\n'),
    planted("ours in angle brackets", "server/core/zz.c", "#include <base/log.h>\n"),
    planted("a path upwards", "server/core/zz.c", '#include "../base/log.h"\n'),
    planted("spaces and a comment", "server/core/zz.c", '/* a */ # /* b */ include /* c */ "base/log.h"\n'),
    planted("a joined line", "server/core/zz.c", '#include \\\n"base/log.h"\n'),
    planted("a macro", "server/core/zz.c", '#define WHAT "base/log.h"\n#include WHAT\n'),
    planted("include_next", "server/core/zz.c", "#include_next <time.h>\n"),
]

if __name__ == "__main__":
    rule.main(check, PLANTS, lambda path: path.endswith(".h") or path == "server/fetch/fetch.c")
