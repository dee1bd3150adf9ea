"""The browser view, read and used in a real Chromium, on a real daemon that moves a service at the provider sandbox.

It reads what a person reads: words, not the page's insides. The daemon is the one of daemon.py. How the API answers is tested
elsewhere.
"""

import socket
import time
from pathlib import Path

import pytest
from client import OVH_KEYS, LINODE_TOKEN
from daemon import (GRA, OPERATOR_TOKEN, RBX, ROOT, SOURCE_TOKEN, VIEWER_TOKEN, Daemon, alert, configuration, delivery, request,
                    wait_for)
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

STATIC = Path(ROOT) / "static"
HOSTILE = "<img src=x onerror=\"document.title='taken'\"> drill \u202egnp.exe"
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
          "form-action 'none'; frame-ancestors 'none'")


# ---- one daemon and one browser for all of them, and a tab for each


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module", name="daemon")
def fixture_daemon(module_sandbox, tmp_path_factory):
    """Its steps are Linode and OVH; its port stays when it is started again."""
    config = configuration(module_sandbox, cool_down="1s")
    config["server"]["api"] = "127.0.0.1:%d" % free_port()
    del config["services"]["shop"]["playbook"][2:]
    daemon = Daemon(tmp_path_factory.mktemp("page"), config).start()
    try:
        daemon.wait_active("gra")
        yield daemon
    finally:
        daemon.stop()


@pytest.fixture(name="sandbox")
def fixture_sandbox(module_sandbox):
    """As it stands: what one test has moved, the next one reads."""
    yield module_sandbox
    module_sandbox.clear_faults()
    module_sandbox.options(ovh_refresh_ms=150)


@pytest.fixture(scope="module", name="page_url")
def fixture_page_url(daemon):
    return daemon.api + "/"


@pytest.fixture(scope="module", name="operator_token")
def fixture_operator_token():
    return OPERATOR_TOKEN


@pytest.fixture(scope="module", name="start_run")
def fixture_start_run(daemon):
    """Starts a failover or failback as curl does; answers the run's id."""
    def start_run(verb, reason):
        answer = daemon.move(verb, reason=reason)
        assert answer.status == 202, answer.body
        return answer.json["run"]
    return start_run


@pytest.fixture(scope="module", name="chromium")
def fixture_chromium(tmp_path_factory):
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
                     "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
                     "--user-data-dir=%s" % (tmp_path_factory.mktemp("chromium") / "profile")):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(name="browser")
def fixture_browser(chromium):
    """A tab of its own, which has the token of no other."""
    old = chromium.current_window_handle
    chromium.switch_to.new_window("tab")
    new = chromium.current_window_handle
    chromium.switch_to.window(old)
    chromium.close()
    chromium.switch_to.window(new)
    chromium.get_log("browser")  # what the tabs before have complained of is not this one's
    return Page(chromium)


class Page:
    """What a person does with a page."""

    def __init__(self, driver):
        self.driver = driver
        self.size(1100, 900)

    def size(self, width, height, colours="light"):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                    {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                    {"features": [{"name": "prefers-color-scheme", "value": colours}]})

    def open(self, url):
        self.driver.get("about:blank")
        self.driver.get(url)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return wait_for(lambda: self.all(selector), what=selector)[0]

    def script(self, text, *arguments):
        return self.driver.execute_script("return " + text, *arguments)

    def text(self, selector="main"):
        return self.script("(document.querySelector(arguments[0]) || {innerText: ''}).innerText", selector)

    def texts(self, selector):
        return self.script("[...document.querySelectorAll(arguments[0])].map((e) => e.innerText)", selector)

    def wait_text(self, words, selector="main", timeout_s=20):
        try:
            wait_for(lambda: words in self.text(selector), timeout_s, words)
        except AssertionError:
            raise AssertionError("%r does not come in %s:\n%s" % (words, selector, self.text(selector))) from None

    def sign_in(self, url, token, then=""):
        self.open(url + then)
        self.one("input[type=password]").send_keys(token + Keys.ENTER)
        wait_for(lambda: not self.all("input[type=password]"), what="the token to be taken")

    def press(self, *keys):
        ActionChains(self.driver).send_keys(*keys).perform()

    def look_again(self):
        """The page reads at once what it would read within some seconds."""
        self.script("void document.dispatchEvent(new Event('visibilitychange'))")

    def is_asking(self):
        return self.script("document.getElementById('ask').open")

    def complaints(self):
        """What the browser's console says, of a policy that was violated too."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


# ---- the tests


def test_the_page_is_public_and_its_policy_is_strict(page_url):
    answer = request("GET", page_url)
    assert answer.status == 200 and answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert b"<script>" not in answer.body and b" style=" not in answer.body
    for path in STATIC.iterdir():
        answer = request("GET", page_url + path.name)
        assert answer.status == 200 and answer.body == path.read_bytes()
    assert request("GET", page_url + "no-such-file.js").status == 404


def test_the_token_is_asked_for_and_kept_in_this_tab_only(browser, page_url, operator_token):
    browser.open(page_url)
    field = browser.one("input[type=password]")
    field.send_keys("not-the-token" + Keys.ENTER)
    browser.wait_text("does not know this token")
    assert browser.script("sessionStorage.length") == 0
    field.clear()
    field.send_keys(operator_token + Keys.ENTER)
    browser.wait_text("shop")
    assert operator_token not in browser.script("location.href")
    assert operator_token not in browser.script("document.documentElement.outerHTML")
    assert browser.script("[document.cookie, localStorage.length]") == ["", 0]
    browser.open(page_url)
    browser.wait_text("shop")
    assert all("401" in line for line in browser.complaints())
    browser.one("#leave").click()
    browser.one("input[type=password]")
    assert browser.script("sessionStorage.length") == 0


def test_a_token_that_is_no_longer_accepted_leads_back_to_the_form(browser, page_url, operator_token):
    browser.sign_in(page_url, operator_token)
    browser.wait_text("shop")
    browser.script("sessionStorage.setItem('turnout.token', 'revoked')")
    browser.wait_text("does not accept this token any more")


def test_a_failover_is_read_as_it_happens(browser, page_url, operator_token, start_run, sandbox, daemon):
    sandbox.options(ovh_refresh_ms=8000)
    browser.sign_in(page_url, operator_token)
    browser.wait_text("active at gra, its home, for")
    run = start_run("failover", HOSTILE)
    browser.wait_text("moving", "article .active .badge")
    browser.wait_text("OVH DNS", "article")
    browser.script("void (location.hash = arguments[0])", "#/runs/" + run)
    browser.wait_text("shop: gra", "h1")
    browser.wait_text("running", ".headline")
    wait_for(lambda: browser.texts(".step > .head .badge") == ["done", "running"], what="the second step")
    browser.wait_text("1 of 2 steps finished")
    browser.wait_text("succeeded", ".headline")
    assert browser.texts(".step > .head .badge") == ["done", "done"]
    browser.wait_text("2 of 2 steps finished")
    for change in browser.texts(".step > .change"):
        assert GRA in change and RBX in change
    browser.one(".step summary").click()
    browser.wait_text("observe", ".attempts")
    browser.wait_text("apply", ".attempts")
    browser.wait_text("PUT %s/domains/123/records/36666865" % sandbox.linode_url, ".attempts")
    assert LINODE_TOKEN not in browser.text() and OVH_KEYS["consumer_key"] not in browser.text()
    assert "<img src=x" in browser.text() and "\u202e" not in browser.text()
    assert "oncall" in browser.text(".facts")
    assert browser.all("main img") == []
    browser.script("void (location.hash = '#/services')")
    browser.wait_text("active at rbx, away from home (gra), for")
    browser.script("void (location.hash = '#/runs')")
    browser.wait_text("<img src=x", ".rows")
    assert "taken" not in browser.script("document.title") and browser.all("main img") == []
    assert daemon.service()["active"] == "rbx"
    assert browser.complaints() == []


def test_the_way_back_is_asked_for_on_the_page(browser, page_url, operator_token, daemon):
    daemon.wait_active("rbx")
    browser.sign_in(page_url, operator_token, "#/services/shop")
    browser.one("[data-verb=failback]").send_keys(Keys.ENTER)
    wait_for(browser.is_asking, what="the dialog")
    browser.press(Keys.ESCAPE)
    assert not browser.is_asking() and browser.script("document.activeElement.dataset.verb") == "failback"
    browser.press(Keys.ENTER)
    browser.one("dialog [type=submit]").click()
    assert browser.is_asking() and daemon.service()["active"] == "rbx"  # a reason is needed
    browser.one("dialog textarea").send_keys("home is well again")
    browser.one("dialog [type=submit]").click()
    browser.wait_text("succeeded", ".headline")
    browser.wait_text("home is well again", "[data-key=reason]")
    assert daemon.service()["active"] == "gra"
    assert browser.complaints() == []


def test_a_refusal_is_shown_in_words(browser, page_url):
    browser.sign_in(page_url, VIEWER_TOKEN, "#/services/shop")
    browser.one("[data-verb=failover]").click()
    browser.one("dialog textarea").send_keys("let me")
    browser.one("dialog [type=submit]").click()
    browser.wait_text("Not allowed", "#ask-error")


def test_a_stopped_run_says_what_is_the_matter(browser, page_url, operator_token, daemon, sandbox, start_run):
    sandbox.fault("ovh", "status", method="PUT", status=403, times=-1)
    try:
        run = start_run("failover", "a drill that fails")
        browser.sign_in(page_url, operator_token, "#/runs/" + run)
        browser.wait_text("attention", ".headline")
        browser.wait_text("waits for a person")
        assert browser.text(".step.failed .error")
        assert "403" in browser.text(".step.failed .attempts")
        # What can be done stands on top, and once more where it went wrong.
        assert "Step 2, OVH DNS, failed: " in browser.text(".notice") and "403" in browser.text(".notice")
        of_step = ["Try again…", "Skip…", "It is done…"]
        assert browser.texts(".notice button") == [*of_step, "Undo the run…", "Cancel the run…"]
        assert browser.texts(".step .actions button") == of_step
        browser.script("void (location.hash = '#/services')")
        browser.wait_text("One service needs a person", "[data-key=notice]")
        browser.one("[data-key=notice] a.button").send_keys(Keys.ENTER)
        browser.wait_text("shop: gra", "h1")
    finally:
        sandbox.clear_faults()
    browser.script("void (location.hash = arguments[0])", "#/runs/" + run)
    browser.one("[data-verb=retry]").click()
    assert browser.text("#ask-title") == "Try step 2, OVH DNS, again?"
    browser.one("dialog textarea").send_keys("the grant is there again")
    browser.one("dialog [type=submit]").click()
    browser.wait_text("succeeded", ".headline")
    assert browser.texts("main .actions button") == []
    assert daemon.service()["active"] == "rbx"


def test_an_outage_that_waits_for_a_person_stands_on_top(browser, make_daemon, sandbox):
    config = configuration(sandbox, mode="manual")
    config["flood_guard"] = {"sites": 2}
    del config["services"]["shop"]["playbook"][1:]
    daemon = make_daemon(config)
    there = {"gra": "rbx", "rbx": "gra"}
    here = wait_for(lambda: {daemon.service()["active"]} & set(there), what="the active site").pop()
    browser.sign_in(daemon.api + "/", OPERATOR_TOKEN)
    browser.wait_text("active at " + here)
    assert browser.text(".notice") == ""
    daemon.deliver(delivery(alert(there[here])))
    browser.look_again()
    browser.wait_text("Nothing is started: not the active site")
    daemon.deliver(delivery(alert(there[here], "resolved", ends="2026-11-21T10:30:00Z")))
    daemon.deliver(delivery(alert(here)))
    wait_for(lambda: any(site["incident"] and site["incident"]["is_standing"] for site in daemon.service()["sites"]), what="the incident")
    browser.look_again()
    browser.wait_text("shop is active at %s, which is down, and nothing is started by itself" % here, "[data-key=notice]")
    browser.wait_text("Nothing is started: the mode is manual")
    assert browser.texts("[data-key=notice] .actions > *") == ["Plan", "Fail over…"]
    browser.one("td .why + p a").click()
    browser.wait_text("nothing is started, for the mode is manual: `turnout failover shop", ".story")
    assert browser.texts(".story li")[-1].startswith("now") and "manual_mode" not in browser.text("main")
    assert browser.text("[data-key='now 0']") in browser.texts(".story li")[-1]  # what matters is said first, too
    assert browser.texts("main > .actions a") == ["Report", "The service"]


def test_a_freeze_of_days_does_not_pass_by_itself(browser, make_daemon, sandbox):
    config = configuration(sandbox)
    config["services"]["shop"]["freeze"] = {"from": "2026-01-01T00:00:00Z", "until": "2036-01-01T00:00:00Z", "reason": "it is old"}
    del config["services"]["shop"]["playbook"][1:]
    daemon = make_daemon(config)
    here = wait_for(lambda: {daemon.service()["active"]} & {"gra", "rbx"}, what="the active site").pop()
    daemon.deliver(delivery(alert(here)))
    browser.sign_in(daemon.api + "/", OPERATOR_TOKEN)
    browser.wait_text("shop is active at %s, which is down, and nothing is started by itself" % here, ".notice")
    browser.open(daemon.api + "/#/incidents")
    browser.wait_text("it is frozen for maintenance")
    Select(browser.one("select[name=open]")).select_by_visible_text("only open ones")
    wait_for(lambda: "open=true" in browser.script("location.hash"), what="the filter")
    browser.wait_text("it is frozen for maintenance")


def test_the_incidents_are_paged(browser, make_daemon, sandbox):
    daemon = make_daemon(configuration(sandbox, mode="manual"))
    for _ in range(51):  # more than a page
        for says in ("down", "nothing"):
            answer = daemon.post("/api/v1/services/shop/vote", {"site": "rbx", "says": says, "reason": "a drill"})
            assert answer.status == 200, answer.body
    oldest = daemon.get("/api/v1/incidents?limit=60").json["items"][-1]["id"]
    browser.sign_in(daemon.api + "/", OPERATOR_TOKEN, "#/incidents")
    browser.wait_text("Incidents")
    browser.one(".pager a").click()
    wait_for(lambda: browser.script("[...document.querySelectorAll('.rows > li')].map((e) => e.dataset.key)") == [oldest],
             what="the older page")


def test_the_audit_log_is_filtered_and_paged(browser, page_url, operator_token, daemon):
    for number in range(60):  # more than a page
        assert daemon.post("/api/v1/services/shop/adopt", {"to": "rbx", "reason": "entry %d" % number}).status in (200, 409)
    browser.sign_in(page_url, operator_token, "#/audit")
    browser.wait_text("Verify the chain")

    def numbers():
        return browser.script("[...document.querySelectorAll('#entries > li')].map((e) => Number(e.dataset.key))")

    first = wait_for(numbers, what="entries")
    assert len(first) == 50 and first == sorted(first, reverse=True)
    browser.one(".pager a").click()
    wait_for(lambda: numbers() and max(numbers()) < min(first), what="the older page")
    assert max(numbers()) == min(first) - 1 and "after=" in browser.script("location.hash")
    assert browser.texts(".pager a")[0] == "Newest"
    browser.all(".pager a")[0].click()
    wait_for(lambda: numbers() and max(numbers()) >= max(first), what="the newest page")

    Select(browser.one("select[name=kind]")).select_by_value("run.finished")
    wait_for(lambda: set(browser.texts("#entries .kind")) == {"run.finished"}, what="entries of one kind")
    assert browser.script("location.hash") == "#/audit?kind=run.finished"
    browser.open(page_url + "#/audit?service=shop&kind=run.started")
    wait_for(lambda: set(browser.texts("#entries .kind")) == {"run.started"}, what="the same by a link")
    assert set(browser.texts("#entries .name")) == {"shop"}
    assert "<img src=x" in browser.text("#entries") and browser.all("main img") == []

    browser.script("void (location.hash = '#/audit')")
    newest = wait_for(lambda: max(numbers(), default=0) >= max(first) and max(numbers()), what="the newest page")
    browser.one("#entries summary").click()
    browser.wait_text('"seq": %d' % newest, "#entries details[open]")
    assert daemon.post("/api/v1/services/shop/adopt", {"to": "rbx", "reason": "one more"}).status in (200, 409)
    browser.look_again()
    wait_for(lambda: max(numbers()) > newest, what="the new entry")
    assert len(browser.all("#entries details[open]")) == 1  # the reader's is open still
    assert browser.script("document.querySelector('#entries details[open]').closest('li').dataset.key") == str(newest)
    browser.one("[data-do=verify]").click()
    browser.wait_text("The chain is intact")
    assert browser.complaints() == []


def test_the_monitors_and_what_no_rule_matched(browser, make_daemon, sandbox):
    config = configuration(sandbox, mode="manual", votes=2)
    config["sources"]["leaky"] = {"kind": "alertmanager", "path_token": "${env:AM_TOKEN}"}
    daemon = make_daemon(config)
    assert daemon.deliver(delivery(alert("gra"))).status == 202
    assert daemon.deliver(delivery(alert("gra"))).status == 200
    assert daemon.deliver({"nonsense": 1}).status == 400
    daemon.deliver(delivery(alert("gra", name="<img src=x> \u202egnp.exe")))
    answer = daemon.deliver(delivery(alert("waw"), alert("waw", status="resolved", name="SiteSlow")))
    browser.sign_in(daemon.api + "/", OPERATOR_TOKEN)
    browser.wait_text("shop")
    browser.one("#nav a[href='#/monitors']").send_keys(Keys.ENTER)
    browser.wait_text("Deliveries that no rule matched")
    first, _, third = browser.texts("table.monitors tbody tr")
    for words in ("prometheus", "secret", "bearer, basic", "4 deliveries since the start", "1 refused"):
        assert words in first
    assert "leaky" in third and "open" in third and "not trusted" in third and "never" in third and "no rule" in third
    assert SOURCE_TOKEN not in browser.script("document.documentElement.outerHTML")

    # The same words as on the command line, the newest first.
    nearest = 'no rule matches; nearest: services.shop.alerts[0] (site gra): region is "waw", expected "gra"'
    rows = browser.texts("#deliveries > li")
    assert len(rows) == 2 and nearest in rows[0] and "and 1 more alert" in rows[0] and 'alertname is "<img src=x>' in rows[1]
    assert "\u202e" not in browser.text() and browser.all("main img") == []
    said = daemon.command("deliveries", "--unmatched")
    assert said.returncode == 0 and nearest in said.stdout and "SiteDown" in said.stdout

    Select(browser.one("select[name=show]")).select_by_value("every")
    wait_for(lambda: len(browser.texts("#deliveries > li")) == 3, what="all deliveries")
    assert browser.script("location.hash") == "#/monitors?show=every"
    Select(browser.one("select[name=source]")).select_by_value("second")
    browser.wait_text("No delivery is like that")

    browser.script("void (location.hash = arguments[0])", "#/monitors/" + answer.json["delivery"])
    browser.wait_text("spoke of no service", ".headline")
    assert nearest in browser.texts(".step")[0] and "resolved" in browser.texts(".step")[1]
    assert browser.text("pre.body").startswith('{"receiver": "turnout"')
    one = daemon.command("deliveries", answer.json["delivery"])
    assert "alert 1, firing: " + nearest in one.stdout and '{"receiver": "turnout"' in one.stdout
    assert daemon.command("deliveries", "00000000-0000-7000-8000-000000000000").returncode == 1
    browser.script("void (location.hash = '#/audit?kind=intake.unmatched')")
    browser.wait_text("matched no service", "#entries")
    assert browser.complaints() == []


def test_everything_is_reached_by_keyboard_and_seen(browser, page_url, operator_token):
    browser.sign_in(page_url, operator_token)
    browser.wait_text("shop")
    browser.open(page_url)
    browser.wait_text("shop")
    all_of_them = browser.script("[...document.querySelectorAll('a[href], button, select, input, summary')]"
                            ".filter((e) => e.checkVisibility())")
    seen = []
    browser.script("void arguments[0].focus()", all_of_them[0])  # a page just opened has its heading focused
    for number in range(len(all_of_them)):
        browser.press(*([Keys.TAB] if number else [Keys.SHIFT]))
        assert browser.script("document.activeElement === arguments[0]", all_of_them[number])
        seen.append(browser.script(
            "(() => {const e = document.activeElement, s = getComputedStyle(e), b = e.getBoundingClientRect();"
            "return [e.textContent.trim(), s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 && b.top >= 0 && b.width > 0]})()"))
    assert [text for text, _ in seen][:7] == ["Skip to the content", "Turnout", "Services", "Incidents", "Runs", "Monitors",
                                               "Audit log"]
    assert all(is_visible for _, is_visible in seen), seen
    for text in ("Fail over…", "Fail back…", "Its audit log"):
        assert text in [name for name, _ in seen]
    assert browser.script("document.getElementById('announce').getAttribute('aria-live')") == "polite"


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_nothing_sticks_out_on_a_phone(browser, page_url, operator_token, daemon, colours):
    run = daemon.runs()[0]["id"]
    unmatched = daemon.deliver(delivery(alert("w" * 300, starts="2026-11-21T10:00:00Z", name=colours))).json["delivery"]
    browser.size(360, 740, colours)
    browser.sign_in(page_url, operator_token)
    grounds = set()
    for place, words in (("#/services", "shop"), ("#/runs", "shop"), ("#/runs/" + run, "steps finished"), ("#/monitors", "no rule matches"),
                         ("#/monitors/" + unmatched, "What it is taken for"), ("#/audit", "Verify"),
                         ("#/plan/shop", "Nothing has been changed"), ("#/report/" + run + "?of=run", "it took")):
        browser.script("void (location.hash = arguments[0])", place)
        browser.wait_text(words)
        time.sleep(0.3)
        assert browser.script("document.documentElement.scrollWidth") <= 360, place
        grounds.add(browser.script("getComputedStyle(document.body).backgroundColor"))
    (ground,) = grounds
    assert (sum(int(part) for part in ground.strip("rgb()").split(",")[:3]) < 200) == (colours == "dark")


def test_a_lost_daemon_is_said_and_found_again(browser, page_url, operator_token, daemon):
    browser.sign_in(page_url, operator_token)
    browser.wait_text("shop")
    daemon.stop()
    try:
        browser.wait_text("Cannot reach the daemon since", "#banner")
        browser.wait_text("shop")  # what was read is shown still
    finally:
        daemon.start()
    browser.one("#banner button").click()
    wait_for(lambda: browser.text("#banner").strip() == "", what="the banner to go")
    browser.wait_text("shop")


# ---- deciding


def test_a_run_that_waits_is_answered_and_its_incident_told(browser, make_daemon, sandbox):
    config = configuration(sandbox, mode="approval")
    del config["services"]["shop"]["playbook"][1:]
    daemon = make_daemon(config)
    there = {"gra": "rbx", "rbx": "gra"}
    here = wait_for(lambda: {daemon.service()["active"]} & set(there), what="the active site").pop()
    browser.sign_in(daemon.api + "/", OPERATOR_TOKEN)
    daemon.deliver(delivery(alert(here)))
    daemon.wait_run("waiting")
    browser.look_again()
    browser.wait_text("shop has a run to %s that waits for a yes or no" % there[here], "[data-key=notice]")
    assert browser.texts("[data-key=notice] button") == ["Approve…", "Refuse…"]
    browser.one("[data-verb=approve]").click()
    assert browser.text("#ask-title") == "Let shop move to %s?" % there[here]
    browser.one("dialog textarea").send_keys("seen it myself")
    browser.one("dialog [type=submit]").click()
    browser.wait_text("succeeded")
    browser.open(daemon.api + "/#/incidents")
    browser.wait_text("a run came of it")
    browser.one(".run > a").click()
    browser.wait_text("prometheus says")
    browser.wait_text("seen it myself", ".story")


def test_a_service_is_paused_and_a_person_votes(browser, make_daemon, sandbox):
    config = configuration(sandbox, votes=2)
    del config["services"]["shop"]["playbook"][1:]
    daemon = make_daemon(config)
    here = wait_for(lambda: {daemon.service()["active"]} & {"gra", "rbx"}, what="the active site").pop()
    browser.sign_in(daemon.api + "/", OPERATOR_TOKEN)
    browser.wait_text("active at " + here)
    browser.one("[data-verb=pause]").click()
    browser.one("dialog textarea").send_keys("moving its database")
    browser.one("dialog [type=submit]").click()
    browser.wait_text("moving its database")
    browser.one("[data-verb=vote]").click()
    Select(browser.one("dialog select[name=site]")).select_by_value(here)
    browser.one("dialog textarea").send_keys("no lights in the rack")
    browser.one("dialog [type=submit]").click()
    browser.wait_text("1 of 2")
    browser.wait_text("operator", ".voters")
    daemon.deliver(delivery(alert(here)))
    wait_for(lambda: any(site["incident"] and site["incident"]["is_standing"] for site in daemon.service()["sites"]), what="the incident")
    browser.look_again()
    browser.wait_text("Nothing is started: the service is paused")
    browser.one("[data-verb=resume]").click()
    browser.one("dialog textarea").send_keys("done")
    browser.one("dialog [type=submit]").click()
    wait_for(lambda: daemon.service()["active"] not in (here, "moving"), what="the run")


def test_what_is_refused_can_be_insisted_on(browser, make_daemon, sandbox):
    config = configuration(sandbox)
    del config["services"]["shop"]["playbook"][1:]
    daemon = make_daemon(config)
    there = {"gra": "rbx", "rbx": "gra"}
    here = wait_for(lambda: {daemon.service()["active"]} & set(there), what="the active site").pop()
    daemon.deliver(delivery(alert(there[here])))
    browser.sign_in(daemon.api + "/", OPERATOR_TOKEN)
    browser.wait_text("active at " + here)
    browser.one("[data-verb=failover]").click()
    Select(browser.one("dialog select[name=site]")).select_by_value(there[here])
    browser.one("dialog textarea").send_keys("it is up, I see it")
    browser.one("dialog [type=submit]").click()
    browser.wait_text("Go there all the same", "dialog")
    browser.one("dialog input[value=target_down]").click()
    browser.one("dialog [type=submit]").click()
    wait_for(lambda: daemon.service()["active"] == there[here], what="the run")
    assert [e for e in daemon.audit() if e["kind"] == "operator.break_glass"]


# ---- before it is needed, and what is left of a run


def answer_why(browser, reason):
    browser.one("dialog textarea").send_keys(reason)
    browser.one("dialog [type=submit]").click()


def test_a_plan_is_read_and_exactly_that_is_started(browser, make_daemon, sandbox):
    config = configuration(sandbox, cool_down="1s", ready="10s")
    shop = config["services"]["shop"]
    del shop["playbook"][1:]
    shop.update(objective={"rto": "5m"}, drill={"kind": "plan", "every": "7d"})
    daemon = make_daemon(config)
    there = {"gra": "rbx", "rbx": "gra"}
    here = wait_for(lambda: {daemon.service()["active"]} & set(there), what="the active site").pop()
    of_site = {"gra": GRA, "rbx": RBX}
    browser.sign_in(daemon.api + "/", OPERATOR_TOKEN)
    browser.wait_text("Objective: users are served again within 5 min")
    browser.wait_text("plan drill: ", "[data-key=drills]")
    browser.one("article [data-key=plan]").send_keys(Keys.ENTER)
    browser.wait_text("Nothing has been changed", "main")
    assert browser.texts(".step .badge")[0] == "would change"
    minus, plus = browser.text(".diff .minus"), browser.text(".diff .plus")
    assert of_site[here] in minus and of_site[there[here]] in plus and "found" in minus and "wanted" in plus
    browser.wait_text("(the objective is 5 min).")
    assert browser.texts("nav [aria-current]") == ["Services"]
    stale = daemon.post("/api/v1/services/shop/plan", {}).json["hash"]
    assert stale in browser.text(".facts") and daemon.service()["active"] == here and daemon.runs() == []

    browser.one("[data-plan]").click()
    answer_why(browser, "as planned")
    browser.wait_text("succeeded", ".headline")
    browser.wait_text(stale, ".facts")
    browser.wait_text("the objective is 5 min: met", "[data-key=timing]")
    assert daemon.service()["active"] == there[here] and daemon.runs()[0]["plan"] == stale
    browser.one("a[href^='#/report/']").click()
    browser.wait_text("From start to end it took", "main")
    browser.wait_text("5 min", "pre.body")
    assert "1. Linode DNS" in browser.text("[data-key=Steps]") and "first" not in browser.text("[data-key='How it went']")
    assert browser.texts("nav [aria-current]") == ["Runs"]

    # Planned once more, and then the world is another one before it is confirmed.
    browser.script("void (location.hash = '#/plan/shop?to=%s')" % here)
    browser.wait_text("would change", ".step")
    browser.one("[data-plan]").click()
    assert daemon.move(to=here, reason="faster than the page").status == 202
    daemon.wait_active(here)
    answer_why(browser, "too late")
    wait_for(lambda: browser.text("#ask-error"), what="the refusal")
    browser.press(Keys.ESCAPE)
    assert len(daemon.runs()) == 2
    assert not [line for line in browser.complaints() if "409" not in line]


def test_readiness_and_drills_are_on_the_card(browser, make_daemon, sandbox):
    config = configuration(sandbox, cool_down="1s", ready="10s")
    shop = config["services"]["shop"]
    del shop["playbook"][1:]
    shop["drill"] = {"kind": "plan", "every": "7d"}
    daemon = make_daemon(config)
    wait_for(lambda: daemon.service()["active"] in ("gra", "rbx"), what="the active site")
    browser.sign_in(daemon.api + "/", OPERATOR_TOKEN)
    browser.one("[data-verb=drill]").click()
    assert Select(browser.one("dialog select[name=kind]")).first_selected_option.get_attribute("value") == "plan"
    answer_why(browser, "before the holidays")
    browser.wait_text("last proven today", "[data-key=drills]")
    sandbox.fault("linode", "status", status=401, times=-1)
    wait_for(lambda: daemon.service()["readiness"]["failover"]["state"] == "not ready", 40, "readiness to go")
    browser.look_again()
    browser.wait_text("not ready", "[data-key=readiness]")
    browser.wait_text("401", "[data-key=readiness] .error")
    browser.script("void (location.hash = '#/audit?kind=readiness.changed')")
    browser.wait_text("readiness.changed", "#entries")
    assert browser.complaints() == []


def test_a_debt_is_shown_and_given_up_and_a_run_is_undone(browser, make_daemon, sandbox):
    sandbox.reset()  # other tests have moved the first of its names alone
    config = configuration(sandbox, cool_down="1s")
    config["services"]["shop"]["playbook"][1]["on_failure"] = "owe"
    daemon = make_daemon(config)
    there = {"gra": "rbx", "rbx": "gra"}
    here = wait_for(lambda: {daemon.service()["active"]} & set(there), what="the active site").pop()
    sandbox.fault("ovh", "status", method="PUT", status=403, times=-1)
    run = daemon.move(to=there[here], reason="a drill").json["run"]
    browser.sign_in(daemon.api + "/", OPERATOR_TOKEN)
    wait_for(lambda: daemon.service()["debts"], what="the debt")
    browser.look_again()
    browser.wait_text("step 2, OVH DNS", "[data-key=debts]")
    assert "at %s:" % here in browser.text("[data-key=debts]") and "1 debt" in browser.text("article")
    browser.one("[data-key=debts] a").click()
    browser.wait_text("1 step is owed at the site that it left")
    browser.wait_text("2 of 3 steps finished, 1 owed")
    assert "From start to end" in browser.text("[data-key=timing]") and "Users waited" not in browser.text("[data-key=timing]")
    assert "/runs/" + run in browser.script("location.hash")
    browser.wait_text("succeeded", ".headline")
    assert browser.texts(".step .actions button") == ["Try again…", "Give up…", "It is done…"]
    assert "2 of 3 steps finished, 1 owed" in browser.text(".progress")
    # Somebody else gives it up: the page of a run that is over follows its debts.
    assert daemon.post("/api/v1/runs/%s/skip" % run, {"step": 1, "reason": "it will be made by hand"}).status in (200, 202)
    wait_for(lambda: browser.texts(".step > .head .badge")[1] == "skipped", what="the debt to go")
    assert "3 of 3 steps finished" in browser.text(".progress")
    browser.script("void (location.hash = '#/services')")
    browser.wait_text("active at " + there[here])
    wait_for(lambda: not browser.all("[data-key=debts]"), what="the debt to go from the card")

    sandbox.clear_faults()
    sandbox.fault("route53", "status", method="POST", status=403, times=-1)
    run = daemon.move(to=here, reason="and back").json["run"]
    browser.script("void (location.hash = arguments[0])", "#/runs/" + run)
    browser.wait_text("attention", ".headline")
    sandbox.clear_faults()
    browser.one("[data-verb=undo]").click()
    answer_why(browser, "not tonight")
    browser.wait_text("undone", ".headline")
    browser.wait_text("All that the run had changed is as it was before")
    assert "put back" in browser.text(".progress") and "has been put back" in browser.text(".facts")
    assert browser.texts(".step > .head .badge")[0] == "undone" and browser.texts("main .actions button") == []
    assert daemon.service()["active"] == there[here]
    assert browser.complaints() == []
