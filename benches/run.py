"""`make bench`: what the broker serves, beside what else one could ask; a report in Markdown.

Contenders take turns, round by round, and bare actix-web has one between any two: the speed of a machine that others use
too changes by a third within a minute, so that each is compared with what bare actix-web did just before and just
after it. Servers run on core 0, whatever asks them on core 1; a figure is requests a second that one core answers.
`--quick` is two short rounds; `--write` puts the report into docs/performance.md.
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
    """What the rounds measured of one contender: its rates, and what they are of bare actix-web's beside them."""

    def __init__(self):
        self.rates, self.ratios, self.p50, self.p99, self.failed = [], [], [], [], 0

    def add(self, measured, beside):
        rate, p50, p99, failed = measured
        self.rates.append(rate)
        self.ratios.append(rate / beside)
        self.p50.append(p50)
        self.p99.append(p99)
        self.failed += failed


class Turns:
    """The turns of a round, each between two of bare actix-web."""

    def __init__(self, bare, figures, seconds):
        self.bare, self.figures, self.seconds = bare, figures, seconds
        self.before = self.yardstick()

    def yardstick(self):
        measured = by_wrk(self.bare, max(1, self.seconds // 2))
        self.figures[BARE].add(measured, measured[0])
        return measured[0]

    def take(self, name, ask):
        measured = ask()
        after = self.yardstick()
        self.figures[name].add(measured, (self.before + after) / 2)
        self.before = after

    def wrk(self, name, asked):
        self.take(name, lambda: by_wrk(asked, self.seconds))


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


def round_of(turns, quiet, cut_off, busy, many, refreshes):
    """One turn for each contender."""
    with contenders.aside(many.broker):
        for name, start in ((NGINX, contenders.nginx), (ASKING, contenders.actix_with_redis)):
            with start() as asked:
                turns.wrk(name, asked)
        with contenders.redis() as (port, _):
            turns.take(GET, lambda: by_redis_benchmark(port, turns.seconds))
        with quiet.broker(1, CALM) as asked:
            turns.wrk(ONE, asked)
        with quiet.broker(100, CALM) as asked:
            turns.wrk(HUNDRED, asked)
        with cut_off.broker(100, CALM) as asked, paused(asked.redis):
            turns.wrk(PAUSED, asked)
        with busy.broker(100, BUSY) as asked, refreshing(asked) as counted:
            turns.wrk(REFRESHING, asked)
        refreshes.append(len(counted) / turns.seconds)
    # Not started anew: what it checks is spread over a minute, as it is wherever it has run for some time.
    turns.wrk(ALL, many)


BARE = "actix-web, nothing else"
ONE, HUNDRED, ALL = "broker, 1 app", "broker, 100 apps", f"broker, {MANY:,} apps"
REFRESHING, PAUSED = "broker, 100 apps, refreshing", "broker, 100 apps, Redis paused"
NGINX, GET, ASKING = "nginx, a constant", "Redis, `GET` without pipelining", "actix-web, asking Redis by a pool"
ORDER = (BARE, ONE, HUNDRED, ALL, REFRESHING, PAUSED, NGINX, GET, ASKING)


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
    of_one = statistics.median(some / one for some, one in zip(figures[ALL].ratios, figures[ONE].ratios))
    lines = [
        f"{machine_line()}.", "",
        f"{rounds} rounds of {seconds} s each, {CONNECTIONS} connections; requests a second by one core:", "",
        "| | min | median | max | of actix-web | p50 | p99 | failed |", "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name in ORDER:
        of = figures[name]
        rate = statistics.median(of.rates)
        lines.append(
            f"| {name} | {min(of.rates):,.0f} | {rate:,.0f} | {max(of.rates):,.0f} | {statistics.median(of.ratios):.2f} | "
            f"{statistics.median(of.p50) / 1000:.2f} ms | {statistics.median(of.p99) / 1000:.2f} ms | {of.failed} |"
        )
    lines += ["", f"{MANY:,} apps serve {of_one:.2f} of one. While refreshing, {statistics.median(refreshes):.0f} fetches a second were made."]
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
    with (
        Platform.started(MANY) as quiet,
        Platform.started(100) as cut_off,
        Platform.started(100, overlap="4s") as busy,
        quiet.broker(MANY, CALM) as many,
        contenders.bare() as bare,
    ):
        print(f"{MANY:,} tokens after {time.monotonic() - began:.0f} s", flush=True)
        for turn in range(rounds):
            round_of(Turns(bare, figures, seconds), quiet, cut_off, busy, many, refreshes)
            print(f"round {turn + 1} of {rounds} after {time.monotonic() - began:.0f} s", flush=True)
    events = streams.measure(refreshes_heard)
    text = report(figures, refreshes, events, rounds, seconds)
    print(f"\n{text}\n\n{time.monotonic() - began:.0f} s")
    if given.write:
        write(text)


if __name__ == "__main__":
    main()
