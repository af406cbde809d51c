"""How long after a commit another replica's callers hear of it, on their streams of events."""

import re
import selectors
import socket
import threading
import time
import urllib.error

from contenders import BUSY, Platform, appid, ask

# Each may be fetched once in four seconds, so 500 refreshes take half a minute; a caller may open 64 streams.
APPS = 60


def stream(broker, app):
    """An open stream, behind its first event."""
    line = socket.create_connection(("127.0.0.1", broker.port))
    line.sendall(f"GET /token/{app}/events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {broker.key}\r\n\r\n".encode())
    line.settimeout(10)
    heard = b""
    while b"event: token" not in heard or not heard.endswith(b"\n\r\n"):
        heard += line.recv(65536)
    line.setblocking(False)
    return line


def signals(port):
    """What the store tells all replicas: sent by the script that commits, so its arrival is the commit's time."""
    line = socket.create_connection(("127.0.0.1", port))
    line.sendall(b"*2\r\n$10\r\nPSUBSCRIBE\r\n$1\r\n*\r\n")
    line.recv(65536)
    line.setblocking(False)
    return line


def refresh_in_turn(broker, count, over):
    """Forces refreshes, at most one at a time, on the first replica."""
    done = 0
    while done < count and not over.is_set():
        try:
            ask(broker.port, f"/token/{appid(done % APPS)}/refresh", broker.key, "POST")
            done += 1
        except urllib.error.HTTPError:
            time.sleep(0.2)
    time.sleep(1)
    over.set()


def measure(count):
    """The times from commit to event, in milliseconds, sorted."""
    with Platform.started(APPS, overlap="4s") as platform:
        with platform.broker(APPS, BUSY) as one, platform.broker(APPS, BUSY) as other:
            time.sleep(5)
            ready = selectors.DefaultSelector()
            ready.register(signals(platform.redis_port), selectors.EVENT_READ, None)
            for number in range(APPS):
                app = appid(number)
                ready.register(stream(other, app), selectors.EVENT_READ, app)
            over = threading.Event()
            asking = threading.Thread(target=refresh_in_turn, args=(one, count, over))
            asking.start()
            try:
                return sorted(collect(ready, count, over))
            finally:
                over.set()
                asking.join()


def collect(ready, count, over):
    committed, took = {}, []
    while not over.is_set() or len(took) < count:
        found = ready.select(1)
        now = time.monotonic()
        if not found and over.is_set():
            break
        # The commit first, where both have arrived.
        for key, _ in sorted(found, key=lambda pair: pair[0].data is not None):
            heard = key.fileobj.recv(65536).decode()
            if key.data is None:
                for app, version in re.findall(r"changed (wx[0-9a-f]{16}) \S+ \S+ (\d+)", heard):
                    committed.setdefault((app, version), now)
            else:
                for version in re.findall(r"^id: ?(\d+)", heard, re.M):
                    if (key.data, version) in committed:
                        took.append((now - committed[key.data, version]) * 1000)
    return took
