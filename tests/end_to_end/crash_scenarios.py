"""More scenarios of the crash matrix: a run that a newer one overtakes, runs with debts and with steps that nobody can look
at, and drills.

They are trials like those of crash_matrix.py, at every point of the run as well, with other runs, other people in them
and other assertions. What people do is a loop that looks and acts, so that it goes on where a daemon has ended under it."""

import re
import signal

import crash_matrix
from crash_matrix import PATIENCE_S, Trial, Wrong, ask, config_with, judge_records, points_of, writes_of
from daemon import GRA, RBX, wait_for

THIRD = "203.0.113.30"
LATE_MS = {"kill": 300, "freeze": 1500}
ZONES = ("example.com", "example.net", "example.org")


def records_at_each(dns, name):
    """One step at each provider."""
    at = 3 * crash_matrix.RECORDS.index(name)
    return crash_matrix.playbook(dns, "failover")[at:at + 3]


def found(daemon, run):
    answer = ask(daemon, "GET", "/runs/" + run)
    return answer.json if answer and answer.status == 200 else None


def is_over(run):
    return run and run["state"] not in ("waiting", "running", "attention")


class Older(Trial):
    """A person ends the run when the daemon is back, and begins another one: the other way, or to a third site where nothing
    is to be taken back. What the older one writes, and only that, is RBX."""

    def __init__(self, *given):
        super().__init__(*given)
        self.newer = None
        self.value = GRA

    @classmethod
    def at(cls, kind, how, point, source):
        """Also with a provider that takes its time: the write is on its way when the daemon ends or stands still, and lands
        afterwards. A daemon that goes on must wait for it before it lets the newer run begin."""
        del source
        found = [cls(kind, how, point)]
        if how in ("kill", "freeze") and re.fullmatch(r"request before: step \d+ attempt \d+ apply #\d+", point):
            found.append(cls(kind, how, point, "late"))
        return found

    def config(self, sandbox, _):
        config = config_with(sandbox, records_at_each(sandbox.dns, "app"))
        config["services"]["shop"]["sites"]["sbg"] = {"address": THIRD}
        config["services"]["shop"]["prefer"].append("sbg")
        return config

    def begin(self, daemon):
        answer = ask(daemon, "POST", "/services/shop/failover", {"to": "rbx", "reason": "a test"})
        return answer.json["run"] if answer and answer.status == 202 else None

    def inject(self, daemon, sandbox, run):
        if self.fault != "late" or not self.is_reached:
            return
        for method in ("PUT", "POST"):
            sandbox.fault("*", "late", method=method, ms=LATE_MS[self.how])
        daemon.process.send_signal(signal.SIGCONT)
        wait_for(lambda: any(fault["hits"] for fault in sandbox.faults()), PATIENCE_S, "the write")
        if self.how == "freeze":
            daemon.process.send_signal(signal.SIGSTOP)

    def act(self, daemon, sandbox, run):
        if self.newer:
            return is_over(found(daemon, self.newer))
        if not self.is_back and self.point:
            return super().act(daemon, sandbox, run)
        if not self.point:
            if not super().act(daemon, sandbox, run):
                return False
            self.points = points_of(daemon)
        self.overtake(daemon, run)
        return False

    def overtake(self, daemon, run):
        """The other move is refused while the older run is not over, and asked for again at once."""
        ask(daemon, "POST", "/runs/%s/cancel" % run, {"reason": "the other way"})
        service = ask(daemon, "GET", "/services/shop")
        if not service:
            return
        to, self.value = ("sbg", THIRD) if service.json["active"] == "gra" else ("gra", GRA)
        answer = ask(daemon, "POST", "/services/shop/failover", {"to": to, "reason": "the other way"})
        if answer and answer.status == 202:
            self.newer = answer.json["run"]

    def judge(self, daemon, sandbox, run):
        writes = writes_of(sandbox)
        values = [value for _, value, _ in writes]
        first = values.index(self.value) if self.value in values else len(values)
        late = [write[0] for write in writes[first:] if write[1] == RBX]
        if len(late) > (self.fault == "late"):
            raise Wrong("doubled", "the older run wrote %s behind the newer: %s" % (late, writes))
        if set(values) - {RBX, self.value}:
            raise Wrong("doubled", "somebody wrote %s" % writes)
        for zone in ZONES:
            if sandbox.dig("app." + zone) != [self.value]:
                raise Wrong("lost", "app.%s is %s, not %s; writes %s" % (zone, sandbox.dig("app." + zone), self.value, writes))
        newer = daemon.run(self.newer)
        if newer["state"] != "succeeded":
            raise Wrong("limbo", "the newer run is %s (%s)" % (newer["state"], newer["error"]))
        older = daemon.run(run)
        if older["state"] not in ("cancelled", "succeeded"):
            raise Wrong("limbo", "the older run is %s (%s)" % (older["state"], older["error"]))
        site = {GRA: "gra", THIRD: "sbg"}[self.value]
        if wait_for(lambda: daemon.service()["active"], 5, "an active site") != site:
            raise Wrong("lost", "the active site is %s" % daemon.service()["active"])
        judge_records(daemon, 2)


DEBT, ONCE, AGAIN = 2, 3, 4  # steps of the next two


class Mixed(Trial):
    """Two steps at the same time, a debt at the dead site, a program that runs once, one that may run again, and a record.
    When the run is over the person is refused the way back, then the site is back and the debt is paid."""

    journal = None
    is_out = is_refused = was_asked = False
    n_tried = 0  # of the debt, when the daemon ended

    @classmethod
    def at(cls, kind, how, point, source):
        """Also in the midst of the programs. On a full disk without a restart, before which nobody answers the run."""
        trials = [cls(kind, how, point)] if how == "full" else super().at(kind, how, point, source)
        if how == "kill" and re.fullmatch(r"call before: step [%d%d] .*" % (ONCE, AGAIN), point):
            trials.append(cls(kind, how, point, "midst"))
        return trials

    def program(self, n, **more):
        return dict({"name": "program %d" % n, "action": "command", "shell": True,
                     "run": ["echo x >> %s-%d; sleep 0.05" % (self.journal, n)]}, **more)

    def ran(self, n):
        try:
            with open("%s-%d" % (self.journal, n), encoding="utf-8") as file:
                return len(file.read().split())
        except FileNotFoundError:
            return 0

    def config(self, sandbox, folder):
        self.journal = folder + "-journal"
        app, api = records_at_each(sandbox.dns, "app"), records_at_each(sandbox.dns, "api")
        steps = [{"parallel": app[:2]}, dict(api[1], on_failure="owe"), self.program(ONCE), self.program(AGAIN, idempotent=True),
                 dict(app[2], on_failure="undo")]
        return config_with(sandbox, steps)

    def prepare(self, sandbox):
        # The record of `api` at OVH, which stands for the dead site.
        number = next(record["id"] for record in crash_matrix.default_seed()["ovh"]["zones"][0]["records"]
                      if (record["subDomain"], record["fieldType"]) == ("api", "A"))
        sandbox.fault("ovh", "status", method="PUT", path_regex=str(number), status=403, code="FORBIDDEN", times=-1)

    def inject(self, daemon, sandbox, run):
        if self.fault != "midst":
            super().inject(daemon, sandbox, run)
        elif self.is_reached:
            number = int(re.search(r"step (\d)", self.point)[1])
            daemon.process.send_signal(signal.SIGCONT)
            wait_for(lambda: self.ran(number), PATIENCE_S, "the program")

    def while_down(self, daemon):
        """Whether the program may be running, for all that is on record, and how often the debt was tried."""
        attempts = daemon.sql("SELECT step, phase, finished_at FROM attempt")
        self.is_out = (ONCE, "apply", None) in attempts
        if daemon.sql("SELECT 1 FROM step WHERE n = %d AND state = 'owed'" % DEBT):
            self.n_tried = sum(1 for row in attempts if row[0] == DEBT)

    # -- people

    def act(self, daemon, sandbox, run):
        run = found(daemon, run)
        if run and run["state"] == "attention":
            self.answer(daemon, sandbox, run)
        return is_over(run) and self.pay(daemon, sandbox, run)

    def answer(self, daemon, sandbox, run):
        """Of the program that runs once the person knows whether it ran."""
        del sandbox
        waiting = [n for n, step in enumerate(run["steps"]) if step["state"] in ("failed", "unknown")]
        if waiting != [ONCE] or run["steps"][ONCE]["state"] != "unknown":
            raise Wrong("limbo", "waits for a person: %s" % [(step["state"], step["error"]) for step in run["steps"]])
        self.was_asked = True
        verb = "done" if self.ran(ONCE) else "retry"
        ask(daemon, "POST", "/runs/%s/%s" % (run["id"], verb), {"reason": "looked", "step": ONCE})

    def pay(self, daemon, sandbox, run):
        if not self.is_refused:
            if not run["debts"]:
                raise Wrong("lost", "the debt: %s" % run["steps"][DEBT])
            if len(run["steps"][DEBT]["attempts"]) <= self.n_tried:
                return False  # it is tried again after a restart
            answer = ask(daemon, "POST", "/services/shop/failback", {"reason": "too early"})
            if answer and (answer.status != 409 or answer.json["error"]["code"] != "debt"):
                raise Wrong("doubled", "the way back in spite of a debt: %s" % answer.body)
            if answer:
                self.is_refused = True
                sandbox.clear_faults()
        elif run["debts"]:
            ask(daemon, "POST", "/runs/%s/retry" % run["id"], {"reason": "the site is back"})
        return self.is_refused and not run["debts"]

    # -- what is right

    def judge(self, daemon, sandbox, run):
        self.judge_programs()
        self.judge_run(daemon, sandbox, run, "succeeded", "done", [GRA, RBX], 4)
        if sandbox.dig("api.example.net") != [RBX]:
            raise Wrong("lost", "the debt was not paid")

    def judge_programs(self):
        if self.ran(ONCE) != 1:
            raise Wrong("doubled" if self.ran(ONCE) else "lost", "the program ran %d times" % self.ran(ONCE))
        if not 1 <= self.ran(AGAIN) <= 2:
            raise Wrong("doubled", "the idempotent program ran %d times" % self.ran(AGAIN))
        if self.how in ("kill", "power") and self.was_asked != self.is_out:
            raise Wrong("limbo", "a person was%s asked, and the program was%s out" % (
                "" if self.was_asked else " not", "" if self.is_out else " not"))

    def judge_run(self, daemon, sandbox, run, state, step_state, wanted, n_records):
        run = daemon.run(run)
        states = [step["state"] for step in run["steps"]]
        if run["state"] != state or set(states) - {step_state}:
            raise Wrong("limbo", "the run is %s (%s), its steps %s" % (run["state"], run["error"], states))
        changes = crash_matrix.changes_of(sandbox, GRA)
        if len(changes) != n_records or [values for values in changes.values() if values != wanted]:
            raise Wrong("doubled", "records became %s" % changes)
        for zone in ZONES:
            if sandbox.dig("app." + zone) != wanted[-1:]:
                raise Wrong("lost", "app.%s is %s" % (zone, sandbox.dig("app." + zone)))
        site = {GRA: "gra", RBX: "rbx"}[wanted[-1]]
        if wait_for(lambda: daemon.service()["active"], 5, "an active site") != site:
            raise Wrong("lost", "the active site is %s" % daemon.service()["active"])
        judge_records(daemon, 1)


class MixedUndo(Mixed):
    """The same, but Route 53 refuses: all of it is put back, and of the programs a person says that they are. By then the
    dead site is back: what was owed there must not be done any more."""

    def prepare(self, sandbox):
        super().prepare(sandbox)
        sandbox.fault("route53", "status", method="POST", status=403, code="AccessDenied", times=-1)

    def answer(self, daemon, sandbox, run):
        waiting = [n for n, step in enumerate(run["steps"]) if step["state"] == "failed" and n != DEBT]
        if not run["is_undoing"] or len(waiting) != 1 or waiting[0] not in (ONCE, AGAIN):
            super().answer(daemon, sandbox, run)
        else:
            sandbox.clear_faults()
            ask(daemon, "POST", "/runs/%s/done" % run["id"], {"reason": "by hand", "step": waiting[0]})

    def pay(self, daemon, sandbox, run):
        return True

    def judge(self, daemon, sandbox, run):
        self.judge_programs()
        self.judge_run(daemon, sandbox, run, "undone", "undone", [GRA, RBX, GRA], 2)


class Drill(Trial):
    """There and back on names that stand in."""

    def config(self, sandbox, _):
        steps = records_at_each(sandbox.dns, "app")
        for step in steps:
            step["drill"] = {"record": step["record"].replace("app", "drill-app")}
        return config_with(sandbox, steps)

    def begin(self, daemon):
        answer = ask(daemon, "POST", "/services/shop/drill", {"kind": "canary", "reason": "a test"})
        return answer.json["run"] if answer and answer.status == 202 else None

    def act(self, daemon, sandbox, run):
        return super().act(daemon, sandbox, run) and self.on_record(daemon, run)

    @staticmethod
    def on_record(daemon, run):
        service = ask(daemon, "GET", "/services/shop")
        drills = service.json["drills"] if service else []
        return next((drill for drill in drills if drill["kind"] == "canary" and drill["run"] == run), None)

    def judge(self, daemon, sandbox, run):
        drill, state = wait_for(lambda: self.on_record(daemon, run), 5, "the record"), daemon.run(run)["state"]
        if not drill["is_good"] or state != "succeeded":
            raise Wrong("limbo", "the drill is %s: %s" % (state, drill))
        if [len(daemon.audit(kind=kind)) for kind in ("drill.proven", "drill.failed")] != [1, 0]:
            raise Wrong("doubled", "on record: %s" % daemon.audit(kind="drill.proven"))
        changes = crash_matrix.changes_of(sandbox, GRA)
        if len(changes) != 3 or [values for values in changes.values() if values != [GRA, RBX, GRA]]:
            raise Wrong("doubled", "records became %s" % changes)
        for zone in ZONES:
            for name in ("app.", "drill-app."):
                if sandbox.dig(name + zone) != [GRA]:
                    raise Wrong("lost", "%s is %s" % (name + zone, sandbox.dig(name + zone)))
        if [record for record in changes if re.search("/(36666865|5001234567)$| app", record)]:
            raise Wrong("doubled", "the real record was touched: %s" % changes)
        if daemon.service()["active"] != "gra":
            raise Wrong("lost", "the active site is %s" % daemon.service()["active"])
        judge_records(daemon, 1)


crash_matrix.KINDS.update(older=Older, mixed=Mixed, mixed_undo=MixedUndo, drill=Drill)
