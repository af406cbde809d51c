"""An SRE's night, played at 60 times the pace: two brokers with a caller that never stops asking, Redis, WeChat,
Prometheus with our rules, and Alertmanager with our routes. Five faults, one after the other. Each time the right
alert comes in time, and no other; the status page says so meanwhile; the runbook's commands run and end it; and
the caller has noticed nothing.

The rules are those of deploy/prometheus with every duration divided by 60, `for: 5m` read as 5 s, and the rates by
second multiplied. So a minute below is a second here."""

import http.server
import json
import os
import re
import sys
import threading
import time
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from fleet import APPS, ROOT, SCALE, Fleet, free_port, get, until
from runbooks import RULES, fail, failures, run, state

APP = next(iter(APPS))
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION = re.compile(r"(for: |keep_firing_for: |\[|offset )(\d+)(ms|s|m|h|d)\b")
# How many minutes of real life an alert may take from the moment that the fault can be seen at all.
IN_TIME = 15


def at_this_pace(rules):
    """Rules with all durations divided, and what is counted by the second multiplied."""
    shorter = lambda found: f"{found[1]}{int(int(found[2]) * UNITS[found[3]] * 1000 / SCALE)}ms"
    rules = DURATION.sub(shorter, rules)
    for slow, fast in (("< 1800", "< 30"), ("< 7200", "< 120"), ("< -0.01", "< -0.6")):
        rules = rules.replace(slow, fast)
    return rules


class Pager(http.server.BaseHTTPRequestHandler):
    """Whom Alertmanager wakes."""

    told = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for alert in body["alerts"]:
            self.told.append((time.monotonic(), alert["status"], alert["labels"], alert["annotations"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Night(Fleet):
    def start_prometheus(self):
        self.rules = []
        for name in ("recording.yaml", "alerts.yaml"):
            copy = self.dir / name
            copy.write_text(at_this_pace((RULES / name).read_text()))
            self.rules.append(copy)
        pager = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pager)
        threading.Thread(target=pager.serve_forever, daemon=True).start()
        routes = (ROOT / "deploy" / "alertmanager" / "alertmanager.yml").read_text()
        routes = routes.replace("robots:8090", f"127.0.0.1:{pager.server_port}")
        for slow, fast in (("20s", "1s"), ("10s", "1s"), ("2m", "2s"), ("5m", "5s")):
            routes = routes.replace(f": {slow}\n", f": {fast}\n")
        (self.dir / "alertmanager.yml").write_text(routes)
        self.manager = f"127.0.0.1:{free_port()}"
        self.spawn(
            "alertmanager", "prometheus-alertmanager", f"--config.file={self.dir}/alertmanager.yml",
            f"--storage.path={self.dir}/alerts", f"--web.listen-address={self.manager}", "--cluster.listen-address=",
        )
        until("Alertmanager", lambda: get(f"http://{self.manager}/-/ready"))
        self.alerting = f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{self.manager}']}}]}}]}}\n"
        super().start_prometheus()

    def firing(self):
        alerts = json.loads(get(f"{self.prometheus}/api/v1/alerts"))["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def active(self):
        """What Alertmanager holds for firing still."""
        return json.loads(get(f"http://{self.manager}/api/v2/alerts?active=true"))


class Caller(threading.Thread):
    """Asks for tokens as a service does, through a balancer that avoids a replica that is down."""

    def __init__(self, fleet):
        super().__init__(daemon=True)
        self.fleet, self.asked, self.refused, self.stop = fleet, 0, [], threading.Event()

    def run(self):
        while not self.stop.wait(0.2):
            for app in APPS:
                for api in self.fleet.api:
                    request = Request(f"{api}/token/{app}", headers={"Authorization": f"Bearer {self.fleet.key}"})
                    try:
                        urlopen(request, timeout=5).read()
                        self.asked += 1
                        break
                    except HTTPError as error:
                        self.refused.append(error.read().decode())
                        break
                    except OSError:
                        continue


class Fault:
    """One fault: from its start until nothing is heard of it any more."""

    def __init__(self, fleet, name, page, describes=""):
        self.fleet, self.name, self.page, self.describes, self.fired = fleet, name, page, describes, set()

    def __enter__(self):
        self.told_before, self.injected = len(Pager.told), time.monotonic()
        self.over = threading.Event()
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()
        return self

    def watch(self):
        while not self.over.wait(0.5):
            try:
                self.fired |= self.fleet.firing()
            except OSError:
                pass

    def told(self):
        """What the pager was told to be firing; that something is over may come late, and is no alert."""
        return [told for told in Pager.told[self.told_before:] if told[1] == "firing"]

    def seen(self):
        """The alert and the page, once the fault can be seen."""
        seen = time.monotonic()
        ours = lambda: [told for told in self.told() if told[2]["alertname"] == self.name]
        until(f"the alert {self.name}", ours, IN_TIME + 30)
        told = ours()[0]
        took = told[0] - seen
        if took > IN_TIME:
            fail(f"{self.name}: told after {took:.0f} min of real life")
        if told[3]["runbook_url"] != f"docs/runbooks/{self.name}.md":
            fail(f"{self.name}: leads to {told[3]['runbook_url']}")
        if self.describes not in told[3]["description"]:
            fail(f"{self.name}: does not say {self.describes!r}: {told[3]['description']}")
        pages = [get(f"{ops}/?lang=en") for ops in self.fleet.ops]
        book = f"runbooks/{self.name}.md"
        if not any(self.page in page and book in page for page in pages):
            fail(f"{self.name}: no page says {self.page!r} and leads to its runbook")
        elif "<h1>" not in get(f"{self.fleet.ops[0]}/{book}"):
            fail(f"{self.name}: the page's runbook is not there")
        since = told[0] - self.injected
        print(f"     {told[2]['severity']} after {since:.1f} min, {took:.1f} after it could be seen: {told[3]['summary']}")

    def __exit__(self, kind, *_):
        if kind is None:
            mended = time.monotonic()
            until(f"the end of {self.name}", lambda: not self.fleet.firing() and not self.fleet.active(), 120)
            print(f"     over {time.monotonic() - mended:.1f} min after the runbook was followed")
        self.over.set()
        self.watcher.join(10)
        told = {told[2]["alertname"] for told in self.told()}
        for others in (self.fired - {self.name}, told - {self.name}):
            if others:
                fail(f"{self.name}: {sorted(others)} as well")


def freshly_refreshed(fleet):
    """Just after a refresh there is the most time: a minute here, an hour in real life."""
    before = state(fleet)["version"]
    until("a refresh", lambda: state(fleet)["version"] not in (before, None), 90)


def cooldown_is_over(fleet, name):
    until(f"{name}: asked again at once", lambda: state(fleet)["cooldown"] is None, 20)


def ip_not_whitelisted(fleet):
    page = "The broker's IP address is not on the app's whitelist"
    with Fault(fleet, "TokenBrokerIpNotWhitelisted", page, "WeChat saw the address 10.1.2.3.") as fault:
        fleet.control("whitelisted?value=false")
        until("a refused address", lambda: state(fleet)["cooldown"], 90)
        fault.seen()
        fleet.control("whitelisted?value=true")
        for app in APPS:
            run(fleet, fault.name, app=app)
        cooldown_is_over(fleet, fault.name)


def secret_reset(fleet):
    with Fault(fleet, "TokenBrokerSecretRefused", "WeChat refuses the AppSecret") as fault:
        fleet.control(f"secret?appid={APP}&secret=another")
        until("a refused secret", lambda: state(fleet)["cooldown"], 90)
        fault.seen()
        # As the runbook says: the new one into the secret, and no more.
        for index in range(fleet.replicas):
            fleet.configure(index, {APP: "another"})
        run(fleet, fault.name)
        cooldown_is_over(fleet, fault.name)


def store_away(fleet):
    freshly_refreshed(fleet)
    with Fault(fleet, "TokenBrokerStoreAway", "The store does not answer") as fault:
        fleet.kill("redis")
        until("a store that is away", lambda: "token_broker_store_up 0" in fleet.metrics())
        fault.seen()
        run(fleet, fault.name, ["no answer"])
        fleet.start_redis()
        until("a store that is back", lambda: all("token_broker_store_up 1" in fleet.metrics(index) for index in (0, 1)))


def wechat_away(fleet):
    freshly_refreshed(fleet)
    with Fault(fleet, "TokenBrokerWeChatAway", "WeChat does not answer") as fault:
        fleet.control("fault", {"kind": "cut_before"})
        until("WeChat away", lambda: any("token_broker_upstream_up 0" in fleet.metrics(index) for index in (0, 1)))
        fault.seen()
        run(fleet, fault.name)
        fleet.control("faults")


def foreign_fetch(fleet):
    freshly_refreshed(fleet)
    with Fault(fleet, "TokenBrokerForeignFetcher", "Somebody else fetches with the AppSecret") as fault:
        before = state(fleet)["version"]
        fleet.control(f"foreign_fetch?appid={APP}")
        until("a foreign fetch that is found", lambda: state(fleet)["version"] not in (before, None))
        fault.seen()
        run(fleet, fault.name, [rf'"appid":"{APP}"}} 1'])


def main():
    faults = (ip_not_whitelisted, secret_reset, store_away, wechat_away, foreign_fetch)
    faults = {fault.__name__: fault for fault in faults}
    with Night(prometheus=True) as fleet:
        until("series in Prometheus", lambda: len(fleet.query("token_broker_build_info")) == 2)
        until("quiet", lambda: not fleet.firing(), 60)
        caller = Caller(fleet)
        caller.start()
        for name in os.environ.get("CHECKS_NIGHT", "").split() or faults:
            print(f"---- {name.replace('_', ' ')}")
            faults[name](fleet)
        caller.stop.set()
        caller.join(10)
        if caller.refused:
            fail(f"callers were refused {len(caller.refused)} times, first: {caller.refused[0]}")
        if not failures:
            print(f"each fault was told by its own alert alone; {caller.asked} requests for tokens, none refused")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
