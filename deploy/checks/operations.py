"""What docs/operations.md says is tried: Redis' user with the rights that it names, and the way in from another
token server."""

import json
import re
import subprocess
import sys
import time
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from fleet import APPS, ROOT, Fleet, get, until

DOCS = [ROOT / "docs" / name for name in ("operations.md", "operations.zh-CN.md")]
APP = next(iter(APPS))


def call(fleet, method, path):
    request = Request(f"{fleet.api[0]}{path}", method=method, headers={"Authorization": f"Bearer {fleet.key}"})
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


class NotThereYet(Fleet):
    """Brokers that cannot reach WeChat: alive, and not ready, since none has a token."""

    probe = "/livez"

    def start_wechat(self, *more):
        pass


def check_moving_in():
    with NotThereYet() as fleet:
        for app in APPS:
            call(fleet, "POST", f"/apps/{app}/pause")
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
            said = fleet.control("verdict", {"appid": APP, "access_token": token})
            assert json.loads(said)["valid"] is True, said
        for ops in fleet.ops:
            until("a ready broker", lambda ops=ops: get(f"{ops}/readyz"))
    print(f"moving in: paused it fetched nothing; resumed it served after {took:.1f} s, and the old token lived on")


def served(fleet):
    try:
        return call(fleet, "GET", f"/token/{APP}")["access_token"]
    except HTTPError:
        return None


if __name__ == "__main__":
    check_rights()
    check_moving_in()
    sys.exit(0)
