"""A fleet for the checks: simulator, Redis, two brokers and Prometheus, on ports of their own.

Time runs 60 times as fast: a token lives two minutes. The fleet is used as a context manager; everything it
makes lives in one directory that goes with it.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCALE = 60
# The durations of real life, divided by SCALE or nearly so.
PACE = """timeout = "500ms"
[refresh]
min_spacing = "6s"
lease = "1s"
reconcile = "500ms"
watch = "1s"
close_watch = "250ms"
overlap = "5s"
caller_cache = "1s"
backoff_min = "50ms"
backoff_max = "1s"
budget_window = "24m"
"""
APPS = {"wx0000000000000001": "secret-one", "wx0000000000000002": "secret-two"}


def binary(name):
    """The program to try: from TOKEN_BROKER_BIN (a folder), or as `cargo build` leaves it."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    folders = [os.environ.get("TOKEN_BROKER_BIN"), target / "release", target / "debug"]
    for folder in filter(None, folders):
        path = pathlib.Path(folder) / name
        if path.exists():
            return path
    raise SystemExit(f"{name} is not built: run `make build`, or name its folder in TOKEN_BROKER_BIN")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url, body=None, method=None, timeout=10):
    request = urllib.request.Request(url, data=body, method=method)
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return answer.read().decode()


def until(what, holds, seconds=30):
    """Waits for a condition, with a bound; an exception counts as not yet."""
    end = time.monotonic() + seconds
    while True:
        try:
            if answer := holds():
                return answer
        except OSError:
            pass
        if time.monotonic() > end:
            raise SystemExit(f"not seen within {seconds} s: {what}")
        time.sleep(0.1)


class Fleet:
    # What a broker has to answer before the fleet counts as started.
    probe = "/readyz"
    # Which apps there are, with their AppSecrets, and what else is configured of each.
    apps = APPS
    more = ""
    # How many times as fast time runs, and the durations that go with it.
    scale = SCALE
    pace = PACE
    waits = 'connect_timeout = "200ms"\nreply_timeout = "200ms"\n'
    # Whom Prometheus tells, as its configuration has it.
    alerting = ""
    # Before the address of Redis, such as "user:password@".
    user = ""

    def __init__(self, replicas=2, prometheus=False, rules=(), secrets=None):
        self.replicas, self.with_prometheus, self.rules = replicas, prometheus, rules
        self.secrets = secrets
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="token-broker-fleet-"))
        self.running = {}

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def spawn(self, name, *command):
        log = open(self.dir / f"{name}.log", "ab")
        self.running[name] = subprocess.Popen(
            [str(part) for part in command], stdout=log, stderr=log, cwd=self.dir
        )

    def kill(self, name, how=signal.SIGTERM):
        process = self.running.pop(name)
        process.send_signal(how)
        process.wait(40)

    def stop(self):
        for name in reversed(list(self.running)):
            try:
                self.kill(name, signal.SIGKILL)
            except Exception:
                pass
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self):
        self.wechat = f"http://127.0.0.1:{free_port()}"
        self.redis_port = free_port()
        self.start_wechat()
        self.start_redis()
        until("redis", self.redis_answers)
        made = subprocess.run(
            [binary("token-broker"), "key", "new", "sre"], capture_output=True, text=True, check=True
        )
        words = (made.stdout + made.stderr).replace('"', " ").split()
        self.key = next(word for word in words if word.startswith("tbk_"))
        self.key_hash = next(word for word in words if word.startswith("sha256:"))
        self.api, self.ops = [], []
        for index in range(self.replicas):
            self.api.append(f"http://127.0.0.1:{free_port()}")
            self.ops.append(f"http://127.0.0.1:{free_port()}")
            self.start_broker(index, self.secrets)
        for ops in self.ops:
            until("a broker", lambda: get(f"{ops}{self.probe}"))
        if self.with_prometheus:
            self.start_prometheus()

    def start_wechat(self, *more):
        apps = [part for app in self.apps.items() for part in ("--app", "=".join(app))]
        address = self.wechat.removeprefix("http://")
        self.spawn(
            "wechat", binary("wechat-simulator"), "--listen", address, "--scale", self.scale, *apps, *more
        )

    def start_redis(self):
        self.spawn(
            "redis", "redis-server", "--port", self.redis_port, "--bind", "127.0.0.1",
            "--save", "", "--appendonly", "yes", "--dir", self.dir,
        )

    def redis_answers(self):
        with socket.create_connection(("127.0.0.1", self.redis_port), 1) as line:
            line.sendall(b"PING\r\n")
            return line.recv(16).startswith(b"+PONG")

    def configure(self, index, secrets=None):
        """Writes what a broker is configured with: one that runs takes over what it can."""
        apps = "".join(
            f'[[apps]]\nappid = "{app}"\nsecret = "{secret}"\n{self.more}'
            for app, secret in {**self.apps, **(secrets or {})}.items()
        )
        config = self.dir / f"broker-{index}.toml"
        config.write_text(
            f"""
[server]
listen = "{self.api[index].removeprefix("http://")}"
ops_listen = "{self.ops[index].removeprefix("http://")}"
[store]
kind = "redis"
url = "redis://{self.user}127.0.0.1:{self.redis_port}/0"
{self.waits}[upstream]
base_url = "{self.wechat}"
{self.pace}[log]
format = "json"
{apps}
[[callers]]
id = "sre"
keys = ["{self.key_hash}"]
allow = [{{ appids = ["*"], verbs = ["read", "call", "refresh", "admin"] }}]
"""
        )
        return config

    def start_broker(self, index, secrets=None):
        config = self.configure(index, secrets)
        self.spawn(f"broker-{index}", binary("token-broker"), "serve", "--config", config)

    def start_prometheus(self):
        self.prometheus = f"http://127.0.0.1:{free_port()}"
        address = self.prometheus.removeprefix("http://")
        targets = json.dumps([ops.removeprefix("http://") for ops in self.ops])
        rules = json.dumps([str(path) for path in self.rules])
        config = self.dir / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
            f"rule_files: {rules}\n"
            f"{self.alerting}scrape_configs:\n"
            f"  - {{job_name: token-broker, static_configs: [{{targets: {targets}}}]}}\n"
        )
        self.spawn(
            "prometheus", "prometheus", f"--config.file={config}", f"--web.listen-address={address}",
            f"--storage.tsdb.path={self.dir}/tsdb",
        )
        until("Prometheus", lambda: get(f"{self.prometheus}/-/ready"))

    def control(self, what, body=None):
        """The simulator's control interface."""
        data = json.dumps(body).encode() if body is not None else None
        method = "DELETE" if what == "faults" else "POST"
        return get(f"{self.wechat}/_simulator/{what}", data, method)

    def metrics(self, index=0):
        return get(f"{self.ops[index]}/metrics")

    def scraped(self):
        """Waits until Prometheus has asked every broker, after now."""
        now = time.time()
        until("a scrape", lambda: float(self.query("min(timestamp(up))")[0]["value"][1]) > now)

    def query(self, text):
        from urllib.parse import quote

        answer = json.loads(get(f"{self.prometheus}/api/v1/query?query={quote(text)}"))
        return answer["data"]["result"]
