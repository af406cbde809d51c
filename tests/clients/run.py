#!/usr/bin/env python3
"""Runs the real clients, and the callers that docs/clients.md shows, against the broker and a simulated WeChat.

Tokens live 100 s here and are replaced at half of that, so that one run sees what two hours see elsewhere: a
stranger's fetch that kills the token, its repair, and a rotation. No call may fail, and only those fetches may be made.
"""

import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BINARIES = ROOT / "target" / os.environ.get("PROFILE", "debug")
WORK = ROOT / "target" / "clients"
APPID, OPENID = "wx0000000000000001", "o-follower"
KEY = "tbk_clients_" + "0" * 64
PAGE = "https://shop.example.com/buy?id=1&from=a%20b"
FOREIGN_AFTER, LASTS = 8, 85

# How each program of the document is built, and run.
PROGRAMS = {
    "python": ("caller.py", None, [sys.executable, "caller.py"]),
    "javascript": ("caller.mjs", None, ["node", "caller.mjs"]),
    "java": ("Caller.java", None, ["java", "Caller.java"]),
    "rust": ("src/main.rs", ["cargo", "build", "--quiet"], ["target/debug/caller"]),
    "go": ("main.go", ["go", "build", "-o", "caller", "main.go"], ["./caller"]),
}
CARGO = """[package]
name = "caller"
edition = "2024"

[dependencies]
serde_json = "1"
ureq = { version = "3", default-features = false, features = ["json"] }

[workspace]
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask(url, body=None, **headers):
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        headers["Content-Type"] = "application/json"
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=10) as reply:
        text = reply.read().decode()
    return text if headers.get("Accept") == "text/plain" else json.loads(text)


def until(what, seconds, holds):
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = holds()
        except OSError:
            found = None
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)


class Wechat:
    """The simulated WeChat, and its control."""

    def __init__(self, url):
        self.url = url

    def control(self, path, body=None):
        method = "GET" if path in ("state", "calls", "violations") else "POST"
        request = urllib.request.Request(
            f"{self.url}/_simulator/{path}", None if body is None else json.dumps(body).encode(), method=method
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.load(reply)

    def calls(self, endpoint):
        calls = self.control("calls")
        calls = calls["calls"] if isinstance(calls, dict) else calls
        return [call for call in calls if call["endpoint"] == endpoint]


class Fleet:
    """Every process that is started here, ended here."""

    def __init__(self):
        self.processes = []

    def start(self, name, command, **options):
        log = open(WORK / f"{name}.log", "w")
        process = subprocess.Popen(command, stderr=log, text=True, **options)
        self.processes.append(process)
        return process

    def end(self):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            process.wait(timeout=30)


def start_wechat(fleet):
    port = free_port()
    flags = ["--token-life", "100s", "--ticket-life", "100s", "--overlap", "12s"]
    who = ["--app", f"{APPID}=simulated-secret", "--user", f"{APPID}={OPENID}"]
    command = [BINARIES / "wechat-simulator", "--listen", f"127.0.0.1:{port}", *who, *flags]
    fleet.start("wechat", command, stdout=subprocess.DEVNULL)
    wechat = Wechat(f"http://127.0.0.1:{port}")
    until("the simulator answers", 10, lambda: wechat.control("state"))
    return wechat


def start_broker(fleet, directory, wechat):
    api, ops = free_port(), free_port()
    key_hash = hashlib.sha256(KEY.encode()).hexdigest()
    (directory / "broker.toml").write_text(f"""
[server]
listen = "127.0.0.1:{api}"
ops_listen = "127.0.0.1:{ops}"
[store]
path = "{directory}/broker.redb"
[upstream]
base_url = "{wechat.url}"
timeout = "2s"
[refresh]
min_spacing = "13s"
lease = "2200ms"
reconcile = "1s"
watch = "4s"
close_watch = "1s"
overlap = "12s"
caller_cache = "1s"
[[apps]]
appid = "{APPID}"
secret = "simulated-secret"
tickets = ["jsapi"]
[[callers]]
id = "clients"
keys = ["sha256:{key_hash}"]
allow = [{{ appids = ["{APPID}"], verbs = ["read", "call"] }}]
""")
    command = [BINARIES / "token-broker", "serve", "--config", directory / "broker.toml"]
    fleet.start("broker", command, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{api}"
    until("the broker serves", 10, lambda: ticket(url))
    return url


def ticket(broker):
    return ask(f"{broker}/ticket/{APPID}/jsapi", Authorization=f"Bearer {KEY}", Accept="text/plain")


class Tickets(threading.Thread):
    """Keeps every ticket that was served, to judge signatures by."""

    def __init__(self, broker):
        super().__init__(daemon=True)
        self.broker, self.seen, self.ended = broker, set(), threading.Event()

    def run(self):
        while not self.ended.is_set():
            self.seen.add(ticket(self.broker))
            time.sleep(0.5)

    def made(self, signed):
        raw = "jsapi_ticket={}&noncestr={nonce}&timestamp={timestamp}&url={page}"
        texts = (raw.format(value, page=PAGE, **signed) for value in self.seen)
        return any(hashlib.sha1(text.encode()).hexdigest() == signed["signature"] for text in texts)


def sdks(environment):
    node = {**environment, "NODE_PATH": str(WORK / "node_modules")}
    for name in ("easywechat", "co-wechat-api", "wechat-api"):
        yield name, ["node", HERE / "sdks" / f"{name}.js"], node
    yield "wechatpy", [WORK / "venv/bin/python", HERE / "sdks/wechatpy_client.py"], environment


def programs(absent):
    """The programs of the document, built; those whose tool is here, and the others named in `absent`."""
    document = (ROOT / "docs/clients.md").read_text()
    for language, (file, build, run) in PROGRAMS.items():
        tool = (build or run)[0]
        # The last of a language is the program; the others are lines of an SDK's.
        sources = re.findall(rf"```{language}\n(.*?)```", document, re.DOTALL)
        assert sources, f"docs/clients.md shows no program in {language}"
        if not shutil.which(tool):
            absent.append(f"{language}: NOT RUN, there is no {tool} here")
            continue
        place = WORK / language
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        (place / file).write_text(sources[-1])
        if language == "rust":
            (place / "Cargo.toml").write_text(CARGO)
        if build:
            subprocess.run(build, cwd=place, check=True)
        yield language, run, place


class Program(threading.Thread):
    """A caller without a client library, asked for the same call again and again."""

    def __init__(self, fleet, language, command, place, environment):
        super().__init__(daemon=True)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = fleet.start(language, command, cwd=place, env=environment, bufsize=1, **pipes)
        self.language, self.calls, self.failed, self.ended = language, 0, [], threading.Event()

    def run(self):
        while not self.ended.is_set():
            self.process.stdin.write(f"/cgi-bin/user/info?openid={OPENID}\n")
            reply = self.process.stdout.readline()
            self.calls += 1
            if f'"openid":"{OPENID}"' not in reply.replace(" ", ""):
                self.failed.append(reply or "no reply")
                if not reply:
                    return
            time.sleep(0.5)


def hammer(wechat, environment):
    """A client that fetches without end, since WeChat refuses whatever token it has: no fetch."""
    fetches = len(wechat.calls("token"))
    fault = wechat.control("fault", {"kind": "errcode", "errcode": 40001, "endpoints": ["user_info"]})
    script = HERE / "sdks" / "wechatpy_hammer.py"
    told = subprocess.run(
        [WORK / "venv/bin/python", script],
        env={**environment, "WECHAT": wechat.url},
        capture_output=True,
        text=True,
        timeout=120,
    )
    asked = int(told.stdout or 0)
    urllib.request.urlopen(
        urllib.request.Request(f"{wechat.url}/_simulator/fault?id={fault['id']}", method="DELETE"), timeout=10
    )
    assert asked > 50, f"it was to hammer: {told}"
    assert len(wechat.calls("token")) == fetches, "hammering cost a fetch"
    return asked


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    fleet = Fleet()
    failures, absent = [], []
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        built = list(programs(absent))
        try:
            wechat = start_wechat(fleet)
            broker = start_broker(fleet, directory, wechat)
            picture = directory / "picture.png"
            picture.write_bytes(os.urandom(200_000))
            environment = {
                **os.environ,
                "BROKER": broker,
                "BROKER_KEY": KEY,
                "KEY": KEY,
                "APPID": APPID,
                "OPENID": OPENID,
                "PAGE": PAGE,
                "PICTURE": str(picture),
                "CACHE": str(directory / "cache"),
                "WECHAT": wechat.url,
            }
            tickets = Tickets(broker)
            tickets.start()
            running = []
            for name, command, variables in sdks(environment):
                consent = f"consent?appid={APPID}&openid={OPENID}&scope=snsapi_userinfo"
                variables = {**variables, "CODE": wechat.control(consent)["code"]}
                pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
                running.append((name, fleet.start(name, command, env=variables, **pipes)))
            callers = [Program(fleet, *program, environment) for program in built]
            for caller in callers:
                caller.start()

            time.sleep(FOREIGN_AFTER)
            wechat.control(f"foreign_fetch?appid={APPID}")
            time.sleep(LASTS - FOREIGN_AFTER)

            for name, process in running:
                output, _ = process.communicate(timeout=60)
                told = json.loads(output) if output else {"calls": 0, "failed": ["it ended"], "signatures": []}
                wrong = [signed for signed in told["signatures"] if not tickets.made(signed)]
                failures += [f"{name}: {failed}" for failed in told["failed"]]
                failures += [f"{name}: signed with no ticket of ours: {signed}" for signed in wrong]
                if not told["signatures"]:
                    failures.append(f"{name}: signed nothing")
                print(f"{name:>14}: {told['calls']} calls, {len(told['failed'])} failed")
            for caller in callers:
                caller.ended.set()
                caller.join(timeout=10)
                failures += [f"{caller.language}: {failed}" for failed in caller.failed]
                print(f"{caller.language:>14}: {caller.calls} calls, {len(caller.failed)} failed")
                if not caller.calls:
                    failures.append(f"{caller.language}: made no call")

            fetches = len(wechat.calls("token"))
            print(f"       fetches: {fetches} (the first, after the foreign one, the rotation)")
            if fetches != 3:
                failures.append(f"{fetches} fetches")
            tickets.ended.set()
            tickets.join(timeout=10)
            asked = hammer(wechat, environment)
            print(f"      hammered: {asked} requests for a token, no fetch")
            violations = wechat.control("violations")
            if violations not in ([], {"violations": []}):
                failures.append(f"WeChat was asked wrongly: {violations}")
        finally:
            fleet.end()
    for line in absent + failures[:40]:
        print(line, file=sys.stderr)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
