"""SQL is in server/store and migrations, and nowhere else in what we ship. Tests may look into a database, and the
action that speaks with PostgreSQL asks somebody else's.
"""

import re

import rule
from rule import Violation

FOLDERS = ["server", "handlers", "actions", "static", "examples"]
NOT_OURS = ["actions/postgres_by_hand.c", "actions/postgres_promote.c"]  # statements for a database of the user's

# At the start of a string, in any case. What a message for people could also begin with needs its next word.
STATEMENT = re.compile(
    r"""\s*(?:
        select\b.*\bfrom\b | select\s+(?:\*|\w+\() | insert\s+(?:or\s+\w+\s+)?into\b | replace\s+into\b
      | update\s+(?:or\s+\w+\s+)?\w+\s+set\b | delete\s+from\b | with\s+(?:recursive\s+)?\w+.*\bas\s*\(
      | (?:create|drop|alter)\s+(?:unique\s+|temp\s+|temporary\s+|virtual\s+)?(?:table|index|view|trigger)\b
      | pragma\s+\w+ | begin(?:\s+(?:immediate|exclusive|deferred|transaction)\b.*|\s*;?\s*$) | commit\s*;?\s*$
      | rollback\b.*;?\s*$ | savepoint\s+\w+ | vacuum\b | attach\s+(?:database|'|\?) | explain\s+query )""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL)
# Anywhere in a string, as SQL is written.
INSIDE = re.compile(r"\b(?:SELECT\b.+\bFROM|INSERT\s+INTO|DELETE\s+FROM|ORDER\s+BY|GROUP\s+BY|WHERE\s+\w+\s*=)",
                    re.DOTALL)


def check(root):
    violations = []
    for path in rule.files_under(root, *FOLDERS):
        if path.startswith("server/store/"):
            continue
        if path.endswith(".sql"):
            violations.append(Violation(path, 1, "SQL files belong to migrations/"))
        if not path.endswith((".c", ".h")):
            continue
        text = rule.read(root, path)
        for line, content in rule.strings_of(text) if path not in NOT_OURS else ():
            content = content.replace("\\n", "\n").replace("\\t", "\t")
            if STATEMENT.match(content) or INSIDE.search(content):
                violations.append(Violation(path, line, f"SQL outside of server/store: {content[:60]!r}"))
        code = rule.without_comments_and_strings(text)
        for match in re.finditer(r"\bsqlite3?_\w+", code):
            violations.append(Violation(path, code.count("\n", 0, match.start()) + 1, f"{match[0]} outside of server/store"))
    return violations


def planted(name, path, text):
    return name, path, lambda root: rule.write(root, path, text)


def statement(sql):
    return planted(sql, "server/http/zz.c", f'const char *zz(void)\n{{\n    return "{sql}";\n}}\n')


PLANTS = [
    statement("SELECT 1 FROM runs"),
    statement("select id from runs"),
    statement("SELECT count(*)"),
    statement("INSERT OR REPLACE INTO runs VALUES (1)"),
    statement("insert into runs values (1)"),
    statement("UPDATE runs SET state = 'x'"),
    statement("DELETE FROM runs"),
    statement("CREATE TABLE zz (a)"),
    statement("CREATE UNIQUE INDEX zz ON runs (id)"),
    statement("PRAGMA synchronous=OFF"),
    statement("BEGIN IMMEDIATE"),
    statement("COMMIT"),
    statement("ROLLBACK"),
    statement("VACUUM"),
    statement("  \\n  SELECT id\\n FROM runs"),
    statement("WITH newest AS (SELECT 1)"),
    statement(" WHERE id = ?"),
    statement(" ORDER BY seq"),
    planted("a string in parts", "actions/zz.c", 'const char *zz = "SELECT id "\n    /* what */\n    "FROM runs";\n'),
    planted("a macro", "handlers/zz.h", '#define ZZ "DELETE FROM runs"\n'),
    planted("a call", "server/orchestrator/zz.c", "void zz(void)\n{\n    sqlite3_exec(db, text, 0, 0, 0);\n}\n"),
    planted("a file", "server/zz.sql", "select 1;\n"),
]

if __name__ == "__main__":
    rule.main(check, PLANTS, lambda path: False)
