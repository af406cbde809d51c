"""docker-compose.yml against its schema; that what it names exists and fits together; and the demo's
configurations tried: brokers as `demo.toml` says, behind the real nginx, which survives one of them."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import yaml

from fleet import ROOT, Fleet, binary, free_port, get, until

COMPOSE = ROOT / "deploy" / "compose"
PROFILES = ("demo", "real")
failures = []


def fail(message):
    print(f"FAIL {message}")
    failures.append(message)


def substituted(text):
    """As Compose does with nothing set: ${NAME:-default}."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def check_references(compose):
    services = compose["services"]
    for kind in ("configs", "secrets"):
        for name, source in compose[kind].items():
            if not (ROOT / substituted(source["file"])).exists():
                fail(f"{kind}.{name}: {source['file']} does not exist")
    for name, service in services.items():
        for kind in ("configs", "secrets"):
            for entry in service.get(kind, []):
                source = entry if isinstance(entry, str) else entry["source"]
                if source not in compose[kind]:
                    fail(f"{name}: {kind} {source} is not declared")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith(".") and not (ROOT / source).exists():
                fail(f"{name}: {source} does not exist")
            if not source.startswith(".") and source not in compose["volumes"]:
                fail(f"{name}: volume {source} is not declared")
        for network in service.get("networks", []):
            if network not in compose["networks"]:
                fail(f"{name}: network {network} is not declared")
        for other, how in service.get("depends_on", {}).items():
            if other not in services:
                fail(f"{name}: depends on {other}, which does not exist")
            elif how["condition"] == "service_healthy" and "healthcheck" not in services[other]:
                fail(f"{name}: waits for the health of {other}, which has no check")
            for profile in service["profiles"]:
                if how.get("required", True) and profile not in services[other]["profiles"]:
                    fail(f"{name}: needs {other} in the profile {profile}")
        if any("SECRET=" in str(v) or "PASSWORD=" in str(v) for v in service.get("environment", {}).values()):
            fail(f"{name}: a secret in a variable")
        for port in service.get("ports", []):
            if not port.startswith("127.0.0.1:"):
                fail(f"{name}: {port} is open to everybody")


def check_topology(compose):
    """Balancer and Prometheus find both brokers in both profiles."""
    services = compose["services"]
    nginx = (COMPOSE / "nginx.conf").read_text()
    scraped = yaml.safe_load((COMPOSE / "prometheus.yml").read_text())["scrape_configs"][0]["static_configs"][0]["targets"]
    for letter in "ab":
        for prefix in ("demo-broker-", "broker-"):
            server = services[f"{prefix}{letter}"]["environment"]
            api, ops = (server[f"TOKEN_BROKER__SERVER__{key}"].split(":")[1] for key in ("LISTEN", "OPS_LISTEN"))
            if f"server broker-{letter}:{api} " not in nginx or f"broker-{letter}:{ops}" not in scraped:
                fail(f"{prefix}{letter}: is not asked by nginx or Prometheus on its ports")
        if f"broker-{letter}" not in services["wechat"]["networks"]["brokers"]["aliases"]:
            fail(f"broker-{letter}: has no name in the demo")


def check_configs(compose):
    for name in PROFILES:
        with tempfile.TemporaryDirectory() as folder:
            text = (COMPOSE / f"{name}.toml").read_text().replace("/run/secrets", folder)
            for secret in re.findall(rf'"{folder}/(\w+)"', text):
                (pathlib.Path(folder) / secret).write_text("0" * 32)
            (pathlib.Path(folder) / "config.toml").write_text(text)
            environment = {
                key: value.replace("/run/secrets/store-url", str(COMPOSE / "secrets-demo" / "store-url"))
                for key, value in compose["services"]["broker-b"]["environment"].items()
            }
            ran = subprocess.run(
                [binary("token-broker"), "check-config", "--config", f"{folder}/config.toml"],
                capture_output=True, text=True, env={**os.environ, **environment},
            )
            if ran.returncode:
                fail(f"{name}.toml: {ran.stderr}")
    ran = subprocess.run(["promtool", "check", "config", "--syntax-only", COMPOSE / "prometheus.yml"], capture_output=True, text=True)
    if ran.returncode:
        fail(f"prometheus.yml: {ran.stdout}{ran.stderr}")


class Demo(Fleet):
    """The demo without containers: the same configurations, with other addresses."""

    def start(self):
        compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
        self.redis_port, wechat, self.balancer = free_port(), free_port(), free_port()
        command = compose["services"]["wechat"]["command"]
        command = [substituted(part).replace("0.0.0.0:9680", f"127.0.0.1:{wechat}") for part in command]
        self.spawn("wechat", binary("wechat-simulator"), *command)
        # As the service does it: the file, and the password, by stdin.
        conf = (COMPOSE / "redis.conf").read_text().replace("dir /data", f"dir {self.dir}")
        password = (COMPOSE / "secrets-demo" / "redis-password").read_text()
        (self.dir / "redis.conf").write_text(f"{conf}port {self.redis_port}\n")
        command = compose["services"]["redis"]["command"][2].replace("$$", "$")
        command = command.replace("/etc/redis.conf", f"{self.dir}/redis.conf")
        command = command.replace("/run/secrets", str(COMPOSE / "secrets-demo"))
        self.spawn("redis", "sh", "-c", command)
        until("Redis", lambda: self.redis_says(password) == "PONG")
        url = (COMPOSE / "secrets-demo" / "store-url").read_text().replace("@redis:6379", f"@127.0.0.1:{self.redis_port}")
        (self.dir / "store-url").write_text(url)
        config = (COMPOSE / "demo.toml").read_text().replace("127.0.0.1:9680", f"127.0.0.1:{wechat}")
        (self.dir / "demo.toml").write_text(config.replace("/run/secrets", str(COMPOSE / "secrets-demo")))
        nginx = (COMPOSE / "nginx.conf").read_text().replace("listen 8080", f"listen 127.0.0.1:{self.balancer}")
        self.ops = []
        for letter, port in (("a", 8080), ("b", 8081)):
            api, ops = free_port(), free_port()
            self.ops.append(f"http://127.0.0.1:{ops}")
            nginx = nginx.replace(f"broker-{letter}:{port}", f"127.0.0.1:{api}")
            os.environ.update({
                "TOKEN_BROKER__STORE__URL_FILE": str(self.dir / "store-url"),
                "TOKEN_BROKER__SERVER__LISTEN": f"127.0.0.1:{api}",
                "TOKEN_BROKER__SERVER__OPS_LISTEN": f"127.0.0.1:{ops}",
            })
            self.spawn(f"broker-{letter}", binary("token-broker"), "serve", "--config", self.dir / "demo.toml")
        for ops in self.ops:
            until("a ready broker", lambda: get(f"{ops}/readyz"))
        (self.dir / "nginx.conf").write_text(
            f"daemon off; pid {self.dir}/nginx.pid; error_log stderr;\n"
            f"events {{}}\nhttp {{ client_body_temp_path {self.dir}; proxy_temp_path {self.dir}; {nginx} }}\n"
        )
        self.spawn("nginx", shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"), "-p", self.dir, "-c", self.dir / "nginx.conf")

    def redis_says(self, password):
        ran = subprocess.run(
            ["redis-cli", "-p", str(self.redis_port), "ping"], capture_output=True, text=True,
            env={**os.environ, "REDISCLI_AUTH": password},
        )
        return ran.stdout.strip()


def check_demo():
    key = re.search(r"^# (tbk_demo_\w+)$", (COMPOSE / "demo.toml").read_text(), re.M)[1]
    with Demo() as demo:
        request = urllib.request.Request(
            f"http://127.0.0.1:{demo.balancer}/token/wx0000000000000001", headers={"Authorization": f"Bearer {key}"}
        )
        ask = lambda: urllib.request.urlopen(request, timeout=5).status == 200
        until("a token through the balancer", ask)
        if demo.redis_says("") == "PONG":
            fail("Redis asks for no password")
        for how in (signal.SIGKILL, signal.SIGTERM):
            bad = 0
            for number in range(60):
                if number == 10:
                    demo.running["broker-a"].send_signal(how)
                try:
                    ask()
                except (urllib.error.URLError, OSError):
                    bad += 1
                time.sleep(0.1)
            if bad:
                fail(f"{bad} of 60 callers were refused when one broker got {how.name}")
            if how == signal.SIGKILL:
                demo.running.pop("broker-a").wait()
                # The other one, asked nicely, once the first is back.
                os.environ["TOKEN_BROKER__SERVER__LISTEN"] = re.search(r"server (127\S+)", (demo.dir / "nginx.conf").read_text())[1]
                os.environ["TOKEN_BROKER__SERVER__OPS_LISTEN"] = demo.ops[0].removeprefix("http://")
                demo.spawn("broker-a", binary("token-broker"), "serve", "--config", demo.dir / "demo.toml")
                until("a broker that is back", lambda: get(f"{demo.ops[0]}/readyz"))
    print("demo: no caller was refused when one of two brokers was killed, nor when it was stopped")


def main():
    ran = subprocess.run(
        ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", ROOT / "docker-compose.yml"], capture_output=True, text=True
    )
    if ran.returncode:
        fail(ran.stdout + ran.stderr)
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    check_references(compose)
    check_topology(compose)
    check_configs(compose)
    check_demo()
    print(f"{len(compose['services'])} services")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
