"""The Dockerfile: hadolint; and, where this is root and may mount, the images built and run by podman, as a careful
cluster runs them: as their own user, on a read-only root, without any capability. The broker gets a token, answers a
caller and its own health check, and stops by itself.

RUST_IMAGE names an image to build all of it from, such as docker.io/library/rust:1.95-bookworm, or a tarball of
such a root. Without it the stages behind the compiler's are built around the binaries at hand."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from urllib.request import Request, urlopen

from fleet import ROOT, binary, free_port, get, until

APP = "wx0000000000000001"
# What the image may weigh, unpacked.
MOST = 30_000_000
# What runs where nobody else does: no systemd, no limits above those of whoever calls it.
CONTAINERS = """[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
"""
HARD = ("--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--network=host")
CONFIG = """[server]
listen = "127.0.0.1:{api}"
ops_listen = "127.0.0.1:{ops}"
[upstream]
base_url = "http://127.0.0.1:{wechat}"
[[apps]]
appid = "{app}"
secret_file = "/run/secrets/{app}"
[[callers]]
id = "orders"
keys = ["{key_hash}"]
allow = [{{ appids = ["*"], verbs = ["read"] }}]
"""


class Podman:
    """podman, with a store of its own that goes with it."""

    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="token-broker-image-"))
        (self.dir / "containers.conf").write_text(CONTAINERS)
        self.environment = {**os.environ, "CONTAINERS_CONF": str(self.dir / "containers.conf")}
        return self

    def __exit__(self, *_):
        with contextlib.suppress(subprocess.CalledProcessError):
            self("rm", "--all", "--force", "--time=0")
        # The overlay driver leaves its folder mounted on itself.
        if os.path.ismount(self.dir / "images" / "overlay"):
            subprocess.run(["umount", self.dir / "images" / "overlay"], check=True)
        shutil.rmtree(self.dir, ignore_errors=True)

    def __call__(self, *command):
        where = ("--root", self.dir / "images", "--runroot", self.dir / "run")
        ran = subprocess.run(
            [str(part) for part in ("podman", *where, *command)], capture_output=True, text=True, env=self.environment, cwd=ROOT
        )
        if ran.returncode:
            print(f"podman {' '.join(map(str, command))}: {ran.stdout}{ran.stderr}")
            ran.check_returncode()
        return ran.stdout

    def inspect(self, what):
        return json.loads(self("inspect", what))[0]


def check_sources():
    """What the sources take in at compile time is there where they are compiled."""
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", (ROOT / "deploy" / "Dockerfile").read_text(), re.M)
    let_in = re.findall(r"^!(.+)$", (ROOT / "deploy" / "Dockerfile.dockerignore").read_text(), re.M)
    copied = [name for names in copied for name in names.split()]
    for source in [*(ROOT / "src").rglob("*.rs"), *(ROOT / "tests" / "simulator").rglob("*.rs")]:
        for path in re.findall(r'include_(?:str|bytes)!\(\s*"([^"]+)"', source.read_text()):
            taken = pathlib.Path(os.path.normpath(source.parent / path)).relative_to(ROOT)
            for names, where in ((copied, "the Dockerfile copies"), (let_in, "Dockerfile.dockerignore lets in")):
                assert any(taken.is_relative_to(name) for name in names), f"{source.name} takes in {taken}, which nothing that {where} holds"


def imported(podman, tar):
    podman("import", "--quiet", "--change=ENV PATH=/usr/local/cargo/bin:/usr/sbin:/usr/bin:/sbin:/bin", tar, "localhost/base")
    return "localhost/base"


def bases(podman):
    """What the stages are built from, as arguments of `podman build`."""
    whole = os.environ.get("RUST_IMAGE")
    if whole:
        return [f"--build-arg=RUST_IMAGE={imported(podman, whole) if pathlib.Path(whole).is_file() else whole}"]
    # Debian in the place of Rust's image: glibc and ca-certificates are all that the later stages take of it.
    tar = pathlib.Path(os.environ.get("CHECKS_TOOLS", podman.dir)) / "debian.tar"
    if not tar.exists():
        made = tar.with_suffix(".part")
        command = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates", "--format=tar", "bookworm", made]
        subprocess.run(command, check=True)
        made.rename(tar)
    out = podman.dir / "context" / "out"
    out.mkdir(parents=True)
    for name in ("token-broker", "wechat-simulator"):
        shutil.copy(binary(name), out)
    return [f"--build-arg=RUST_IMAGE={imported(podman, tar)}", f"--build-context=build={out.parent}"]


def build(podman):
    begun = time.monotonic()
    arguments = bases(podman)
    for target in ("wechat-simulator", "token-broker"):
        podman(
            "build", "--quiet", "--isolation=chroot", "--format=docker", "--layers", f"--target={target}", *arguments,
            "--file=deploy/Dockerfile", f"--tag=localhost/{target}", ".",
        )
    image = podman.inspect("localhost/token-broker")
    config = image["Config"]
    assert config["User"] == "65532:65532" and config["StopSignal"] == "SIGTERM", config
    assert config["Entrypoint"] == ["token-broker"] and config["Cmd"] == ["serve"], config
    assert image["Healthcheck"]["Test"] == ["CMD", "token-broker", "healthcheck"], image
    assert config["Labels"]["org.opencontainers.image.version"], config
    assert image["Size"] < MOST, f"the image weighs {image['Size']} bytes"
    files = podman.dir / "files.tar"
    podman("export", f"--output={files}", podman("create", "localhost/token-broker").strip())
    listed = subprocess.run(["tar", "-tf", files], capture_output=True, text=True, check=True).stdout.split()
    assert "etc/ssl/certs/ca-certificates.crt" in listed
    assert not any(re.search(r"(^|/)(ba|da)?sh$", name) for name in listed), "there is a shell"
    took = time.monotonic() - begun
    print(f"built in {took:.0f} s: {image['Size'] / 1e6:.1f} MB, {sum(not n.endswith('/') for n in listed)} files, no shell")


def grace():
    """How long Compose waits for a broker that it has asked to stop."""
    found = re.search(r"stop_grace_period: (\d+)s", (ROOT / "docker-compose.yml").read_text())
    return int(found[1])


def ask(api, key):
    request = Request(f"http://127.0.0.1:{api}/token/{APP}", headers={"Authorization": f"Bearer {key}"})
    return json.loads(urlopen(request, timeout=5).read())


def run(podman):
    api, ops, wechat = free_port(), free_port(), free_port()
    made = podman("run", "--rm", *HARD, "localhost/token-broker", "key", "new", "orders")
    key = re.search(r"tbk_orders_[0-9a-f]{64}", made)[0]
    key_hash = re.search(r"sha256:[0-9a-f]{64}", made)[0]
    config, secret = podman.dir / "token-broker.toml", podman.dir / "secret"
    config.write_text(CONFIG.format(api=api, ops=ops, wechat=wechat, app=APP, key_hash=key_hash))
    secret.write_text("secret-one")
    podman("run", "--detach", "--name=wechat", *HARD, "localhost/wechat-simulator", "--listen", f"127.0.0.1:{wechat}", "--app", f"{APP}=secret-one")
    until("WeChat", lambda: get(f"http://127.0.0.1:{wechat}/_simulator/state"))
    podman(
        "run", "--detach", "--name=broker", *HARD, f"--volume={config}:/etc/token-broker/token-broker.toml:ro",
        f"--volume={secret}:/run/secrets/{APP}:ro", "--volume=data:/var/lib/token-broker", "localhost/token-broker",
    )
    begun = time.monotonic()
    until("a ready broker", lambda: get(f"http://127.0.0.1:{ops}/readyz"))
    ready = time.monotonic() - begun
    before = ask(api, key)["version"]
    podman("healthcheck", "run", "broker")
    status = pathlib.Path(f"/proc/{podman.inspect('broker')['State']['Pid']}/status").read_text()
    told = dict(re.findall(r"^(\w+):\s*(.*)$", status, re.M))
    assert told["Uid"].split() == ["65532"] * 4 and told["NoNewPrivs"] == "1", status
    assert all(int(told[f"Cap{kind}"], 16) == 0 for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")), status

    begun = time.monotonic()
    podman("stop", f"--time={grace()}", "broker")
    stopped = time.monotonic() - begun
    code = podman.inspect("broker")["State"]["ExitCode"]
    assert code == 0, f"it ended with {code}: {podman('logs', 'broker')}"
    # What it stored is there for the next one, and costs no fetch.
    podman("start", "broker")
    until("a ready broker", lambda: get(f"http://127.0.0.1:{ops}/readyz"))
    assert ask(api, key)["version"] == before, "it fetched again"
    print(f"ran read-only as 65532 without a capability: ready after {ready:.1f} s, healthy, stopped by itself after "
          f"{stopped:.1f} of {grace()} s, its token there after a restart")


def main():
    ran = subprocess.run(["hadolint", ROOT / "deploy" / "Dockerfile"], capture_output=True, text=True)
    if ran.returncode:
        print(ran.stdout + ran.stderr)
        return 1
    check_sources()
    print("hadolint: clean")
    may_mount = os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0
    if not may_mount:
        print("skipped: building and running the image needs root and the right to mount")
        return 0
    with Podman() as podman:
        build(podman)
        run(podman)
    return 0


if __name__ == "__main__":
    sys.exit(main())
