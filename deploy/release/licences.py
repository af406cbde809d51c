"""Writes the licences of everything that is linked into the broker: who, under what, and the texts, each once."""

import json
import pathlib
import re
import subprocess
import sys
import zipfile

LICENCE = re.compile(r"(licen[cs]e|copying|notice|unlicense|copyright)", re.I)


def host():
    told = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    return re.search(r"^host: (.*)$", told, re.M)[1]


def linked():
    """The packages of the broker's normal dependencies on this machine's kind, itself left out; and what those take
    into themselves, packed, as they are built."""
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
            takes = (normal and not macro) or any(archives(packages[dependency["pkg"]]))
            if takes and dependency["pkg"] not in seen:
                seen.add(dependency["pkg"])
                open_.append(dependency["pkg"])
    return sorted((packages[id_] for id_ in seen), key=lambda package: (package["name"], package["version"]))


def archives(package):
    return sorted(pathlib.Path(package["manifest_path"]).parent.glob("res/*.zip"))


def texts(package):
    folder = pathlib.Path(package["manifest_path"]).parent
    for path in sorted(folder.iterdir()):
        if path.is_file() and LICENCE.search(path.name) and path.suffix not in (".rs", ".py"):
            yield path.read_text(errors="replace").strip()


def bundled(package):
    """What a package brings along packed, such as the scripts of a page: the name of each, and its texts."""
    for path in archives(package):
        with zipfile.ZipFile(path) as archive:
            found = [name for name in archive.namelist() if re.fullmatch(r"[^/]+/(licen[cs]e|notice)[^/]*", name, re.I)]
            for name in sorted(found):
                yield name.split("/")[0], archive.read(name).decode(errors="replace").strip()


def main():
    packages = linked()
    users = {}
    for package in packages:
        own = ((f"{package['name']} {package['version']}", text) for text in texts(package))
        for name, text in (*own, *bundled(package)):
            # Texts that differ in their line breaks alone are one.
            users.setdefault(" ".join(text.split()), (text, []))[1].append(name)
    out = [f"The broker is linked with {len(packages)} packages, under these licences; the texts follow.\n"]
    out += [f"{package['name']} {package['version']}: {package['license'] or package['license_file']}" for package in packages]
    for text, names in users.values():
        out.append(f"\n{'=' * 80}\n{', '.join(names)}\n{'-' * 80}\n{text}")
    sys.stdout.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
