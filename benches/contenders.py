"""What is measured, each as a context that runs it on core 0 and answers where to ask and for what."""

import contextlib
import functools
import http.client
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
SERVED_BY, ASKED_BY = "0", "1"
SECRET = "0" * 32
# As long as the broker's: WeChat's tokens have some 140 characters.
ANSWER = 240


@functools.cache
def peers():
    """The program of the peers, whose name Cargo makes up."""
    built = subprocess.run(
        ["cargo", "bench", "--quiet", "--no-run", "--bench", "peers", "--message-format=json"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout
    made = (json.loads(line) for line in built.splitlines())
    return next(message["executable"] for message in made if message.get("target", {}).get("name") == "peers")


def appid(number):
    return f"wx{number:016x}"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, holds, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError, urllib.error.URLError, http.client.HTTPException):
            if answer := holds():
                return answer
        time.sleep(0.05)
    raise SystemExit(f"not seen within {seconds} s: {what}")


def is_open(port):
    with socket.create_connection(("127.0.0.1", port), 1):
        return True


@contextlib.contextmanager
def process(*command, core=SERVED_BY, log=None):
    """A process on one core, ended with the context."""
    with open(log or os.devnull, "ab") as out:
        running = subprocess.Popen(["taskset", "-c", core, *map(str, command)], stdout=out, stderr=out)
    try:
        yield running
    finally:
        running.send_signal(signal.SIGCONT)
        running.terminate()
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


@contextlib.contextmanager
def aside(running):
    """While others are measured, a process lives on where it takes nothing from them."""
    move = lambda core: subprocess.run(["taskset", "-a", "-c", "-p", core, str(running.pid)], check=True, capture_output=True)
    move(ASKED_BY)
    try:
        yield
    finally:
        move(SERVED_BY)


class Asked:
    """Where to ask, for which paths, with which key: whoever needs neither is asked in as many bytes. A broker's has its
    process and the Redis behind it."""

    def __init__(self, port, paths=(f"/token/{appid(0)}",), key=f"tbk_bench_{'0' * 64}", redis=None, ops=None, broker=None):
        self.port, self.paths, self.key, self.redis, self.ops, self.broker = port, list(paths), key, redis, ops, broker


@contextlib.contextmanager
def redis(core=SERVED_BY):
    port = free_port()
    with process("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", core=core) as running:
        until("Redis", lambda: is_open(port), 10)
        yield port, running


@contextlib.contextmanager
def bare():
    port = free_port()
    with process(peers(), "bare", port, ANSWER):
        until("bare actix-web", lambda: is_open(port), 10)
        yield Asked(port)


@contextlib.contextmanager
def actix_with_redis():
    port = free_port()
    with redis() as (redis_port, _), process(peers(), "redis", port, ANSWER, f"redis://127.0.0.1:{redis_port}"):
        until("actix-web with Redis", lambda: is_open(port), 10)
        yield Asked(port)


@contextlib.contextmanager
def nginx():
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "nginx.conf"
        config.write_text(
            f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;\n"
            "events { worker_connections 1024; }\n"
            f"http {{ access_log off; keepalive_requests 1000000000;\n"
            f"server {{ listen 127.0.0.1:{port}; location / {{ default_type application/json; return 200 '{'x' * ANSWER}'; }} }} }}\n"
        )
        with process("nginx", "-c", config, "-p", folder):
            until("nginx", lambda: is_open(port), 10)
            yield Asked(port)


# Settings under which tokens may be fetched each four seconds, so that something is always refreshed; the platform needs
# an overlap of 4 s.
BUSY = {
    "store": 'connect_timeout = "200ms"\nreply_timeout = "100ms"\n',
    "upstream": 'timeout = "500ms"\n',
    "refresh": '[refresh]\noverlap = "4s"\ncaller_cache = "100ms"\nmin_spacing = "4100ms"\nlease = "1s"\nreconcile = "1s"\n',
}


# As after the first minutes; until then every token is checked four times as often.
CALM = {"refresh": '[refresh]\nclose_watch = "60s"\n'}


class Platform:
    """A simulated WeChat and a Redis that outlive the brokers, so that each of those starts warm."""

    def __init__(self, apps, overlap, redis_port, redis_process, wechat):
        self.apps, self.overlap, self.redis_port, self.redis_process, self.wechat = apps, overlap, redis_port, redis_process, wechat
        made = subprocess.run([TARGET / "token-broker", "key", "new", "bench"], capture_output=True, text=True, check=True)
        self.key = re.search(r"tbk_bench_[0-9a-f]{64}", made.stdout + made.stderr)[0]
        self.key_hash = re.search(r"sha256:[0-9a-f]{64}", made.stdout + made.stderr)[0]

    @classmethod
    @contextlib.contextmanager
    def started(cls, apps, overlap="5m"):
        port = free_port()
        accounts = [f"--app={appid(number)}={SECRET}" for number in range(apps)]
        command = (TARGET / "wechat-simulator", "--listen", f"127.0.0.1:{port}", "--overlap", overlap, *accounts)
        # Beside the load: what Redis and WeChat cost is not the broker's.
        with redis(core=ASKED_BY) as (redis_port, redis_process), process(*command, core=ASKED_BY):
            until("the simulator", lambda: is_open(port), 10)
            yield cls(apps, overlap, redis_port, redis_process, f"http://127.0.0.1:{port}")

    def config(self, apps, api, ops, more):
        rows = "".join(f'[[apps]]\nappid = "{appid(number)}"\nsecret = "{SECRET}"\n' for number in range(apps))
        return (
            f'[server]\nlisten = "127.0.0.1:{api}"\nops_listen = "127.0.0.1:{ops}"\nworkers = 1\n'
            f'[store]\nkind = "redis"\nurl = "redis://127.0.0.1:{self.redis_port}/0"\n{more.get("store", "")}'
            f'[upstream]\nbase_url = "{self.wechat}"\n{more.get("upstream", "")}{more.get("refresh", "")}'
            f'[log]\nformat = "json"\naccess_sample = 10000\n{rows}'
            f'[[callers]]\nid = "bench"\nkeys = ["{self.key_hash}"]\n'
            'allow = [{ appids = ["*"], verbs = ["read", "refresh"] }]\n'
        )

    @contextlib.contextmanager
    def broker(self, apps, more=None):
        """One broker that serves all of so many apps, with `more` lines in some sections."""
        api, ops = free_port(), free_port()
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder) / "broker.toml"
            config.write_text(self.config(apps, api, ops, more or {}))
            log = pathlib.Path(folder) / "log"
            with process(TARGET / "token-broker", "serve", "--config", config, log=log) as running:
                paths = [f"/token/{appid(number)}" for number in range(apps)]
                asked = Asked(api, paths, self.key, self.redis_process, ops, running)
                try:
                    until("a broker", lambda: ask(asked.ops, "/readyz"), 30)
                    until("all tokens", lambda: self.served(asked) == apps, 120)
                except SystemExit:
                    print(log.read_text()[-2000:])
                    raise
                random.Random(1).shuffle(asked.paths)
                yield asked

    def served(self, asked):
        expiries = re.findall(r"^token_broker_grant_expiry_timestamp_seconds\{.*\} (.*)$", ask(asked.ops, "/metrics"), re.M)
        return sum(float(expiry) > time.time() for expiry in expiries)


def ask(port, path, key=None, method="GET"):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    if key:
        request.add_header("Authorization", f"Bearer {key}")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()
