#!/bin/sh
# The release as `make dist` makes it: checksums, bill of materials, licences; the unit, by systemd's own tools; and,
# where this is root and may mount, the package's whole life in a fresh Debian: installed, upgraded, removed,
# purged.
set -eu

cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bin=${TOKEN_BROKER_BIN:-${CARGO_TARGET_DIR:-target}/release}
version=$(make --silent version)

fail() {
    echo "FAIL $*" >&2
    exit 1
}

unit=deploy/systemd/token-broker.service
sed "s#^ExecStart=/usr/bin/token-broker#ExecStart=$(realpath "$bin/token-broker")#" "$unit" >"$work/token-broker.service"
systemd-analyze verify --man=no "$work/token-broker.service"
systemd-analyze security --offline=true --threshold=15 "$unit" >"$work/security" || fail "$(tail -1 "$work/security")"
tail -1 "$work/security"

TOKEN_BROKER_BIN=$bin deploy/release/dist.sh >"$work/sums"
(cd target/dist && sha256sum --quiet --check SHA256SUMS)
tar -xzf target/dist/token-broker-*.tar.gz -C "$work"
unpacked=$(echo "$work"/token-broker-"$version"-*)
[ "$("$unpacked/token-broker" --version)" = "token-broker $version" ] || fail "the tarball has another version"
"$unpacked/token-broker" check-config --config "$unpacked/token-broker.toml"
python3 - "$unpacked" target/dist/token-broker-"$version".cdx.json <<'PY'
import json, pathlib, re, sys, tomllib
unpacked, bill = pathlib.Path(sys.argv[1]), json.loads(pathlib.Path(sys.argv[2]).read_text())
assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5"), bill["bomFormat"]
parts = {(part["name"], part["version"]) for part in bill["components"]}
locked = {(part["name"], part["version"]) for part in tomllib.loads(pathlib.Path("Cargo.lock").read_text())["package"]}
assert parts <= locked, parts - locked
names = {name for name, _ in parts}
assert {"actix-web", "rustls", "redis"} <= names and not {"proptest", "wechat-simulator"} & names, names
assert str(pathlib.Path.cwd()) not in json.dumps(bill), "the bill tells where it was made"
assert all(part.get("licenses") and part.get("hashes") for part in bill["components"])
licences = (unpacked / "LICENSES-THIRD-PARTY").read_text()
assert "Apache License" in licences and all(name in licences for name in ("actix-web ", "rustls ", "redis "))
assert re.search(r"^swagger-ui-[\d.]+\n-+\nswagger-ui\nCopyright .* SmartBear", licences, re.M), "the page of the contract"
print(f"release: {len(parts)} parts in the bill of materials")
PY

if [ "$(id -u)" != 0 ] || ! unshare --mount true 2>/dev/null; then
    echo "skipped: trying the package needs root and the right to mount"
    exit 0
fi
root=$work/root
tar=${CHECKS_TOOLS:-$work}/debian-with-systemd.tar
[ -s "$tar" ] || mmdebstrap --quiet --variant=minbase --include=systemd,adduser,ca-certificates,procps bookworm "$tar"
mkdir "$root"
tar -xf "$tar" -C "$root"
in_root() {
    chroot "$root" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# The release before this one: the same, but for its number and a configuration with one line less.
new=$(echo target/dist/*.deb)
dpkg-deb --raw-extract "$new" "$work/old"
sed -i 's/^Version: .*/Version: 0.0.1-1/' "$work/old/DEBIAN/control"
sed -i '$d' "$work/old/etc/token-broker/token-broker.toml"
dpkg-deb --root-owner-group --build "$work/old" "$root/old.deb" >/dev/null
cp "$new" "$root/new.deb"

in_root dpkg --install /old.deb >"$work/log" 2>&1 || fail "$(cat "$work/log")"
grep -q "systemctl enable --now token-broker" "$work/log" || fail "it does not say what to do next"
in_root systemctl is-enabled token-broker >/dev/null 2>&1 && fail "it is enabled without a configuration"
in_root id -u token-broker >/dev/null || fail "there is no user"
[ "$(in_root stat -c %U:%G:%a /etc/token-broker/token-broker.toml)" = root:token-broker:640 ] || fail "the configuration's owner"
[ "$(in_root stat -c %U:%G:%a /etc/token-broker/secrets)" = root:root:700 ] || fail "the secrets' owner"
in_root systemd-analyze verify --man=no /lib/systemd/system/token-broker.service || fail "the installed unit"
in_root token-broker check-config --config /etc/token-broker/token-broker.toml
in_root setpriv --reuid=token-broker --regid=token-broker --clear-groups cat /etc/token-broker/token-broker.toml >/dev/null

# An upgrade takes over a configuration that nobody touched, and keeps one that somebody did.
echo '# mine' >>"$root/etc/token-broker/token-broker.toml"
echo 0123456789abcdef0123456789abcdef >"$root/etc/token-broker/secrets/wx0123456789abcdef"
in_root systemctl enable token-broker 2>/dev/null
in_root dpkg --install --force-confold /new.deb >"$work/log" 2>&1 || fail "$(cat "$work/log")"
[ "$(in_root dpkg-query -W -f '${Version}' token-broker)" != 0.0.1-1 ] || fail "it is not upgraded"
grep -q '^# mine$' "$root/etc/token-broker/token-broker.toml" || fail "an upgrade lost the configuration"
[ "$(in_root systemctl is-enabled token-broker)" = enabled ] || fail "an upgrade disabled it"

in_root dpkg --remove token-broker >"$work/log" 2>&1 || fail "$(cat "$work/log")"
[ ! -e "$root/usr/bin/token-broker" ] || fail "the binary is left"
[ -e "$root/etc/token-broker/token-broker.toml" ] || fail "the configuration went before a purge"
mkdir -p "$root/var/lib/token-broker/data"
in_root dpkg --purge token-broker >"$work/log" 2>&1 || fail "$(cat "$work/log")"
[ ! -e "$root/etc/token-broker/token-broker.toml" ] && [ ! -e "$root/var/lib/token-broker" ] || fail "a purge left something"
[ -e "$root/etc/token-broker/secrets/wx0123456789abcdef" ] || fail "a purge destroyed an AppSecret"
echo "package: installed, upgraded, removed, purged"
