"""`make bench`: what the broker serves, beside what else one could ask; a report in Markdown.

Contenders take turns, round by round, so that whatever else happens to the machine happens to all of them. Servers run
on core 0, whatever asks them on core 1; a figure is requests a second that one core answers. `--quick` is two short
rounds; `--write` puts the report into docs/performance.md.
"""

import argparse
import contextlib
import pathlib
import platform as machine
import re
import signal
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.error

import contenders
from contenders import ASKED_BY, BUSY, CALM, ROOT, TARGET, Platform, appid, ask, until

CONNECTIONS = 64
MANY = 10_000
PAGE = ROOT / "docs" / "performance.md"


class Figures:
    """What the rounds measured of one contender."""

    def __init__(self):
        self.rates, self.p50, self.p99, self.failed = [], [], [], 0

    def add(self, rate, p50, p99, failed):
        self.rates.append(rate)
        self.p50.append(p50)
        self.p99.append(p99)
        self.failed += failed


def by_wrk(asked, seconds):
    """Requests a second, p50 and p99 in microseconds, failed requests."""
    with tempfile.NamedTemporaryFile("w", suffix=".paths") as paths:
        paths.write("\n".join(asked.paths) + "\n")
        paths.flush()
        header = ["-H", f"Authorization: Bearer {asked.key}"]
        ran = subprocess.run(
            ["taskset", "-c", ASKED_BY, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", *header,
             "-s", ROOT / "benches" / "requests.lua", f"http://127.0.0.1:{asked.port}", "--", paths.name],
            capture_output=True, text=True, check=True,
        )
    rate, p50, p99, failed = re.search(r"RESULT (\S+) (\d+) (\d+) (\d+)", ran.stdout).groups()
    return float(rate), int(p50), int(p99), int(failed)


def by_redis_benchmark(port, seconds):
    subprocess.run(["redis-cli", "-p", str(port), "set", "bench:token", "x" * contenders.ANSWER], capture_output=True, check=True)
    ran = subprocess.run(
        ["taskset", "-c", ASKED_BY, "redis-benchmark", "-p", str(port), "-c", str(CONNECTIONS), "-n", str(100_000 * seconds),
         "--csv", "get", "bench:token"],
        capture_output=True, text=True, check=True,
    )
    row = ran.stdout.strip().splitlines()[-1].split('","')
    rate, p50, p99 = float(row[1]), float(row[4]), float(row[6])
    return rate, round(p50 * 1000), round(p99 * 1000), 0


@contextlib.contextmanager
def paused(process):
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def refreshing(asked):
    """Forces one refresh after the other; counts those that fetched."""
    over, counted = threading.Event(), []

    def go_on():
        number = 0
        while not over.is_set():
            with contextlib.suppress(urllib.error.HTTPError):
                ask(asked.port, f"/token/{appid(number % len(asked.paths))}/refresh", asked.key, "POST")
                counted.append(number)
            number += 1
            over.wait(0.05)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        # What was fetched at the start has to be old enough first.
        until("a refresh", lambda: counted, 15)
        counted.clear()
        yield counted
    finally:
        over.set()
        thread.join()


def round_of(seconds, quiet, busy, figures, refreshes):
    """One turn for each contender."""
    for name, start in (("actix-web, nothing else", contenders.bare), ("nginx, a constant", contenders.nginx),
                        ("actix-web, asking Redis by a pool", contenders.actix_with_redis)):
        with start() as asked:
            figures[name].add(*by_wrk(asked, seconds))
    with contenders.redis() as (port, _):
        figures["Redis, `GET` without pipelining"].add(*by_redis_benchmark(port, seconds))
    for apps in (1, 100, MANY):
        with quiet.broker(apps, CALM) as asked:
            figures[f"broker, {apps:,} app{'s' * (apps > 1)}"].add(*by_wrk(asked, seconds))
            if apps == 100:
                with paused(asked.redis):
                    figures["broker, 100 apps, Redis paused"].add(*by_wrk(asked, seconds))
    with busy.broker(100, BUSY) as asked, refreshing(asked) as counted:
        figures["broker, 100 apps, refreshing"].add(*by_wrk(asked, seconds))
    refreshes.append(len(counted) / seconds)


ORDER = (
    "actix-web, nothing else", "broker, 1 app", "broker, 100 apps", f"broker, {MANY:,} apps", "broker, 100 apps, refreshing",
    "broker, 100 apps, Redis paused", "nginx, a constant", "Redis, `GET` without pipelining", "actix-web, asking Redis by a pool",
)


def version_of(*command):
    told = subprocess.run(command, capture_output=True, text=True)
    return re.search(r"\d+\.\d+[.\d]*", told.stdout + told.stderr)[0]


def machine_line():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    cores = subprocess.run(["nproc"], capture_output=True, text=True).stdout.strip()
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    return (
        f"{model[1] if model else machine.machine()}, {cores} cores, Linux {machine.release()}; broker {version_of(TARGET / 'token-broker', '--version')} "
        f"at {commit}, nginx {version_of('nginx', '-v')}, Redis {version_of('redis-server', '--version')}, wrk {version_of('wrk', '-v')}"
    )


def report(figures, refreshes, events, rounds, seconds):
    # Rounds differ more than contenders do: each is compared with what its own round's others did.
    def ratio(name, other):
        rates = zip(figures[name].rates, figures[other].rates)
        return statistics.median(rate / base for rate, base in rates)

    lines = [
        f"{machine_line()}.", "",
        f"{rounds} rounds of {seconds} s each, {CONNECTIONS} connections; requests a second by one core:", "",
        "| | min | median | max | of actix-web | p50 | p99 | failed |", "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name in ORDER:
        of = figures[name]
        rate = statistics.median(of.rates)
        lines.append(
            f"| {name} | {min(of.rates):,.0f} | {rate:,.0f} | {max(of.rates):,.0f} | {ratio(name, ORDER[0]):.2f} | "
            f"{statistics.median(of.p50) / 1000:.2f} ms | {statistics.median(of.p99) / 1000:.2f} ms | {of.failed} |"
        )
    lines += ["", f"{MANY:,} apps serve {ratio(ORDER[3], ORDER[1]):.2f} of one. While refreshing, {statistics.median(refreshes):.0f} fetches a second were made."]
    if events:
        at = lambda part: events[min(len(events) - 1, int(len(events) * part))]
        lines.append(
            f"From a commit to the event on another replica's stream, {len(events)} refreshes: "
            f"p50 {at(0.5):.1f} ms, p99 {at(0.99):.1f} ms, at most {events[-1]:.1f} ms."
        )
    return "\n".join(lines)


def write(text):
    head, _, rest = PAGE.read_text().partition("<!-- measured -->\n")
    tail = rest.partition("<!-- end -->\n")[2]
    PAGE.write_text(f"{head}<!-- measured -->\n\n{text}\n\n<!-- end -->\n{tail}")


def main():
    import events as streams

    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--write", action="store_true")
    given = arguments.parse_args()
    rounds, seconds, refreshes_heard = (2, 2, 100) if given.quick else (15, 2, 500)

    began, figures, refreshes = time.monotonic(), {name: Figures() for name in ORDER}, []
    with Platform.started(MANY) as quiet, Platform.started(100, overlap="4s") as busy:
        # Every token once, so that what is measured starts warm.
        with quiet.broker(MANY):
            print(f"{MANY:,} tokens after {time.monotonic() - began:.0f} s", flush=True)
        for turn in range(rounds):
            round_of(seconds, quiet, busy, figures, refreshes)
            print(f"round {turn + 1} of {rounds} after {time.monotonic() - began:.0f} s", flush=True)
    events = streams.measure(refreshes_heard)
    text = report(figures, refreshes, events, rounds, seconds)
    print(f"\n{text}\n\n{time.monotonic() - began:.0f} s")
    if given.write:
        write(text)


if __name__ == "__main__":
    main()
