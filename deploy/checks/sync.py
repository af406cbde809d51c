"""Writes what is said in two places from where it is decided; with --check, tells where they differ.

| decided in | written to |
|---|---|
| `Cargo.toml`, the version | `Chart.yaml`, `docker-compose.yml`, `deploy/Dockerfile` |
| `deploy/prometheus/*.yaml`, `deploy/grafana/*.json` | `helm/token-broker/files/` |
| `values.yaml`, its comments | the table of the chart's `README.md` |
| the chart, with `deploy/kubernetes/values.yaml` | `deploy/kubernetes/*.yaml` |
"""

import os
import re
import subprocess
import sys
import tomllib

from fleet import ROOT

CHART = ROOT / "helm" / "token-broker"
KUBERNETES = ROOT / "deploy" / "kubernetes"
HELM = os.environ.get("HELM", "helm")
MONITORING = ("monitoring", "prometheusrule", "dashboards")


def versions():
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    for path, pattern, line in (
        (CHART / "Chart.yaml", r'^appVersion: .*$', f'appVersion: "{version}"'),
        (ROOT / "deploy" / "Dockerfile", r"^ARG VERSION=.*$", f"ARG VERSION={version}"),
        (ROOT / "docker-compose.yml", r"token-broker:\$\{VERSION:-[^}]*\}", f"token-broker:${{VERSION:-{version}}}"),
    ):
        text = path.read_text()
        if not re.search(pattern, text, re.M):
            raise SystemExit(f"{path.name}: has no version")
        yield path, re.sub(pattern, line.replace("\\", r"\\"), text, flags=re.M)


def copies():
    for folder, source, names in (
        ("rules", ROOT / "deploy" / "prometheus", ["recording.yaml", "alerts.yaml"]),
        ("dashboards", ROOT / "deploy" / "grafana", sorted(p.name for p in (ROOT / "deploy" / "grafana").glob("*.json"))),
    ):
        target = CHART / "files" / folder
        for stale in set(p.name for p in target.iterdir()) - set(names):
            yield target / stale, None
        for name in names:
            yield target / name, (source / name).read_text()


def values_table():
    """A row for each key: its path, its default on one line, and the comment above it."""
    rows, comment, path = [], [], []
    for line in (CHART / "values.yaml").read_text().splitlines():
        if not line.strip():
            comment = []
        elif line.strip().startswith("#"):
            comment.append(line.strip("# "))
        elif match := re.match(r"^( *)([A-Za-z]+):\s*(.*)$", line):
            depth = len(match[1]) // 2
            path = [*path[:depth], match[2]]
            if comment:
                default = match[3].replace("|", "\\|") or "…"
                rows.append(f"| `{'.'.join(path)}` | `{default}` | {' '.join(comment)} |")
            comment = []
        else:
            comment = []
    readme = (CHART / "README.md").read_text()
    head = readme.split("<!-- values -->")[0]
    table = "\n".join(["| value | default | |", "|---|---|---|", *rows])
    yield CHART / "README.md", f"{head}<!-- values -->\n\n{table}\n"


def rendered(*arguments):
    text = subprocess.run(
        [HELM, "template", "token-broker", CHART, "--namespace=wechat", "--kube-version=1.28.0",
         f"--values={KUBERNETES / 'values.yaml'}", *arguments],
        capture_output=True, text=True, check=True,
    ).stdout
    # What only Helm knows what to do with.
    documents = [part for part in re.split(r"^---\n", text, flags=re.M) if part.strip()]
    documents = [part for part in documents if "helm.sh/hook: test" not in part]
    text = "---\n".join(documents)
    text = re.sub(r"^ *(helm\.sh/chart|app\.kubernetes\.io/managed-by|helm\.sh/resource-policy): .*\n", "", text, flags=re.M)
    return text


def kubernetes():
    head = "# Rendered from helm/token-broker with values.yaml by deploy/checks/sync.py: change it there.\n---\n"
    only = [f"--show-only=templates/{name}.yaml" for name in MONITORING]
    yield KUBERNETES / "monitoring.yaml", head + rendered(*only, "--set=metrics.serviceMonitor.enabled=true", "--set=prometheusRule.enabled=true", "--set=dashboards.enabled=true")
    yield KUBERNETES / "token-broker.yaml", head + rendered()


def main():
    check = "--check" in sys.argv
    stale = []
    # In order: what is rendered depends on what was copied.
    for part in (versions, copies, values_table, kubernetes):
        for path, text in part():
            if (path.read_text() if path.exists() else None) == text:
                continue
            stale.append(str(path.relative_to(ROOT)))
            if check:
                continue
            if text is None:
                path.unlink()
            else:
                path.write_text(text)
    for path in stale:
        print(f"{'differs' if check else 'written'}: {path}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
