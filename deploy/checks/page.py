"""The status page in a real browser, in every state that it has to tell: what it must say is on it, in both
languages, with and without a script, narrow and dark; nothing on the console, nothing against its own policy,
nothing that axe finds. Pictures go to CHECKS_SHOTS, a folder, if that is set."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from urllib.request import Request, urlopen

from fleet import APPS, Fleet, get, until

APP, OTHER = APPS
SHOTS = os.environ.get("CHECKS_SHOTS")
failures = []


class Browser:
    """Chromium, kept open for all visits."""

    def __enter__(self):
        script = pathlib.Path(__file__).with_name("page.mjs")
        self.node = subprocess.Popen(["node", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        self.node.stdin.close()
        self.node.wait(30)

    def send(self, **visit):
        self.node.stdin.write(json.dumps(visit) + "\n")
        self.node.stdin.flush()

    def hear(self):
        line = self.node.stdout.readline()
        if not line:
            raise SystemExit("the browser is gone")
        return json.loads(line)

    def visit(self, name, url, **how):
        how = {"script": True, "lang": "en", **how}
        if SHOTS:
            how.setdefault("shot", f"{SHOTS}/{name.replace(' ', '-').replace(',', '')}.png")
        self.send(url=url, **how)
        self.judge(name)

    def judge(self, name):
        problems = self.hear()["problems"]
        for problem in problems:
            print(f"FAIL {name}: {problem}")
        failures.extend(problems)
        if not problems:
            print(f"ok   {name}")

    def state(self, name, ops, english, chinese, path="/", **how):
        """One state, looked at in every way."""
        self.visit(name, ops + path, expect=english, **how)
        self.visit(f"{name}, Chinese dark narrow", ops + path, lang="zh", dark=True, narrow=True, expect=chinese)
        self.visit(f"{name}, no script", ops + path, script=False, expect=english)


def call(fleet, method, path, body=None):
    headers = {"Authorization": f"Bearer {fleet.key}", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body else None
    return json.loads(urlopen(Request(f"{fleet.api[0]}{path}", data, headers, method=method), timeout=10).read())


def state(fleet, app=APP):
    return call(fleet, "GET", f"/apps/{app}")


def force(fleet):
    """Has the broker ask now; whatever it says."""
    try:
        return call(fleet, "POST", f"/token/{APP}/refresh")
    except OSError:
        return None


def says(ops, words):
    """Until the page says so."""
    until(f"a page that says {words!r}", lambda: words in get(f"{ops}/?lang=en"), 60)


def refusals(browser):
    with Fleet(replicas=1) as fleet:
        ops = fleet.ops[0]
        says(ops, "All is well")
        browser.state(
            "healthy", ops, ["All is well", APP, "expires in", "Refreshed: there was none"],
            ["一切正常", APP, "后过期", "可支撑时间"], keys=True,
        )
        browser.state(
            "one app", ops, ["Last events at this replica", "Refreshed: there was none", "Vouched"],
            ["本副本的最近事件", "已刷新：没有 token"], path=f"/?app={APP}",
        )

        # The interface's page is Swagger UI, under a policy of ours.
        browser.visit(
            "the interface", fleet.api[0] + "/docs/", ready=".opblock-summary", vendored=True,
            expect=["token-broker", "The current access token", "/sns/userinfo"],
        )

        for name, errcode, english, chinese in (
            ("cooldown", 50004, "WeChat forbids this account the call", "微信禁止该账号调用"),
            ("secret refused", 40125, "WeChat refuses the AppSecret", "微信拒绝 AppSecret"),
        ):
            fleet.control(f"error?appid={APP}&errcode={errcode}")
            until(name, lambda: force(fleet) or english in get(f"{ops}/?lang=en"), 60)
            browser.state(
                name, ops, ["Callers are served, and a person is needed", english, f"errcode {errcode}", "Asked again in"],
                ["需要人来处理", chinese, "处理手册"],
            )
            fleet.control(f"error?appid={APP}")
            clear_cooldown(fleet)

        fleet.control("whitelisted?value=false")
        until("a refused address", lambda: force(fleet) or state(fleet)["cooldown"])
        says(ops, "is not on the app's whitelist")
        browser.state(
            "IP not whitelisted", ops,
            ["The broker's IP address is not on the app's whitelist", "WeChat saw the address 10.1.2.3."],
            ["broker 的 IP 不在该 appid 的白名单中", "微信看到的地址是 10.1.2.3。"],
        )
        fleet.control("whitelisted?value=true")
        clear_cooldown(fleet)

        before = state(fleet)["version"]
        fleet.control(f"foreign_fetch?appid={APP}")
        until("a foreign fetch that is found", lambda: state(fleet)["version"] not in (before, None))
        says(ops, "Somebody else fetches")
        browser.state(
            "foreign fetch", ops, ["Callers are served; there is something to know", "Somebody else fetches with the AppSecret"],
            ["有外人使用 AppSecret 获取 token"],
        )
        browser.state(
            "foreign fetch, the app", ops, ["Killed by somebody else's fetch", "Refreshed: to repair"],
            ["被外人的获取致其失效", "已刷新：修复"], path=f"/?app={APP}",
        )

        # Paused while somebody looks: the page says so without a reload.
        browser.send(url=ops, script=True, lang="en", then="Paused: nothing is fetched")
        assert browser.hear() == {"open": True}
        call(fleet, "POST", f"/apps/{OTHER}/pause")
        browser.judge("live")
        browser.state("paused", ops, ["Paused: nothing is fetched and nothing is checked"], ["已暂停：不获取，也不检查"])
        call(fleet, "POST", f"/apps/{OTHER}/resume")
        for language in ("", ".zh-CN"):
            browser.visit(f"runbook{language}", f"{ops}/runbooks/TokenBrokerStoreAway{language}.md")
            browser.visit(f"runbooks{language}", f"{ops}/runbooks/README{language}.md", narrow=True, dark=True)


def clear_cooldown(fleet):
    """Of all apps: the other one's refresh may have come due while WeChat refused everybody."""
    for app in APPS:
        call(fleet, "POST", f"/apps/{app}/resume")
        until("no cooldown", lambda app=app: state(fleet, app)["cooldown"] is None)


def outages(browser):
    with Fleet(replicas=1) as fleet:
        ops = fleet.ops[0]
        says(ops, "All is well")
        fleet.kill("redis", signal.SIGKILL)
        says(ops, "The store does not answer")
        browser.state(
            "Redis away", ops, ["a person is needed", "The store does not answer", "do not restart replicas"],
            ["存储没有应答", "不要重启副本"],
        )
        fleet.kill("wechat")
        says(ops, "Cut off from both")
        browser.state(
            "unvouched", ops, ["Cut off from both store and WeChat", "The store does not answer"],
            ["与存储和微信都失去联系"],
        )
        until("tokens that have died", lambda: "are refused now" in get(f"{ops}/?lang=en"), 150)
        browser.state("nothing left", ops, ["Callers of 2 apps are refused now"], ["2 个 appid 的调用方正被拒绝"])

    with Fleet(replicas=1) as fleet:
        ops = fleet.ops[0]
        says(ops, "All is well")
        fleet.kill("wechat")
        says(ops, "WeChat does not answer")
        browser.state("WeChat away", ops, ["WeChat does not answer"], ["微信没有应答"])
        until("a token that expires soon", lambda: "a person is needed" in get(f"{ops}/?lang=en"), 120)
        browser.state("expiring", ops, ["a person is needed", "The first token dies in"], ["需要人来处理"])


class Poor(Fleet):
    """An app that WeChat lets fetch four times a day, of which the broker uses one at a time."""

    more = "daily_limit = 4\n"


def budget(browser):
    with Poor(replicas=1) as fleet:
        ops = fleet.ops[0]
        says(ops, "All is well")
        fleet.control(f"invalidate?appid={APP}")
        says(ops, "The fetches of 24 hours are used up")
        browser.state("budget spent", ops, ["The fetches of 24 hours are used up"], ["24 小时的获取次数已用完"])


class Empty(Fleet):
    apps = {}


class Many(Fleet):
    """Ten thousand apps, at the pace of real life."""

    apps = {f"wx{number:016}": "secret" for number in range(10_000)}
    scale = 1
    pace = ""
    # So many at once, on a machine that builds something beside them.
    waits = 'reply_timeout = "5s"\n'

    def start_wechat(self, *more):
        super().start_wechat(*more)
        until("WeChat", lambda: get(f"{self.wechat}/_simulator/state"))
        self.control(f"error?appid=wx{77:016}&errcode=40125")


def crowds(browser):
    with Empty(replicas=1) as fleet:
        browser.state("empty", fleet.ops[0], ["No app is configured"], ["没有配置任何 appid"])
    with Many(replicas=1) as fleet:
        ops = fleet.ops[0]
        browser.visit("10,000 apps, starting", f"{ops}/", expect=["1–50 of 10000"], whole=False)
        until("10,000 tokens", lambda: "Callers of 1 of 10000 apps are refused now" in get(f"{ops}/"), 400)
        # A reading of its own, not one that somebody else has just had made.
        time.sleep(1)
        begun = time.monotonic()
        size = len(get(f"{ops}/"))
        took = time.monotonic() - begun
        browser.state("10,000 apps", ops, ["Callers of 1 of 10000 apps are refused now", "WeChat refuses the AppSecret", "1–50 of 10000", "Next"],
            ["共 10000 个 appid，其中 1 个", "下一页"], whole=False)
        browser.visit("10,000 apps, searched", f"{ops}/?q=9999", expect=["wx0000000000009999"])
        browser.visit("10,000 apps, the last", f"{ops}/?page=200", expect=["9951–10000 of 10000", "Previous"])
        print(f"10,000 apps: {size >> 10} KiB in {took * 1000:.0f} ms")


def main():
    if SHOTS:
        pathlib.Path(SHOTS).mkdir(parents=True, exist_ok=True)
    parts = {part.__name__: part for part in (refusals, outages, budget, crowds)}
    with Browser() as browser:
        for name in os.environ.get("CHECKS_PAGE", "").split() or parts:
            parts[name](browser)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
