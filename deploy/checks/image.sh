#!/bin/sh
# The Dockerfile: hadolint; and, where buildah and mmdebstrap are there and this is root, its runtime stages built
# around the binaries at hand, and looked into: what is in them runs, as a non-root user, on a read-only root.
set -eu

cd "$(dirname "$0")/../.."
export PYTHONPATH=deploy/checks
hadolint deploy/Dockerfile
echo "hadolint: clean"

if ! command -v buildah >/dev/null || ! command -v mmdebstrap >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "skipped: building the image needs buildah, mmdebstrap and root"
    exit 0
fi
bin=${TOKEN_BROKER_BIN:-${CARGO_TARGET_DIR:-target}/release}
work=$(mktemp -d)
storage="--root $work/storage --runroot $work/run --storage-driver vfs"
trap 'buildah $storage rm -a >/dev/null 2>&1 || true; rm -rf "$work"' EXIT

# Debian in the place of the Rust image: glibc and ca-certificates are all that the later stages take of it.
tar=${CHECKS_TOOLS:-$work}/debian.tar
[ -s "$tar" ] || mmdebstrap --quiet --variant=minbase --include=ca-certificates bookworm "$tar"
mkdir -p "$work/context/out"
cp "$bin/token-broker" "$bin/wechat-simulator" "$work/context/out/"
# shellcheck disable=SC2086 # a list of options
{
    base=$(buildah $storage from scratch)
    buildah $storage add --quiet "$base" "$tar" / >/dev/null
    buildah $storage config --env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$base"
    buildah $storage commit --quiet "$base" localhost/base >/dev/null
    for target in token-broker wechat-simulator; do
        buildah $storage build --quiet --runtime runc --isolation chroot --format docker --target "$target" \
            --build-arg RUST_IMAGE=localhost/base --build-context "build=$work/context" \
            -f deploy/Dockerfile -t "localhost/$target" . >/dev/null
    done
    buildah $storage inspect --type image localhost/token-broker >"$work/image.json"
    root=$(buildah $storage mount "$(buildah $storage from localhost/token-broker)")
}
python3 - "$work/image.json" <<'PY'
import json, sys
config = json.load(open(sys.argv[1]))["Docker"]["config"]
assert config["User"] == "65532:65532", config["User"]
assert config["StopSignal"] == "SIGTERM", config
assert config["Healthcheck"]["Test"] == ["CMD", "token-broker", "healthcheck"], config["Healthcheck"]
assert config["Entrypoint"] == ["token-broker"] and config["Cmd"] == ["serve"], config
assert config["Labels"]["org.opencontainers.image.version"], config["Labels"]
PY
test -s "$root/etc/ssl/certs/ca-certificates.crt"
test ! -e "$root/bin/sh" && test ! -e "$root/usr/bin/sh"
files=$(find "$root" -type f | wc -l)

# Runs on that root alone, as the image's user; names resolve, and WeChat's certificate authorities are found.
ports=$(python3 -c 'from fleet import free_port; print(free_port(), free_port())')
cat >"$root/etc/token-broker/token-broker.toml" <<TOML
[server]
listen = "127.0.0.1:${ports% *}"
ops_listen = "127.0.0.1:${ports#* }"
[store]
path = "/var/lib/token-broker/token-broker.redb"
TOML
in_image() {
    chroot --userspec=65532:65532 "$root" /usr/local/bin/token-broker "$@"
}
in_image --version
in_image check-config --config /etc/token-broker/token-broker.toml
chroot --userspec=65532:65532 "$root" /usr/local/bin/token-broker serve --config /etc/token-broker/token-broker.toml 2>"$work/log" &
broker=$!
tries=0
until in_image healthcheck --ready --config /etc/token-broker/token-broker.toml 2>/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -gt 50 ]; then cat "$work/log"; exit 1; fi
    sleep 0.1
done
kill -TERM "$broker"
wait "$broker" || { cat "$work/log"; exit 1; }
echo "image: $files files, no shell; serves and stops as user 65532"
