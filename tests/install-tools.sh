#!/bin/sh
# Installs what the tests need beside Rust: a real Redis, and redis-cli.
# As root or by sudo; otherwise it says in one line what to install.
set -eu

command -v redis-server >/dev/null && command -v redis-cli >/dev/null && exit 0

say() {
    echo "The tests need redis-server and redis-cli (6.2 or newer): please install $1." >&2
    exit 1
}

if [ "$(id -u)" = 0 ]; then
    as_root=""
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root="sudo"
else
    say "your system's Redis package"
fi

if command -v apt-get >/dev/null; then
    $as_root apt-get update -qq
    # The tests start their own; the system's service would only be in the way.
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        redis-server redis-tools >/dev/null
elif command -v dnf >/dev/null; then
    $as_root dnf install -y -q redis
elif command -v apk >/dev/null; then
    $as_root apk add --quiet redis
else
    say "your system's Redis package"
fi
