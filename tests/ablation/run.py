#!/usr/bin/env python3
"""`make ablate`: takes safeguards out of the product, one at a time, and sees that a named history of the simulation fails.

`tests/model/ablation.rs` does the same in the model. What is here the model does not miss: another safeguard stands
behind it, or what it gives (no refusal, no needless fetch) is not among the model's properties. `safeguards.txt` says
what is changed and which histories have to fail; `tests/it/ablation.rs` holds it to the code as it is.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
COPY = TARGET / "ablation"


def safeguards():
    """Each block of the table: what it is called, the file, the text that goes, what comes for it, the tests that fail."""
    text = (ROOT / "tests/ablation/safeguards.txt").read_text()
    blocks = re.findall(r"^== (.+)\nin (.+)\nfails (.+)\n((?:-.*\n)+)((?:\+.*\n)*)", text, re.M)
    for name, file, fails, gone, come in blocks:
        lines = [[line[1:] for line in part.splitlines()] for part in (gone, come)]
        yield name, file, fails.split(), *("".join(f"{line}\n" for line in part) for part in lines)


def lay_out():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    shutil.rmtree(COPY, ignore_errors=True)
    for name in filter(None, listed.split("\0")):
        (COPY / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, COPY / name)


def failing(histories):
    """Which of these histories fail. None: it does not compile."""
    test = [os.environ.get("CARGO", "cargo"), "test", "--quiet", "--test", "simulation"]
    environment = os.environ | {"CARGO_TARGET_DIR": str(TARGET)}
    if subprocess.run([*test, "--no-run"], cwd=COPY, env=environment).returncode:
        return None
    said = subprocess.run([*test, "--", "--exact", *histories], cwd=COPY, env=environment, capture_output=True, text=True)
    return re.findall(r"^    (\S+::\S+)$", said.stdout.rpartition("failures:")[2], re.M)


def main():
    wanted = sys.argv[1:]
    table = [it for it in safeguards() if not wanted or it[0] in wanted]
    lay_out()
    histories = sorted({history for it in table for history in it[2]})
    missing = []
    if (failed := failing(histories)) != []:
        sys.exit(f"with every safeguard in its place these fail: {failed}")
    for name, file, histories, gone, come in table:
        path = COPY / file
        whole = path.read_text()
        path.write_text(whole.replace(gone, come))
        failed = failing(histories)
        path.write_text(whole)
        seen = failed is not None and sorted(failed) == sorted(histories)
        print(f"{'missed' if seen else 'NOT MISSED':>10}  without {name}: {failed}", flush=True)
        missing += [] if seen else [name]
    sys.exit(f"nothing fails without: {', '.join(missing)}" if missing else 0)


main()
