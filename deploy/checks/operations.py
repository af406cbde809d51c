"""What docs/operations.md says is tried: Redis' user with the rights that it names, the way in from another token
server, the way back to a release that cannot read the records, and the loss of everything at once."""

import json
import re
import signal
import subprocess
import sys
import time
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from fleet import APPS, ROOT, Fleet, free_port, get, until

DOCS = [ROOT / "docs" / name for name in ("operations.md", "operations.zh-CN.md")]
APP = next(iter(APPS))


def call(fleet, method, path, index=0):
    request = Request(f"{fleet.api[index]}{path}", method=method, headers={"Authorization": f"Bearer {fleet.key}"})
    return json.loads(urlopen(request, timeout=10).read())


class WithUser(Fleet):
    """Brokers know Redis by the documented user alone."""

    user = "broker:change-me@"

    def start_redis(self):
        super().start_redis()
        until("Redis", self.redis_answers)
        rules = {re.search(r"^user (.*)$", path.read_text(), re.M)[1] for path in DOCS}
        assert len(rules) == 1, "the two languages name different rights"
        self.redis("ACL", "SETUSER", *rules.pop().split())

    def redis(self, *command):
        ran = subprocess.run(["redis-cli", "-p", str(self.redis_port), *command], capture_output=True, text=True)
        if "ERR" in ran.stdout:
            raise SystemExit(ran.stdout)
        return ran.stdout


def check_rights():
    with WithUser() as fleet:
        before = call(fleet, "GET", f"/apps/{APP}")["version"]
        fleet.control(f"foreign_fetch?appid={APP}")
        until("a foreign fetch that is found", lambda: call(fleet, "GET", f"/apps/{APP}")["version"] not in (before, None))
        call(fleet, "POST", f"/apps/{APP}/pause")
        call(fleet, "POST", f"/apps/{APP}/resume")
        # A store that loses everything: asking around, and putting back.
        fleet.redis("FLUSHALL")
        until("a token put back", lambda: "put_backs_total" in fleet.metrics(0) + fleet.metrics(1))
        denied = fleet.redis("ACL", "LOG").strip()
        assert not denied, f"Redis denied something:\n{denied}"
        connections = int(re.search(r"total_connections_received:(\d+)", fleet.redis("INFO", "stats"))[1])
        assert connections < 60, f"{connections} connections: they are not kept"
    print("rights: nothing was denied, connections are kept")


def pause(fleet, app):
    """As a person does: again, where the store's reply was late, as it may be at this pace on a busy machine."""
    until(f"{app} paused", lambda: call(fleet, "POST", f"/apps/{app}/pause")["paused"])


class NotThereYet(Fleet):
    """Brokers that cannot reach WeChat: alive, and not ready, since none has a token."""

    probe = "/livez"

    def start_wechat(self, *more):
        pass


def check_moving_in():
    with NotThereYet() as fleet:
        for app in APPS:
            pause(fleet, app)
        Fleet.start_wechat(fleet)
        until("WeChat", lambda: get(f"{fleet.wechat}/_simulator/state"))
        fetch = f"/cgi-bin/token?grant_type=client_credential&appid={APP}&secret={APPS[APP]}"
        old = json.loads(get(f"{fleet.wechat}{fetch}"))["access_token"]
        # Time enough to fetch, if it were going to: a token lives two minutes.
        time.sleep(3)
        for index in range(fleet.replicas):
            assert "outcome=\"granted\",reason=\"missing\"} 1" not in fleet.metrics(index), "fetched although paused"
        try:
            call(fleet, "GET", f"/token/{APP}")
            raise SystemExit("served although paused and without a token")
        except HTTPError as error:
            assert json.loads(error.read())["code"] == "paused"
        call(fleet, "POST", f"/apps/{APP}/resume")
        begun = time.monotonic()
        new = until("the first token", lambda: served(fleet), 10)
        took = time.monotonic() - begun
        for token in (old, new):
            assert is_valid(fleet, APP, token)
        for ops in fleet.ops:
            until("a ready broker", lambda ops=ops: get(f"{ops}/readyz"))
    print(f"moving in: paused it fetched nothing; resumed it served after {took:.1f} s, and the old token lived on")


def served(fleet, app=APP, index=0):
    try:
        return call(fleet, "GET", f"/token/{app}", index)["access_token"]
    except OSError:
        return None


def fetches(fleet, app, index=0):
    """How many were counted, once the first was read back from the store."""
    return until("a fetch that is counted", lambda: call(fleet, "GET", f"/apps/{app}", index)["budget_used"])


def is_valid(fleet, app, token):
    """What WeChat thinks of a token."""
    return json.loads(fleet.control("verdict", {"appid": app, "access_token": token}))["valid"]


def check_going_back():
    """The older release has a namespace of its own; the newer one is paused before it starts."""
    with Fleet(replicas=1) as fleet:
        before = {app: served(fleet, app) for app in APPS}
        for app in APPS:
            pause(fleet, app)
        fleet.api.append(f"http://127.0.0.1:{free_port()}")
        fleet.ops.append(f"http://127.0.0.1:{free_port()}")
        fleet.waits = f'namespace = "token-broker-older"\n{fleet.waits}'
        fleet.start_broker(1)
        for app in APPS:
            after = until(f"a token of {app}", lambda app=app: served(fleet, app, index=1))
            assert served(fleet, app) == before[app] != after, "the newer release does not serve on"
            assert is_valid(fleet, app, before[app]) and is_valid(fleet, app, after)
            assert fetches(fleet, app, index=1) == 1
        assert not re.search(r"foreign_invalidations_total{.*} [1-9]", fleet.metrics(0) + fleet.metrics(1))
    print("going back: both releases served living tokens, for one fetch an app")


def check_losing_everything():
    with Fleet() as fleet:
        before = {app: served(fleet, app) for app in APPS}
        for index in range(fleet.replicas):
            fleet.kill(f"broker-{index}", signal.SIGKILL)
        fleet.kill("redis", signal.SIGKILL)
        for log in fleet.dir.glob("appendonlydir/*"):
            log.unlink()
        fleet.start_redis()
        until("Redis", fleet.redis_answers)
        begun = time.monotonic()
        for index in range(fleet.replicas):
            fleet.start_broker(index)
        for app in APPS:
            until(f"a token of {app}", lambda app=app: served(fleet, app))
        took = time.monotonic() - begun
        for app in APPS:
            assert is_valid(fleet, app, before[app]), f"after {took:.1f} s those who hold the last token are refused"
            assert fetches(fleet, app) == 1
    print(f"all lost at once: served again {took:.1f} s after the start, for one fetch an app")


if __name__ == "__main__":
    check_rights()
    check_moving_in()
    check_going_back()
    check_losing_everything()
    sys.exit(0)
