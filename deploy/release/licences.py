"""Writes the licences of everything that is linked into the broker: who, under what, and the texts, each once."""

import json
import pathlib
import re
import subprocess
import sys

LICENCE = re.compile(r"(licen[cs]e|copying|notice|unlicense|copyright)", re.I)


def host():
    told = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    return re.search(r"^host: (.*)$", told, re.M)[1]


def linked():
    """The packages of the broker's normal dependencies on this machine's kind, itself left out."""
    metadata = json.loads(subprocess.run(
        ["cargo", "metadata", "--format-version=1", "--locked", f"--filter-platform={host()}"],
        capture_output=True, text=True, check=True,
    ).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    seen, open_ = set(), [metadata["resolve"]["root"]]
    while open_:
        node = nodes[open_.pop()]
        for dependency in node["deps"]:
            normal = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            macro = any("proc-macro" in target["kind"] for target in packages[dependency["pkg"]]["targets"])
            if normal and not macro and dependency["pkg"] not in seen:
                seen.add(dependency["pkg"])
                open_.append(dependency["pkg"])
    return sorted((packages[id_] for id_ in seen), key=lambda package: (package["name"], package["version"]))


def texts(package):
    folder = pathlib.Path(package["manifest_path"]).parent
    for path in sorted(folder.iterdir()):
        if path.is_file() and LICENCE.search(path.name) and path.suffix not in (".rs", ".py"):
            yield path.read_text(errors="replace").strip()


def main():
    packages = linked()
    users = {}
    for package in packages:
        for text in texts(package):
            # Texts that differ in their line breaks alone are one.
            users.setdefault(" ".join(text.split()), (text, []))[1].append(f"{package['name']} {package['version']}")
    out = [f"The broker is linked with {len(packages)} packages, under these licences; the texts follow.\n"]
    out += [f"{package['name']} {package['version']}: {package['license'] or package['license_file']}" for package in packages]
    for text, names in users.values():
        out.append(f"\n{'=' * 80}\n{', '.join(names)}\n{'-' * 80}\n{text}")
    sys.stdout.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
