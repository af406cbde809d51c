#!/usr/bin/env python3
"""`make fuzz`: builds the fuzz targets, all in one binary, and runs one of them, or each in turn; a line of a table for each in the end.

What a target finds is collected in target/fuzz/corpus and made small after each run, so that the next one goes on from
there. `--keep` puts the inputs that reach most of it into tests/fuzz/corpus, beside the ones made by hand, as far as
there is room for them. An input that fails is left in target/fuzz/failed; it becomes a unit test, and a kept input.
"""

import argparse
import datetime
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "fuzz"
BUILT = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "fuzz"
TARGETS = sorted(path.name for path in (HERE / "corpus").iterdir())

# What libFuzzer goes by. There is no sanitizer: the product forbids `unsafe`, and the stable compiler is enough so.
INSTRUMENTED = [
    "-Cpasses=sancov-module",
    *(f"-Cllvm-args=-sanitizer-coverage-{it}" for it in ["level=4", "inline-8bit-counters", "pc-table", "trace-compares"]),
    "--cfg fuzzing",
]

# No input may take so many seconds, all that is allocated so many MiB, nor an input be so long. `bounded.rs` has what
# may be allocated at once.
BOUNDS = ["-timeout=5", "-rss_limit_mb=2048", "-max_len=4096"]
# `tests/it/fuzz.rs` holds to these.
MOST_KEPT, MOST_BYTES, LONGEST_KEPT = 30, 100 * 1024, 4096
FOUND = "found-"


def ask(*command, **options):
    return subprocess.run(command, cwd=ROOT, check=True, **options)


def build():
    shutil.copy(ROOT / "Cargo.lock", HERE / "Cargo.lock")
    environment = os.environ | {"RUSTFLAGS": " ".join(INSTRUMENTED)}
    # With a target named, build scripts and macros are left as they are.
    ask(os.environ.get("CARGO", "cargo"), "build", "--quiet", "--release", "--target", host(),
        "--manifest-path", HERE / "Cargo.toml", "--target-dir", BUILT, env=environment)


def host():
    said = ask("rustc", "-vV", capture_output=True, text=True).stdout
    return re.search(r"host: (\S+)", said).group(1)


def binary():
    [found] = BUILT.glob("*/release/token-broker-fuzz")
    return found


def run(target, arguments, log):
    with log.open("wb") as out:
        named = os.environ | {"FUZZ_TARGET": target}
        ran = subprocess.run([binary(), *BOUNDS, *arguments], cwd=BUILT, env=named, stdout=out, stderr=out)
    return ran.returncode, log.read_text(errors="replace")


def corpora(target):
    """What was found, and what is kept."""
    found = BUILT / "corpus" / target
    found.mkdir(parents=True, exist_ok=True)
    return found, HERE / "corpus" / target


def fuzz(target, minutes):
    """Runs one target; a row of the table, and whether all was well."""
    found, kept = corpora(target)
    failed = BUILT / "failed" / target
    failed.mkdir(parents=True, exist_ok=True)
    arguments = [found, kept, f"-max_total_time={round(minutes * 60)}", "-print_final_stats=1", f"-artifact_prefix={failed}/"]
    dictionary = HERE / "dictionaries" / f"{target}.dict"
    if dictionary.exists():
        arguments.append(f"-dict={dictionary}")
    begun = datetime.datetime.now()
    code, said = run(target, arguments, BUILT / f"{target}.log")
    took = (datetime.datetime.now() - begun).total_seconds() / 60
    figure = lambda name: int((re.findall(rf"stat::{name}:\s+(\d+)", said) or [0])[-1])
    covered = (re.findall(r"cov: (\d+)", said) or ["?"])[-1]
    crashes = "none" if code == 0 else f"one: see {failed} and {BUILT / target}.log"
    row = f"| `{target}` | {took:.0f} | {figure('number_of_executed_units'):,} | {figure('average_exec_per_sec'):,} | {covered} | {crashes} |"
    return row, code == 0


def minimise(target):
    """Leaves of what was found what reaches something; and what each input reaches, by its path."""
    found, kept = corpora(target)
    with tempfile.TemporaryDirectory(dir=BUILT) as folder:
        folder = pathlib.Path(folder)
        small, control = folder / "small", folder / "control"
        small.mkdir()
        code, said = run(target, ["-set_cover_merge=1", f"-merge_control_file={control}", small, kept, found], folder / "log")
        if code != 0:
            sys.exit(f"{target}: the corpus could not be minimised:\n{said[-2000:]}")
        reached = read_control(control)
        shutil.rmtree(found)
        shutil.move(small, found)
    return reached


def read_control(control):
    """libFuzzer's notes on a merge: how many files, how many of them first, their names, and what each reaches."""
    lines = control.read_text().splitlines()
    paths = [pathlib.Path(line) for line in lines[2:2 + int(lines[0])]]
    features = [line.split()[1:] for line in lines if line.startswith("FT ")]
    return {paths[int(at)]: set(reaches) for at, *reaches in features}


def keep(target, reached):
    """The inputs made by hand, and those found that add most to them."""
    _, kept = corpora(target)
    content = {path: path.read_bytes() for path in reached if path.exists()}
    by_hand = [path for path in kept.iterdir() if not path.name.startswith(FOUND)]
    have = set().union(*(reached.get(path, set()) for path in by_hand))
    count, room = len(by_hand), MOST_BYTES - sum(path.stat().st_size for path in by_hand)
    chosen = []
    candidates = [path for path in content if path not in by_hand and len(content[path]) <= LONGEST_KEPT]
    while candidates and count < MOST_KEPT:
        # The most that is new; the shorter one of two.
        best = max(candidates, key=lambda path: (len(reached[path] - have), -len(content[path])))
        candidates.remove(best)
        if not reached[best] - have or len(content[best]) > room:
            continue
        chosen.append(content[best])
        have |= reached[best]
        count, room = count + 1, room - len(content[best])
    for path in kept.glob(f"{FOUND}*"):
        path.unlink()
    for index, data in enumerate(chosen):
        (kept / f"{FOUND}{index + 1:02}").write_bytes(data)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--minutes", type=float, default=60, help="for each target")
    arguments.add_argument("--target", choices=TARGETS, help="one alone")
    arguments.add_argument("--keep", action="store_true", help="put the best of what was found into tests/fuzz/corpus")
    asked = arguments.parse_args()
    build()
    rows, well = [], True
    for target in [asked.target] if asked.target else TARGETS:
        print(f"{target}: {asked.minutes:g} min, from {datetime.datetime.now():%H:%M}", flush=True)
        row, is_well = fuzz(target, asked.minutes)
        rows.append(row)
        well = well and is_well
        # One that fails would end this as well.
        if is_well:
            reached = minimise(target)
            if asked.keep:
                keep(target, reached)
        print(row, flush=True)
    print(f"\n{datetime.date.today()}:\n")
    print("| target | minutes | executions | a second | coverage | crashes |\n|---|---|---|---|---|---|")
    print("\n".join(rows))
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
