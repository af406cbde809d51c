"""Every query of the dashboards and rules is PromQL, asks only for metrics that exist, and is answered by a
Prometheus that scrapes two brokers; every panel has a title, a unit and words."""

import json
import pathlib
import re
import subprocess
import sys
import time

import yaml

from fleet import APPS, ROOT, Fleet, get, until

sys.path.insert(0, str(ROOT / "deploy" / "grafana"))
import build  # noqa: E402

RULES = [ROOT / "deploy" / "prometheus" / name for name in ("recording.yaml", "alerts.yaml")]
PARSER = pathlib.Path(__file__).with_name("promql.mjs")
# What has no series on a healthy fleet, or needs a replica that is not.
MAY_BE_EMPTY = re.compile(
    r"refresh_blocked|store_trouble|cooldown_until|fetch_refusals_total|pending_total|put_backs_total"
    r"|== 0|> 0|blocked_total|ALERTS"
)
NAME = re.compile(r"\b((?:token_broker|process)_[a-z0-9_]+|namespace_job[a-z_]*:[a-z0-9_:]+|ALERTS|up)\b")
failures = []


def fail(message):
    print(f"FAIL {message}")
    failures.append(message)


def known_metrics():
    documented = (ROOT / "docs" / "metrics.md").read_text()
    names = set()
    for name, kind in re.findall(r"^\| `([a-z_]+)` \| (\w+) ", documented, re.M):
        names |= {name} if kind != "histogram" else {f"{name}_{end}" for end in ("bucket", "sum", "count")}
    recorded = yaml.safe_load(RULES[0].read_text())
    names |= {rule["record"] for group in recorded["groups"] for rule in group["rules"]}
    return names | {"up", "ALERTS"}


def rule_queries():
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                yield rule.get("record") or rule["alert"], rule["expr"]


def dashboard_queries(path):
    board = json.loads(path.read_text())
    for panel in board["panels"]:
        if panel["type"] == "row":
            continue
        at = f"{path.name}: {panel['title']}"
        if not panel["title"] or not panel["description"].endswith("."):
            fail(f"{at}: has no description")
        if not panel["fieldConfig"]["defaults"]["unit"]:
            fail(f"{at}: has no unit")
        for target in panel["targets"]:
            yield at, target["expr"]
    for annotation in board["annotations"]["list"]:
        yield f"{path.name}: {annotation['name']}", annotation["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            inner = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            yield f"{path.name}: ${variable['name']}", inner[1]


def concrete(query):
    for name, value in (("$namespace", ".*"), ("$job", ".*"), ("$appid", next(iter(APPS))), ("$__rate_interval", "20s")):
        query = query.replace(name, value)
    return query


def main():
    for path, text in build.files():
        if not path.exists() or path.read_text() != text:
            fail(f"{path.name}: differs from what build.py makes")
    queries = list(rule_queries())
    boards = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
    of_boards = [pair for path in boards for pair in dashboard_queries(path)]
    known = known_metrics()
    for at, query in queries + of_boards:
        bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', query)
        for name in NAME.findall(bare):
            if name not in known:
                fail(f"{at}: {name} does not exist")
    everything = [{"at": at, "query": concrete(query)} for at, query in queries + of_boards]
    parsed = subprocess.run(["node", PARSER], input=json.dumps(everything), capture_output=True, text=True)
    if parsed.returncode:
        fail(parsed.stdout + parsed.stderr)
    ids = [json.loads(path.read_text())["uid"] for path in boards]
    if len(ids) != len(set(ids)):
        fail("two dashboards of one uid")

    empty = 0
    with Fleet(prometheus=True, rules=RULES) as fleet:
        fleet.control(f"foreign_fetch?appid={next(iter(APPS))}")
        from urllib.request import Request, urlopen

        end = time.monotonic() + 15
        while time.monotonic() < end:
            for api in fleet.api:
                for app in APPS:
                    urlopen(Request(f"{api}/token/{app}", headers={"Authorization": f"Bearer {fleet.key}"})).read()
            time.sleep(0.05)
        until("recorded series", lambda: fleet.query("namespace_job:token_broker_token_errors:ratio_rate5m"))
        for at, query in of_boards:
            try:
                answer = fleet.query(concrete(query))
            except OSError as error:
                fail(f"{at}: {error}: {query}")
                continue
            if not answer:
                empty += 1
                if not MAY_BE_EMPTY.search(query):
                    fail(f"{at}: no answer to {query}")
        loaded = json.loads(get(f"{fleet.prometheus}/api/v1/rules"))["data"]["groups"]
        for group in loaded:
            for rule in group["rules"]:
                if rule["health"] != "ok":
                    fail(f"{rule['name']}: {rule['health']} {rule.get('lastError')}")
                if rule.get("state") == "firing" and rule["name"] not in ("TokenBrokerForeignFetcher", "TokenBrokerGrantExpiresSoon"):
                    fail(f"{rule['name']}: fires on a healthy fleet")
    print(f"{len(boards)} dashboards, {len(of_boards)} queries answered ({empty} rightly empty), {len(queries)} rules loaded")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
