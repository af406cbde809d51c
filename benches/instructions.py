"""`make instructions`: how many instructions a request takes, beside what actix-web alone takes, and whose they are.

Counted by valgrind, so that a busy machine makes no difference. Its processor has no instructions for SHA-256: the
broker's figure holds some thousands for the caller's key that a real one does not need.
"""

import collections
import contextlib
import ctypes
import os
import pathlib
import re
import socket
import struct
import subprocess
import tempfile
import time

from contenders import ANSWER, CALM, ROOT, TARGET, Asked, Platform, appid, ask, free_port, is_open, peers, until

REQUESTS = int(os.environ.get("REQUESTS", 5000))
CONNECTIONS = 8
APPS = 10
PATIENT = CALM | {"store": 'connect_timeout = "5s"\nreply_timeout = "5s"\n'}
# prctl, PR_GET_AUXV, EINVAL.
PRCTL, GET_AUXV, REFUSED = 157, 0x41555856, 0x00050000 | 22


def hide_vdso():
    """Has the kernel refuse to tell of its vdso, which valgrind hides: rustix would read it all the same."""
    program = [
        (0x20, 0, 0, 0), (0x15, 0, 3, PRCTL), (0x20, 0, 0, 16), (0x15, 0, 1, GET_AUXV),
        (0x06, 0, 0, REFUSED), (0x06, 0, 0, 0x7FFF0000),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    libc = ctypes.CDLL(None, use_errno=True)
    filter_ = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.c_char_p(filter_), 0, 0):
        raise OSError(ctypes.get_errno(), "no filter of system calls")


def request_many(asked, count):
    """Asks `count` times, side by side on each connection in turn."""
    lines = [socket.create_connection(("127.0.0.1", asked.port)) for _ in range(CONNECTIONS)]
    for number in range(0, count, CONNECTIONS):
        for line in lines:
            path = asked.paths[number // CONNECTIONS % len(asked.paths)]
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {asked.key}\r\n\r\n".encode())
        for line in lines:
            with line.makefile("rb") as answer:
                head = b"".join(iter(answer.readline, b"\r\n"))
                if not head.startswith(b"HTTP/1.1 200"):
                    raise SystemExit(head.decode())
                answer.read(int(re.search(rb"(?i)content-length: (\d+)", head)[1]))
    for line in lines:
        line.close()


@contextlib.contextmanager
def counted(*command):
    """A program under valgrind; a function that answers with its counts over one run of requests."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder)
        valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes", f"--callgrind-out-file={out}/out"]
        with open(out / "log", "wb") as log:
            running = subprocess.Popen([*valgrind, *map(str, command)], stdout=log, stderr=log, preexec_fn=hide_vdso)

        def control(*words):
            subprocess.run(["callgrind_control", *words, str(running.pid)], check=True, stdout=subprocess.DEVNULL)

        def count(asked):
            request_many(asked, REQUESTS // 4)
            control("-i", "on")
            request_many(asked, REQUESTS)
            control("-i", "off")
            control("-d")
            until("the counts", lambda: list(out.glob("out.1-*")), 10)
            time.sleep(1)
            # The thread that answers.
            return max(map(read, out.glob("out.1-*")), key=lambda counts: sum(counts.values()))

        try:
            yield count
        except SystemExit:
            print((out / "log").read_text()[-2000:])
            raise
        finally:
            running.terminate()
            running.wait()


def read(path):
    """Instructions by function, of what callgrind has written of one thread."""
    names, counts, function, is_call = {}, collections.Counter(), None, False
    for line in path.read_text(errors="replace").splitlines():
        if name := re.match(r"c?fn=\((\d+)\)(?: (.*))?", line):
            names.setdefault(name[1], name[2])
            if line.startswith("fn="):
                function = names[name[1]]
        elif line.startswith("calls="):
            is_call = True
        elif re.match(r"[\d+*-]", line):
            if not is_call:
                counts[function] += int(line.split()[1])
            is_call = False
    return counts


def part(function):
    """The crate that a function is of; of ours also the module."""
    name = re.sub(r"^[<&\[(*]*(?:mut |dyn )*", "", function)
    ours = re.search(r"token_broker::(\w+)(?:::(\w+))?", function)
    if ours:
        return "::".join(filter(None, ("broker", ours[1], ours[2] if ours[1] in ("http", "adapters", "domain") else None)))
    crate = re.match(r"(\w+)(?=::)", name)
    return crate[1] if crate else "libc"


def bare():
    port = free_port()
    with counted(peers(), "bare", port, ANSWER) as count:
        until("bare actix-web", lambda: is_open(port), 60)
        return count(Asked(port))


def broker():
    # With the names of its functions. Only now: whenever Cargo builds the peers, it puts the one without in its place.
    named = ["cargo", "rustc", "--quiet", "--release", "--bin", "token-broker", "--", "-C", "strip=none"]
    subprocess.run(named, cwd=ROOT, check=True)
    with Platform.started(APPS) as platform, tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
        api, ops = free_port(), free_port()
        config.write(platform.config(APPS, api, ops, PATIENT))
        config.flush()
        with counted(TARGET / "token-broker", "serve", "--config", config.name) as count:
            asked = Asked(api, [f"/token/{appid(number)}" for number in range(APPS)], platform.key, ops=ops)
            until("a broker", lambda: ask(ops, "/readyz"), 120)
            until("all tokens", lambda: platform.served(asked) == APPS, 120)
            return count(asked)


def main():
    alone, ours = bare(), broker()
    total = lambda counts: round(sum(counts.values()) / REQUESTS)
    print(f"actix-web, nothing else: {total(alone):,} instructions a request; broker: {total(ours):,}.\n")
    print("| of the broker's | instructions |\n|---|---:|")
    parts = collections.Counter()
    for function, count in ours.items():
        parts[part(function)] += count
    for name, count in parts.most_common():
        if count / REQUESTS >= 20:
            print(f"| {name} | {round(count / REQUESTS):,} |")
    if os.environ.get("FUNCTIONS"):
        print("\n| function | instructions |\n|---|---:|")
        for name, count in ours.most_common(int(os.environ["FUNCTIONS"])):
            print(f"| `{name}` | {round(count / REQUESTS):,} |")


if __name__ == "__main__":
    main()
