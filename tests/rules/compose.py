"""Rule: what stands in Dockerfile, .dockerignore, docker-compose.yml and examples/compose.yaml is there and agrees.

No Docker engine is needed, and none is asked. Every path copied or mounted exists, the packages are those of
scripts/packages and what these need at run time, ports and folders are the configuration's, commands are the program's.
"""

import functools
import os
import re
import subprocess

import rule
import yaml

DOCKERFILE, IGNORE, COMPOSE, CONFIGURATION = "Dockerfile", ".dockerignore", "docker-compose.yml", "examples/compose.yaml"
SERVICE_KEYS = {"build", "restart", "environment", "ports", "volumes", "healthcheck", "read_only", "tmpfs", "cap_drop",
                "security_opt", "stop_grace_period"}
BUILD_TOOLS = {"build-essential", "cmake", "ninja-build", "pkg-config", "python3"}
FOLDERS_NOT_NEEDED = {"tests", "build"}  # that CMakeLists.txt names


class Instruction:
    def __init__(self, line, name, text, stage):
        self.line, self.name, self.text, self.stage = line, name, text, stage

    def words(self):
        return yaml.safe_load(self.text) if self.text.startswith("[") else self.text.split()


def instructions(root):
    """The instructions of the Dockerfile, continued lines joined; `stage` counts the FROMs."""
    stage, at, text = -1, 0, ""
    for number, line in enumerate(rule.read(root, DOCKERFILE).split("\n"), 1):
        if line.lstrip().startswith("#") or not (line.strip() or text):
            continue
        at = at or number
        text += line.rstrip("\\") + " "
        if not line.endswith("\\"):
            name, _, rest = text.strip().partition(" ")
            stage += name == "FROM"
            yield Instruction(at, name, rest.strip(), stage)
            at, text = 0, ""


def packages_of(run):
    """What `apt-get install` in a RUN is given."""
    found = re.search(r"apt-get install ([^&|;]*)", run.text)
    return {word for word in found[1].split() if not word.startswith("-")} if found else set()


def build_packages(root):
    found = re.search(r"^packages_build=\(([^)]*)\)", rule.read(root, "scripts/packages"), re.MULTILINE)
    return set(found[1].split()) if found else set()


@functools.cache
def runtime_packages(development):
    """The shared libraries of development packages: what each depends on in just its own version, the first of them
    where it has several (GnuTLS). None where they are not installed and so cannot be asked."""
    needed = set()
    for package in development:
        result = subprocess.run(["dpkg-query", "-W", "-f", "${Version}\n${Depends}", package], capture_output=True, text=True,
                                check=False)
        if result.returncode != 0:
            return None
        version, _, depends = result.stdout.partition("\n")
        same = [part.split()[0] for part in depends.split(", ") if f"(= {version})" in part]
        needed.add(next((name for name in same if re.fullmatch(r"lib(gnutls)?\d+", name)), same[0]))
    return needed


def subcommands(root):
    return set(re.findall(r'^\s+\{"([a-z]+)", "', rule.read(root, "server/main.c"), re.MULTILINE))


# ---- the Dockerfile


def check_packages(root, steps, violation):
    runs = {step.stage: step for step in steps if step.name == "RUN" and "apt-get install" in step.text}
    if set(runs) != {0, 1}:
        violation(DOCKERFILE, 1, "two stages, each with its packages")
        return
    wanted, given = build_packages(root), packages_of(runs[0])
    if wanted != given:
        violation(DOCKERFILE, runs[0].line, "the packages to build with are not packages_build of scripts/packages: "
                  + ", ".join(sorted(wanted ^ given)))
    needed = runtime_packages(tuple(sorted(wanted - BUILD_TOOLS)))
    if needed is not None and needed | {"ca-certificates"} != packages_of(runs[1]):
        violation(DOCKERFILE, runs[1].line, "the packages to run with are not the libraries built with, and ca-certificates: "
                  + ", ".join(sorted((needed | {"ca-certificates"}) ^ packages_of(runs[1]))))


def is_ignored(root, path):
    """By a list that excludes all and lets some in again, which is the only kind kept here."""
    lines = [line for line in rule.read(root, IGNORE).split("\n") if line and not line.startswith("#")]
    return lines[:1] == ["*"] and "!" + path.split("/")[0] not in lines[1:]


def check_copies(root, steps, violation):
    copied = set()
    for step in steps:
        if step.name != "COPY":
            continue
        *sources, _ = step.words()
        if sources[0].startswith("--from="):
            if sources[1:] != ["/usr/local/bin/turnout"]:
                violation(DOCKERFILE, step.line, "only /usr/local/bin/turnout is taken from the first stage")
            continue
        for source in sources:
            copied.add(source)
            if not os.path.exists(os.path.join(root, source)):
                violation(DOCKERFILE, step.line, f"{source} is not there to copy")
            elif is_ignored(root, source):
                violation(IGNORE, 1, f"{source} is copied in the Dockerfile, and not let through")
    cmake = rule.read(root, "CMakeLists.txt")
    named = set(re.findall(r"(?:SOURCES|\$\{CMAKE_CURRENT_SOURCE_DIR\}/?)\s*([a-z_]+)/", cmake)) | {"cmake"}
    for folder in sorted(named - copied - FOLDERS_NOT_NEEDED):
        violation(DOCKERFILE, 1, f"CMakeLists.txt needs {folder}/, and it is not copied")
    for line in rule.read(root, IGNORE).split("\n"):
        if line.startswith("!") and line[1:] not in copied:
            violation(IGNORE, 1, f"{line[1:]} is let through and never copied")


def one(steps, name, violation):
    found = [step for step in steps if step.name == name and step.stage == 1]
    if len(found) != 1:
        violation(DOCKERFILE, 1, f"one {name} is needed in the last stage, there are {len(found)}")
        return None
    return found[0]


def check_command(root, steps, violation):
    """Returns the path of the configuration, or None."""
    entry, command, health = (one(steps, name, violation) for name in ("ENTRYPOINT", "CMD", "HEALTHCHECK"))
    if not entry or not command or not health:
        return None
    if entry.words() != ["turnout"]:
        violation(DOCKERFILE, entry.line, "the entry point is [\"turnout\"]")
    words = command.words()
    if len(words) != 3 or words[0] not in subcommands(root) or words[1] != "-c":
        violation(DOCKERFILE, command.line, "the command is not serve -c FILE")
        return None
    test = health_of_image(steps)
    if not test or test[0] != "turnout" or test[1] not in subcommands(root):
        violation(DOCKERFILE, health.line, "the health check is not a command of turnout")
    return words[2]


def health_of_image(steps):
    health = next((step for step in steps if step.name == "HEALTHCHECK"), None)
    found = health and re.search(r"CMD (\[.*\])$", health.text)
    return yaml.safe_load(found[1]) if found else None


def check_dockerfile(root, steps, violation):
    check_packages(root, steps, violation)
    check_copies(root, steps, violation)
    bases = [step.words()[0] for step in steps if step.name == "FROM"]
    if bases != ["debian:12", "debian:12-slim"]:
        violation(DOCKERFILE, 1, f"the stages are debian:12 and debian:12-slim, not {bases}")
    user, volume = one(steps, "USER", violation), one(steps, "VOLUME", violation)
    if user and not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user.text):
        violation(DOCKERFILE, user.line, "the user is a number, and not 0")
    text = " ".join(step.text for step in steps if step.name == "RUN")
    if user and volume and not (f"--uid {user.text.split(':')[0]} " in text and re.search(rf"install -d -o turnout [^&]*{volume.text}\b", text)):
        violation(DOCKERFILE, volume.line, f"{volume.text} is not made for user {user.text}")


# ---- docker-compose.yml and its configuration


def as_millis(text):
    found = re.fullmatch(r"(\d+)(ms|s|m)", str(text))
    return int(found[1]) * {"ms": 1, "s": 1000, "m": 60000}[found[2]] if found else None


def check_service(service, violation):
    for key in sorted(set(service) ^ SERVICE_KEYS):
        violation(COMPOSE, 1, f"{key} is {'not known to this rule' if key in service else 'missing'}")
    wanted = {"build": ".", "restart": "unless-stopped", "read_only": True, "tmpfs": ["/tmp"], "cap_drop": ["ALL"],
              "security_opt": ["no-new-privileges:true"]}
    for key, value in wanted.items():
        if service.get(key) != value:
            violation(COMPOSE, 1, f"{key} is {service.get(key)!r}, not {value!r}")


def check_health(service, steps, violation):
    health = service.get("healthcheck", {})
    if health.get("test") != ["CMD", *(health_of_image(steps) or [])]:
        violation(COMPOSE, 1, "the health check is not the Dockerfile's")
    image = next((step.text for step in steps if step.name == "HEALTHCHECK"), "")
    for key in ("interval", "timeout", "start_period"):
        found = re.search(rf"--{key.replace('_', '-')}=(\S+)", image)
        if not found or as_millis(health.get(key)) is None or as_millis(found[1]) != as_millis(health[key]):
            violation(COMPOSE, 1, f"{key} of the health check is not the Dockerfile's")


def check_volumes(root, compose, service, paths, violation):
    """`paths` is what the image calls (configuration, volume)."""
    targets = {}
    for entry in service.get("volumes", []):
        source, target, *mode = entry.split(":")
        targets[target] = source
        if source.startswith("."):
            if not os.path.isfile(os.path.join(root, source)):
                violation(COMPOSE, 1, f"{source} is not there to mount")
            if mode != ["ro"]:
                violation(COMPOSE, 1, f"{source} is mounted so that it can be written")
        elif source not in compose.get("volumes", {}):
            violation(COMPOSE, 1, f"the volume {source} is not declared")
    if set(targets) != set(paths):
        violation(COMPOSE, 1, f"mounted are {sorted(targets)}, and the image has {sorted(filter(None, paths))}")
    if targets.get(paths[0]) != "./" + CONFIGURATION:
        violation(COMPOSE, 1, f"the configuration mounted is not {CONFIGURATION}")
    for name in set(compose.get("volumes", {})) - set(targets.values()):
        violation(COMPOSE, 1, f"the volume {name} is not used")


def check_ports(service, steps, configuration, violation):
    exposed = {word for step in steps if step.name == "EXPOSE" for word in step.words()}
    published = set()
    for entry in service.get("ports", []):
        parts = str(entry).split(":")
        published.add(parts[-1])
        if len(parts) != 3 or parts[0] != "127.0.0.1":
            violation(COMPOSE, 1, f"{entry} is published on more than loopback")
    listeners = [configuration.get("server", {}).get(key, "") for key in ("api", "hooks")]
    for listener in listeners:
        if not listener.startswith("0.0.0.0:"):
            violation(CONFIGURATION, 1, f"inside a container {listener} is reached by nobody")
    ports = {listener.rpartition(":")[2] for listener in listeners}
    if not exposed == published == ports:
        violation(DOCKERFILE, 1, f"exposed {sorted(exposed)}, published {sorted(published)}, listened on {sorted(ports)}")
    if listeners[0].rpartition(":")[2] != "8080":
        violation(CONFIGURATION, 1, "the health check asks port 8080")


def check_environment(root, service, violation):
    given = service.get("environment", {})
    used = set(re.findall(r"\$\{env:(\w+)\}", rule.read(root, CONFIGURATION)))
    for name in sorted(used ^ set(given)):
        violation(COMPOSE, 1, f"{name} is " + ("given and not used" if name in given else f"used in {CONFIGURATION} and not given"))
    for name, value in given.items():
        if not str(value).startswith("${" + name + ":?"):
            violation(COMPOSE, 1, f"{name} must come from outside, and be asked for when it is missing")


def check_actions(root, configuration, violation):
    known = set()
    for path in rule.files_under(root, "actions", ends=(".c",)):
        known |= set(re.findall(r'\.name = "([a-z0-9]+\.[a-z_]+)"', rule.read(root, path)))
    for service in configuration.get("services", {}).values():
        for step in service.get("playbook", []):
            if step.get("action") not in known:
                violation(CONFIGURATION, 1, f"there is no action {step.get('action')}")


def check(root):
    violations = []

    def violation(path, line, text):
        violations.append(rule.Violation(path, line, text))

    missing = [path for path in (DOCKERFILE, IGNORE, COMPOSE, CONFIGURATION) if not os.path.isfile(os.path.join(root, path))]
    if missing:
        return [rule.Violation(path, 1, "is not there") for path in missing]
    steps = list(instructions(root))
    compose, configuration = (yaml.safe_load(rule.read(root, path)) for path in (COMPOSE, CONFIGURATION))
    if set(compose) != {"services", "volumes"} or set(compose["services"]) != {"turnout"}:
        return [rule.Violation(COMPOSE, 1, "one service, turnout, and its volume")]
    service = compose["services"]["turnout"]
    check_dockerfile(root, steps, violation)
    volume = next((step.text for step in steps if step.name == "VOLUME"), None)
    check_volumes(root, compose, service, (check_command(root, steps, violation), volume), violation)
    if os.path.dirname(configuration.get("database", "")) != volume:
        violation(CONFIGURATION, 1, f"the database is not in {volume}, and would not outlive the container")
    check_service(service, violation)
    check_health(service, steps, violation)
    check_ports(service, steps, configuration, violation)
    check_environment(root, service, violation)
    check_actions(root, configuration, violation)
    return violations


def edit(path, old, new):
    def put(root):
        text = rule.read(root, path)
        assert old in text, f"{old} is not in {path}"
        rule.write(root, path, text.replace(old, new, 1))
    return put


PLANTS = [
    ("a build package too few", DOCKERFILE, edit(DOCKERFILE, "libldns-dev", "")),
    ("a library too few", DOCKERFILE, edit(DOCKERFILE, "libyaml-0-2", "")),
    ("a file that is not there", DOCKERFILE, edit(DOCKERFILE, "COPY cmake cmake", "COPY cmake cmake\nCOPY nowhere nowhere")),
    ("a folder not copied", DOCKERFILE, edit(DOCKERFILE, "COPY migrations migrations\n", "")),
    ("a folder kept out", IGNORE, edit(IGNORE, "!handlers\n", "")),
    ("run by root", DOCKERFILE, edit(DOCKERFILE, "USER 10001:10001", "USER 0:0")),
    ("a command that is not there", DOCKERFILE, edit(DOCKERFILE, '"serve"', '"server"')),
    ("a health check that is not there", DOCKERFILE, edit(DOCKERFILE, '"health"]', '"healthy"]')),
    ("another health check", COMPOSE, edit(COMPOSE, '"health"]', '"status"]')),
    ("another time-out", COMPOSE, edit(COMPOSE, "timeout: 5s", "timeout: 6s")),
    ("a port not exposed", DOCKERFILE, edit(DOCKERFILE, "EXPOSE 8080 8081", "EXPOSE 8080")),
    ("a port published to all", COMPOSE, edit(COMPOSE, "127.0.0.1:8080:8080", "8080:8080")),
    ("another port inside", DOCKERFILE, edit(CONFIGURATION, "0.0.0.0:8081", "0.0.0.0:9000")),
    ("loopback inside a container", CONFIGURATION, edit(CONFIGURATION, "0.0.0.0:8080", "127.0.0.1:8080")),
    ("a configuration that is not there", COMPOSE, edit(COMPOSE, "./examples/compose.yaml", "./examples/other.yaml")),
    ("a configuration mounted elsewhere", COMPOSE, edit(COMPOSE, "/etc/turnout/turnout.yaml", "/etc/turnout.yaml")),
    ("a configuration that can be written", COMPOSE, edit(COMPOSE, "turnout.yaml:ro", "turnout.yaml")),
    ("a database outside the volume", CONFIGURATION, edit(CONFIGURATION, "/var/lib/turnout/", "/tmp/")),
    ("a volume not declared", COMPOSE, edit(COMPOSE, "- database:", "- data:")),
    ("a secret not given", COMPOSE, edit(COMPOSE, "      AM_TOKEN:", "      AMTOKEN:")),
    ("a secret in the file", COMPOSE, edit(COMPOSE, "${LINODE_TOKEN:?a Linode token that may read and write domains}", "abc")),
    ("a file system that can be written", COMPOSE, edit(COMPOSE, "read_only: true", "read_only: false")),
    ("all capabilities", COMPOSE, edit(COMPOSE, "    cap_drop:\n      - ALL\n", "")),
    ("more privileges", COMPOSE, edit(COMPOSE, "read_only: true", "read_only: true\n    privileged: true")),
    ("an action that is not there", CONFIGURATION, edit(CONFIGURATION, "linode.dns_record", "linode.dns_records")),
]

if __name__ == "__main__":
    rule.main(check, PLANTS, lambda path: not path.startswith(("docs/", "handlers/", "server/", "static/", "tests/"))
              or path in ("handlers/handler.h", "server/main.c", "static/openapi.yaml"))  # so that each folder is there
