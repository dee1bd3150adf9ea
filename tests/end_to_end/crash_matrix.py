"""Ends the daemon at every point of a run, and looks whether the run still comes out right.

A first pass writes down the points that a run of eight steps at three providers passes (its commits, its requests, the
jobs between: server/base/crash_point.h). Then each point has a trial: a fresh daemon, the same run, the end at that point

    kill      SIGKILL, and a restart
    power     the database's files as they are at that instant, in another folder, where another daemon starts
    freeze    SIGSTOP, a minute passes for the daemon's clocks, SIGCONT
    full      the disk is full from there on (at commits only), until the run has ended: the ballast has to do; also with
              a restart when it is given up

with or without a provider's fault at the same point, and the same assertions at the end: the run ends right, each
record was changed once and not by an older run, the audit chain is intact, no acknowledged alert is missing.

Other runs with other assertions are in crash_scenarios.py.

It must not know how the daemon does it: it reads what users can read, and what the providers have seen. Points that a
second run does not reach (how often one looks again, time decides) are counted apart: such a trial proves nothing.
"""

import contextlib
import http.client
import os
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "sandbox")]

from client import Sandbox  # noqa: E402
from daemon import GRA, OPERATOR_TOKEN, RBX, SOURCE_TOKEN, Daemon, alert, configuration, delivery, request, wait_for  # noqa: E402
from seed import default_seed  # noqa: E402

HOWS = ("kill", "power", "freeze", "full")
FAULTS = ("reset_before", "reset_after", "status", "html", "truncate")
RECORDS = ("app", "api")
FREEZE_MS = 60000
# Everything a run may take, on a machine that does many at once.
PATIENCE_S = 60


class Wrong(AssertionError):
    """What came out of a trial: `what` is lost, doubled, limbo or broken."""

    def __init__(self, what, text):
        super().__init__("%s: %s" % (what, text))
        self.what = what


# ---- the run -----------------------------------------------------------------------------------------------------------


def playbook(dns, kind):
    """Six records and two checks. In the run that is undone the last one sees what never comes."""
    steps = []
    for name in RECORDS:
        steps += [
            {"name": name + " at Linode", "action": "linode.dns_record", "provider": "linode", "domain": "example.com",
             "record": name, "type": "A", "target": "${to.address}", "ttl": 30},
            {"name": name + " at OVH", "action": "ovh.dns_record", "provider": "ovh", "zone": "example.net", "record": name,
             "type": "A", "target": "${to.address}", "ttl": 60, "nameservers": [dns]},
            {"name": name + " at Route 53", "action": "route53.record", "provider": "aws", "hosted_zone": "Z1PA6795UKMFR9",
             "record": name + ".example.org", "type": "A", "target": "${to.address}", "ttl": 60},
        ]
    steps += [{"name": name + " answers", "action": "dns.check", "record": name + ".example.org", "type": "A",
               "target": "${to.address}", "servers": [dns]} for name in RECORDS]
    for step in steps:
        step["backoff"] = "100ms"
    if kind == "undo":
        steps[-1].update(target="203.0.113.99", retries=1, on_failure="undo")
    return steps


def config_with(sandbox, steps):
    config = configuration(sandbox, playbook=steps)
    config["services"]["shop"]["trigger"]["mode"] = "manual"
    config["services"]["shop"]["readiness"] = {"every": "never"}
    config["server"]["ballast"] = "4MiB"  # the least that `check` takes
    return config


def moved_seed():
    """The world after a failover."""
    seed = default_seed()
    for record in seed["linode"]["domains"][0]["records"]:
        if record["name"] in RECORDS and record["target"] == GRA and record["type"] == "A":
            record["target"] = RBX
    for record in seed["ovh"]["zones"][0]["records"]:
        if record["subDomain"] in RECORDS and record["target"] == GRA and record["fieldType"] == "A":
            record["target"] = RBX
    for record in seed["route53"]["zones"][0]["records"]:
        if record["name"].split(".")[0] in RECORDS and record.get("values") == [GRA]:
            record["values"] = [RBX]
    return seed


def writes_of(sandbox):
    """(record, value, body) of each request that had an effect, in the order of these."""
    found = []
    for entry in sorted(sandbox.requests(), key=lambda entry: (entry["at"] + (entry["took_ms"] or 0), entry["n"])):
        if not entry["effect"] or entry["method"] == "GET" or entry["path"].endswith("/refresh"):
            continue
        where = "%s %s" % (entry["provider"], entry["path"].split("?")[0])
        if entry["provider"] != "route53":
            value = re.search(r'"target":\s*"([^"]+)"', entry["body"])
            found.append((where, value and value[1], entry["body"]))
            continue
        for change in re.findall(r"<Change>(.*?)</Change>", entry["body"], re.DOTALL):
            if re.search(r"<Action>(.*?)<", change)[1] != "DELETE":
                name = re.search(r"<Name>(.*?)<", change)[1]
                found.append(("route53 " + name, re.search(r"<Value>(.*?)<", change)[1], entry["body"]))
    return found


def changes_of(sandbox, first):
    """What each record has become in turn, the same twice being once."""
    values = {}
    for record, value, _ in writes_of(sandbox):
        seen = values.setdefault(record, [first])
        if seen[-1] != value:
            seen.append(value)
    return values


# ---- one trial ---------------------------------------------------------------------------------------------------------


class Sender(threading.Thread):
    """Sends alerts, as long as somebody answers, and knows what was acknowledged."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.hooks, self.acknowledged, self.is_over = daemon.hooks, {}, threading.Event()
        self.start()

    def run(self):
        n = 0
        while not self.is_over.is_set():
            n += 1
            name = "alert-%d" % n
            with contextlib.suppress(OSError):
                answer = request("POST", self.hooks + "/hooks/prometheus", delivery(alert(instance=name, service="other")),
                                 SOURCE_TOKEN, timeout=5)
                if answer.status == 202:
                    self.acknowledged[answer.json["delivery"]] = name
            self.is_over.wait(0.05)

    def end(self):
        self.is_over.set()
        self.join(10)
        return self.acknowledged


def is_frozen(process):
    try:
        with open("/proc/%d/stat" % process.pid, encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


class Templates:
    """Folders with a database that knows where the service is: one for all workers."""

    def __init__(self, folder):
        self.folder = folder
        self.lock = threading.Lock()
        self.made = {}

    def of(self, trial, sandbox):
        with self.lock:
            if trial.kind not in self.made:
                self.made[trial.kind] = self.make(trial, sandbox)
            return self.made[trial.kind]

    def make(self, trial, sandbox):
        folder = os.path.join(self.folder, "template-" + trial.kind)
        os.mkdir(folder)
        sandbox.reset()
        daemon = Daemon(folder, trial.config(sandbox, folder)).start()
        answer = daemon.post("/api/v1/services/shop/adopt", {"to": trial.site, "reason": "a test"})
        assert answer.status in (200, 409), answer.body  # it may have looked by itself
        daemon.wait_active(trial.site)
        daemon.stop()
        return folder


class Rig:
    """The sandboxes of one worker, used for one trial after the other."""

    def __init__(self, folder, templates):
        self.folder, self.templates = folder, templates
        self.stack = contextlib.ExitStack()
        self.sandboxes = {}
        self.n = 0

    def close(self):
        self.stack.close()

    def sandbox(self, site):
        if site not in self.sandboxes:
            self.sandboxes[site] = self.stack.enter_context(Sandbox(
                seed=moved_seed() if site == "rbx" else None, linode_render_ms=0, ovh_refresh_ms=0, route53_insync_ms=0))
        return self.sandboxes[site]

    def fresh(self, trial):
        """With a full disk to come it is on a file system of its own."""
        sandbox = self.sandbox(trial.site)
        template = self.templates.of(trial, sandbox)
        self.n += 1
        folder = os.path.join(self.folder, "trial-%d" % self.n)
        os.mkdir(folder)
        if trial.how == "full":
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "turnout-test", folder], check=True)
        shutil.copytree(template, folder, dirs_exist_ok=True)
        sandbox.reset()
        trial.prepare(sandbox)
        return Daemon(folder, trial.config(sandbox, folder)), sandbox


def ask(daemon, method, path, body=None):
    """The answer, or None of a daemon that has ended or stands still."""
    try:
        return request(method, daemon.api + "/api/v1" + path, body, OPERATOR_TOKEN, timeout=2)
    except (OSError, http.client.HTTPException, AttributeError):
        return None


class Trial:
    """Of a run that moves six records. Other scenarios replace what begins it, what people do in it, and what is right."""

    def __init__(self, kind, how="kill", point=None, fault=None):
        self.kind, self.how, self.point, self.fault = kind, how, point, fault
        self.is_reached = self.is_back = self.was_given_up = False
        self.points = None
        self.site = "rbx" if kind == "failback" else "gra"  # where the service is before

    def __str__(self):
        return "%s %s at [%s]%s" % (self.how, self.kind, self.point, " with " + self.fault if self.fault else "")

    @classmethod
    def at(cls, kind, how, point, source):
        """The trials of a point in one way. Of faults each point has one, and another seed gives it another."""
        found = [cls(kind, how, point)]
        if how == "kill":
            found.append(cls(kind, how, point, source.choice(FAULTS)))
        if how == "full":
            found.append(cls(kind, how, point, "restart"))
        return found

    def config(self, sandbox, _):
        return config_with(sandbox, playbook(sandbox.dns, self.kind))

    def prepare(self, sandbox):
        """What is wrong at the providers all the time."""

    # -- the way there

    def begin(self, daemon):
        """Starts the run. Its id, or None when nobody has acknowledged it."""
        try:
            answer = daemon.move("failback" if self.kind == "failback" else "failover")
        except OSError:
            return None
        return answer.json["run"] if answer.status in (200, 201, 202) else None

    def environment(self, folder):
        if self.point is None:
            return {"TURNOUT_CRASH_LOG": os.path.join(folder, "points")}
        points = [self.point]
        if self.fault in FAULTS and self.point.startswith("request before"):
            points.append(self.point.replace("request before", "request after"))
        with open(os.path.join(folder, "skew"), "w", encoding="utf-8") as file:
            file.write(str(FREEZE_MS if self.how == "freeze" and not self.fault else 0))
        is_stopping = self.how != "kill" or self.fault
        return {"TURNOUT_CRASH_AT": ";".join(points), "TURNOUT_CRASH_HOW": "stop" if is_stopping else "kill",
                "TURNOUT_CRASH_SKEW": os.path.join(folder, "skew")}

    def act(self, daemon, sandbox, run):
        """What people do in the course of it, asked again and again; whether all is over. The daemon may end meanwhile."""
        del sandbox
        answer = ask(daemon, "GET", "/runs/" + run)
        return answer and answer.status == 200 and answer.json["state"] not in ("waiting", "running")

    def wait_point(self, daemon, sandbox, run):
        """Until the process has ended or stands still; False: all is over instead."""
        def there():
            if daemon.process.poll() is not None or is_frozen(daemon.process):
                return "there"
            return "over" if run and self.act(daemon, sandbox, run) else None
        return wait_for(there, PATIENCE_S, "the point " + str(self)) == "there"

    def start_to_point(self, daemon):
        """Starts the daemon, which may end before it is there. Whether it is there."""
        daemon.spawn(environment=self.environment(daemon.folder))

        def ports():
            if daemon.process.poll() is not None or is_frozen(daemon.process):
                return "gone"
            return re.search(r"hooks on \S+ \(port (\d+)\), api and page on \S+ \(port (\d+)\)", "".join(daemon.log))
        found = wait_for(ports, 30, "the daemon's ports")
        if found == "gone":
            return False
        daemon.hooks, daemon.api = ("http://127.0.0.1:" + found.group(n) for n in (1, 2))
        return True

    def inject(self, daemon, sandbox, run):
        """The fault meets the request of the point, or the next one."""
        if self.fault not in FAULTS or not self.is_reached:
            return
        settings = {"status": 503} if self.fault == "status" else {}
        sandbox.fault("*", self.fault, **settings)
        if self.point.startswith("request before"):
            daemon.process.send_signal(signal.SIGCONT)
            self.is_reached = self.wait_point(daemon, sandbox, run)

    def go(self, rig):
        daemon, sandbox = rig.fresh(self)
        folder = daemon.folder
        try:
            self.carry_out(daemon, sandbox)
        finally:
            if daemon.process and daemon.process.poll() is None:
                daemon.process.kill()
                daemon.process.wait()
            if self.how == "full":
                subprocess.run(["umount", "-l", folder], check=True)
            shutil.rmtree(folder, ignore_errors=True)

    def carry_out(self, daemon, sandbox):
        run, sender = None, None
        if self.start_to_point(daemon):
            sender = Sender(daemon) if self.point else None
            begun = []
            thread = threading.Thread(target=lambda: begun.append(self.begin(daemon)), daemon=True)
            thread.start()
            wait_for(lambda: begun or daemon.process.poll() is not None or is_frozen(daemon.process), PATIENCE_S, "an answer")
            thread.join(0.1)
            run = begun[0] if begun else None
            self.is_reached = self.wait_point(daemon, sandbox, run) if self.point else False
        else:
            self.is_reached = True
        if self.point is None:
            self.wait_end(daemon, sandbox, run)
            self.judge(daemon, sandbox, run)
            self.points = self.points or points_of(daemon)
            daemon.stop()
            return
        self.inject(daemon, sandbox, run)
        getattr(self, "at_" + self.how)(daemon)
        acknowledged = sender.end() if sender else {}
        self.is_back = True
        run = self.wait_end(daemon, sandbox, run)
        self.judge(daemon, sandbox, run)
        if self.how == "full" and self.is_reached:
            self.make_room(daemon)
        stored = {row[0].lower() for row in daemon.sql("SELECT hex(id) FROM delivery")}
        lost = [name for uuid, name in acknowledged.items() if uuid.replace("-", "") not in stored]
        if lost:
            raise Wrong("lost", "%d of %d acknowledged alerts" % (len(lost), len(acknowledged)))
        daemon.stop()

    # -- what happens there

    def at_kill(self, daemon):
        if daemon.process.poll() is None and self.is_reached:
            daemon.process.kill()
        if self.is_reached:
            daemon.process.wait()
            self.while_down(daemon)
            daemon.start()

    def at_power(self, daemon):
        if not self.is_reached:
            return
        saved = os.path.join(daemon.folder, "elsewhere")
        os.mkdir(saved)
        for end in ("", "-wal"):
            if os.path.exists(daemon.database + end):
                shutil.copy(daemon.database + end, saved)
        daemon.process.kill()
        daemon.process.wait()
        shutil.copy(daemon.path, saved)
        daemon.folder, daemon.path = saved, os.path.join(saved, "turnout.yaml")
        self.while_down(daemon)
        daemon.start()

    def while_down(self, daemon):
        """What is to be known of its database before it starts."""

    def at_freeze(self, daemon):
        if self.is_reached:
            daemon.process.send_signal(signal.SIGCONT)
            if not hasattr(daemon, "api"):
                daemon.attach()

    def at_full(self, daemon):
        if self.is_reached:
            fill_up(daemon.folder)
            self.at_freeze(daemon)
        if self.is_reached and self.fault == "restart":
            wait_for(lambda: not has_ballast(daemon) or len(daemon.runs()) > 0 and daemon.runs()[0]["finished_at"], PATIENCE_S,
                     "the ballast to be given up, or the end")
            self.at_kill(daemon)

    def make_room(self, daemon):
        """The run has ended on a full disk; with room again everything is as before."""
        self.was_given_up = not has_ballast(daemon)
        if self.was_given_up and daemon.is_ready():
            raise Wrong("broken", "takes alerts, though the ballast is given up")
        os.unlink(os.path.join(daemon.folder, "filler"))
        try:
            wait_for(lambda: has_ballast(daemon) and daemon.is_ready(), 20, "the ballast and intake")
        except AssertionError as error:
            raise Wrong("broken", str(error)) from None

    # -- the end of it

    def wait_end(self, daemon, sandbox, run):
        """Until all is over. What nobody had acknowledged the operator asks for again."""
        if not run:
            runs = daemon.runs()
            run = runs[0]["id"] if runs else self.begin(daemon)
        try:
            answer = wait_for(lambda: daemon.get("/api/v1/runs/" + run), 5, "an answer")
            if answer.status != 200:
                raise Wrong("lost", "the run that was acknowledged")
            wait_for(lambda: self.act(daemon, sandbox, run), PATIENCE_S, "the end of the run")
        except AssertionError as error:
            if isinstance(error, Wrong):
                raise
            raise Wrong("limbo", "%s\n%s\n%s" % (error, daemon.run(run), "".join(daemon.log[-20:]))) from None
        return run

    def judge(self, daemon, sandbox, run):
        found = daemon.run(run)
        to, back = (GRA, RBX) if self.kind == "failback" else (RBX, GRA)
        wanted = [back, to, back] if self.kind == "undo" else [back, to]
        site = {"failover": "rbx", "failback": "gra", "undo": "gra"}[self.kind]
        state = "undone" if self.kind == "undo" else "succeeded"
        if found["state"] != state:
            raise Wrong("limbo", "the run is %s (%s), its steps %s" % (
                found["state"], found["error"], [(step["state"], step["error"]) for step in found["steps"]]))
        changes = changes_of(sandbox, back)
        wrong = {record: values for record, values in changes.items() if values != wanted}
        if wrong or len(changes) != 3 * len(RECORDS):
            raise Wrong("doubled", "records became %s" % changes)
        for name in RECORDS:
            for zone in ("example.com", "example.net", "example.org"):
                if sandbox.dig("%s.%s" % (name, zone)) != [wanted[-1]]:
                    raise Wrong("lost", "%s.%s is %s" % (name, zone, sandbox.dig("%s.%s" % (name, zone))))
        if wait_for(lambda: daemon.service()["active"], 5, "an active site") != site:
            raise Wrong("lost", "the active site is %s" % daemon.service()["active"])
        judge_records(daemon, 1)


def judge_records(daemon, n_runs):
    if len(daemon.runs()) != n_runs:
        raise Wrong("doubled", "there are %d runs" % len(daemon.runs()))
    verdict = daemon.get("/api/v1/audit/verify").json
    if not verdict["intact"]:
        raise Wrong("broken", "the audit chain: %s" % verdict)


def has_ballast(daemon):
    """What is given up stays as an empty file."""
    return os.path.getsize(daemon.database + ".ballast") > 0


def fill_up(folder):
    """Nothing can be written any more."""
    with open(os.path.join(folder, "filler"), "wb", buffering=0) as file:
        at = 0
        for size in (1 << 20, 1 << 16, 1 << 12):
            with contextlib.suppress(OSError):
                while True:
                    os.posix_fallocate(file.fileno(), at, size)
                    at += size


def points_of(daemon):
    """One name of each point passed. Of one with several names, that of the step is the steadiest."""
    with open(os.path.join(daemon.folder, "points"), encoding="utf-8") as file:
        log = file.read()
    groups = {}
    for line in log.splitlines():
        group, _, name = line.partition(" ")
        groups.setdefault(group, []).append(name)
    names = []
    for found in groups.values():
        best = min(found, key=lambda name: (": step" not in name, ": run" not in name))
        if not best.startswith(("request", "call", "push")) or ": step" in best:
            names.append(best)
    return names


# ---- many of them ------------------------------------------------------------------------------------------------------


KINDS = {"failover": Trial, "failback": Trial, "undo": Trial}  # crash_scenarios.py adds its own


class Score:
    def __init__(self):
        self.lock = threading.Lock()
        self.tried = self.missed = 0
        self.wrong = []

    def count(self, what):
        return sum(1 for kind, _, _ in self.wrong if kind == what)

    def __str__(self):
        return "%d points tried (%d more not reached): %d lost, %d doubled, %d in limbo, %d broken" % (
            self.tried, self.missed, self.count("lost"), self.count("doubled"), self.count("limbo"), self.count("broken"))


def can_mount(folder):
    """Whether small file systems can be made here."""
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "turnout-test", folder], capture_output=True, check=False).returncode:
        return False
    subprocess.run(["umount", "-l", folder], check=True)
    return True


def first_pass(folder, kinds, n_workers=4):
    """The points of each kind."""
    trials = [KINDS[kind](kind) for kind in kinds]
    score = carry_out(trials, tempfile.mkdtemp(dir=folder), n_workers)
    assert not score.wrong, "without any end: %s" % "\n".join("%s: %s" % wrong[1:] for wrong in score.wrong)
    return {trial.kind: trial.points for trial in trials}


def all_trials(points, hows=HOWS, seed=0):
    """Every point of every kind in every way, with the faults of the seed."""
    source = random.Random(seed)
    trials = []
    for kind, names in points.items():
        for name in names:
            for how in hows:
                if how == "full" and not name.startswith("commit before"):
                    continue
                trials += KINDS[kind].at(kind, how, name, source)
    return trials


def carry_out(trials, folder, n_workers=3, tell=None):
    """All of them, some at a time."""
    score, waiting, templates = Score(), queue.SimpleQueue(), Templates(folder)
    for trial in trials:
        waiting.put(trial)

    def work():
        rig = Rig(tempfile.mkdtemp(dir=folder), templates)
        try:
            while True:
                try:
                    trial = waiting.get_nowait()
                except queue.Empty:
                    return
                try_one(trial, rig, score, tell)
        finally:
            rig.close()
    workers = [threading.Thread(target=work) for _ in range(min(n_workers, len(trials)))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return score


def try_one(trial, rig, score, tell):
    wrong = None
    try:
        trial.go(rig)
    except Wrong as error:
        wrong = (error.what, trial, str(error))
    except Exception as error:  # pylint: disable=broad-except
        wrong = ("broken", trial, "%s: %s" % (type(error).__name__, error))
    with score.lock:
        score.tried += trial.is_reached or wrong is not None
        score.missed += not trial.is_reached and wrong is None
        if wrong:
            score.wrong.append(wrong)
        if tell:
            tell(score, trial, wrong)
