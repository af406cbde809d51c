"""Every alert has a runbook in both languages; their commands are the same, and work while the fault is there.

Blocks marked `sh` are run against two brokers, with the fault of the alert injected where one can be; those
marked `sh kubernetes` are only parsed. A runbook's own way out is tried as well: after `Do`, the state must be
what `It is over when` says.
"""

import json
import os
import re
import signal
import subprocess
import sys

import yaml

from fleet import APPS, ROOT, Fleet, get, until

BOOKS = ROOT / "docs" / "runbooks"
RULES = ROOT / "deploy" / "prometheus"
FENCE = re.compile(r"^```(\S+)( kubernetes)?\n(.*?)^```$", re.S | re.M)
HEADINGS = 5
APP = next(iter(APPS))
failures = []


def fail(message):
    print(f"FAIL {message}")
    failures.append(message)


def blocks(path):
    return [(language, bool(cluster), text) for language, cluster, text in FENCE.findall(path.read_text())]


def check_shape():
    rules = yaml.safe_load((RULES / "alerts.yaml").read_text())
    alerts = {}
    for group in rules["groups"]:
        for rule in group["rules"]:
            alerts.setdefault(rule["alert"], []).append(rule)
    for name, named in alerts.items():
        for rule in named:
            if rule["labels"]["severity"] not in ("page", "ticket"):
                fail(f"{name}: severity must be page or ticket")
            if rule["annotations"]["runbook_url"] != f"docs/runbooks/{name}.md":
                fail(f"{name}: runbook_url does not name its runbook")
        english, chinese = (BOOKS / f"{name}{suffix}" for suffix in (".md", ".zh-CN.md"))
        for path in (english, chinese):
            if not path.exists():
                fail(f"{name}: {path.name} is missing")
            elif len(re.findall(r"^## ", path.read_text(), re.M)) != HEADINGS:
                fail(f"{path.name}: must have {HEADINGS} parts")
        if blocks(english) != blocks(chinese):
            fail(f"{name}: the commands of the two languages differ")
        index = (BOOKS / "README.md").read_text() + (BOOKS / "README.zh-CN.md").read_text()
        if f"({name}.md)" not in index or f"({name}.zh-CN.md)" not in index:
            fail(f"{name}: is missing in the index")
    pages = {path.name.split(".")[0] for path in BOOKS.glob("TokenBroker*.md")}
    for name in sorted(pages - alerts.keys()):
        fail(f"{name}: a runbook for no alert")
    for path in BOOKS.glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
            if not (path.parent / target).exists():
                fail(f"{path.name}: links to {target}, which does not exist")
        for language, _, text in blocks(path):
            parsed = subprocess.run(["bash", "-n", "-c", text], capture_output=True, text=True)
            if parsed.returncode:
                fail(f"{path.name}: {parsed.stderr.strip()}")
    return sorted(alerts)


def run(fleet, name, expected=(), app=APP):
    """Runs the commands of a runbook; answers what they printed."""
    environment = {
        **os.environ,
        "APPID": app,
        "KEY": fleet.key,
        "API": fleet.api[0],
        "OPS": fleet.ops[0],
        "PROM": fleet.prometheus,
        "REDIS": f"redis://127.0.0.1:{fleet.redis_port}/0",
    }
    printed = []
    for _, cluster, text in blocks(BOOKS / f"{name}.md"):
        if cluster:
            continue
        ran = subprocess.run(
            ["bash", "-o", "pipefail", "-c", text], capture_output=True, text=True, env=environment, timeout=30
        )
        printed.append(ran.stdout)
        if ran.returncode or ran.stderr:
            fail(f"{name}: exit {ran.returncode}\n{text}{ran.stdout}{ran.stderr}")
    everything = "".join(printed)
    for pattern in expected:
        if not re.search(pattern, everything):
            fail(f"{name}: its commands do not show /{pattern}/:\n{everything}")
    if fleet.key in everything or re.search(r"SIMULATED_|secret-one", everything):
        fail(f"{name}: its commands print a secret")
    print(f"ok   {name}")


def state(fleet):
    from urllib.request import Request, urlopen

    request = Request(f"{fleet.api[0]}/apps/{APP}", headers={"Authorization": f"Bearer {fleet.key}"})
    return json.loads(urlopen(request, timeout=5).read())


def force(fleet):
    """Has the broker ask now; whatever it says."""
    subprocess.run(
        ["curl", "-sS", "-o", "/dev/null", "-X", "POST", "-H", f"Authorization: Bearer {fleet.key}",
         f"{fleet.api[0]}/token/{APP}/refresh"], check=True,
    )


def refused_with(fleet, errcode, cls, name):
    """WeChat refuses until its side is mended; then the runbook's command ends the wait at once."""
    fleet.control(f"error?appid={APP}&errcode={errcode}")

    def cools_down():
        force(fleet)
        return (state(fleet)["cooldown"] or {}).get("class") == cls

    until(f"a cooldown after {errcode}", cools_down)
    fleet.scraped()
    fleet.control(f"error?appid={APP}")
    run(fleet, name, [cls])
    until(f"{name}: asked again at once", lambda: state(fleet)["cooldown"] is None, 10)


def main():
    alerts = check_shape()
    rules = [RULES / "recording.yaml", RULES / "alerts.yaml"]
    done = set()

    def with_(name, fleet, *expected):
        run(fleet, name, expected)
        done.add(name)

    with Fleet(prometheus=True, rules=rules) as fleet:
        until("series in Prometheus", lambda: fleet.query("token_broker_build_info"))
        for errcode, cls, name in (
            (50004, "forbidden", "TokenBrokerAppRefused"),
            (45009, "quota_spent", "TokenBrokerQuotaSpent"),
            (40243, "secret_frozen", "TokenBrokerSecretRefused"),
        ):
            refused_with(fleet, errcode, cls, name)
            done.add(name)
        fleet.control("whitelisted?value=false")
        until("a refused address", lambda: force(fleet) or state(fleet)["cooldown"])
        fleet.scraped()
        with_("TokenBrokerGrantExpiresSoon", fleet, r'"class": "ip_not_whitelisted"', r"reason.*cooldown.* 1")
        fleet.control("whitelisted?value=true")
        with_("TokenBrokerIpNotWhitelisted", fleet, "not on the app's whitelist", r'"address": "10.1.2.3"')
        until("asked again at once", lambda: state(fleet)["cooldown"] is None, 10)

        before = state(fleet)["version"]
        fleet.control(f"foreign_fetch?appid={APP}")
        until("a foreign fetch that is found and mended", lambda: state(fleet)["version"] not in (before, None))
        fleet.scraped()
        with_("TokenBrokerForeignFetcher", fleet, rf'"appid":"{APP}"}} 1')
        with_("TokenBrokerBudgetBurning", fleet, "budget_left", "refused.*forced")

        subprocess.run(
            ["curl", "-sS", "-o", "/dev/null", "-X", "POST", "-H", f"Authorization: Bearer {fleet.key}",
             f"{fleet.api[0]}/apps/{APP}/pause"], check=True,
        )
        with_("TokenBrokerAppPaused", fleet, r'"status": "paused"', r'"paused": false')

        for name in ("OverlapDetected", "GrantPending", "Panics", "Absent", "ReplicaWithoutGrant",
                     "TicketNotKept", "TokenSloFastBurn", "TokenSloSlowBurn"):
            with_(f"TokenBroker{name}", fleet)

        # Redis is killed, and an empty one is started in its place: nothing is fetched for it.
        used = state(fleet)["budget_used"]
        fleet.kill("redis", signal.SIGKILL)
        until("a store that is away", lambda: "token_broker_store_up 0" in fleet.metrics())
        fleet.scraped()
        with_("TokenBrokerStoreAway", fleet, "token_broker_store_up 0", "no answer")
        for log in fleet.dir.glob("appendonlydir/*"):
            log.unlink()
        fleet.start_redis()
        until("a store that is back", lambda: "token_broker_store_up 1" in fleet.metrics())
        until("a token put back", lambda: "put_backs_total" in fleet.metrics(0) + fleet.metrics(1))
        fleet.scraped()
        with_("TokenBrokerStoreLosesData", fleet, "aof_enabled:1", "put_backs_total|instance")
        with_("TokenBrokerStoreUnusable", fleet, "maxmemory_policy:")
        if (now := state(fleet)["budget_used"]) > used + 1:
            fail(f"an empty Redis cost {now - used} fetches")

        fleet.kill("broker-1", signal.SIGKILL)
        fleet.scraped()
        with_("TokenBrokerReplicaDown", fleet, r"instance.* 0")

        fleet.kill("wechat")
        # One check without an answer does not make it away.
        until("WeChat away", lambda: "token_broker_upstream_up 0" in fleet.metrics())
        with_("TokenBrokerWeChatAway", fleet, "token_broker_upstream_up 0")
        fleet.kill("redis", signal.SIGKILL)
        until("an unvouched replica", lambda: re.search(r"grant_vouched.* 0\n", fleet.metrics()))
        fleet.scraped()
        with_("TokenBrokerReplicaUnvouched", fleet, "store_up 0", "upstream_up 0", r"grant_vouched.* 0\n")

    with Fleet(replicas=1, prometheus=True, rules=rules, secrets={APP: "wrong"}) as fleet:
        until("a refused secret", lambda: state(fleet)["cooldown"])
        with_("TokenBrokerNoLiveGrant", fleet, '"code": "refused_by_upstream"', '"cause": "bad_secret"')
        # A changed AppSecret is tried at once, whatever the cooldown.
        until("a cooldown again", lambda: state(fleet)["cooldown"])
        fleet.kill("broker-0")
        fleet.start_broker(0, APPS)
        until("a token under the new secret", lambda: state(fleet)["servable"], 10)

    for name in sorted(set(alerts) - done):
        fail(f"{name}: its commands were not run")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
