#!/bin/sh
# Installs what the benchmarks need beside the tests' tools: wrk and nginx, from Debian, as root or by sudo; and what
# the arguments name, each as program:package.
set -eu

needed=""
for pair in wrk:wrk nginx:nginx-light redis-server:redis-server redis-benchmark:redis-tools taskset:util-linux "$@"; do
    command -v "${pair%%:*}" >/dev/null || needed="$needed ${pair#*:}"
done
[ -n "$needed" ] || exit 0
if [ "$(id -u)" = 0 ]; then as_root=""
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root="sudo"
else echo "The benchmarks need these packages; please install them:$needed" >&2; exit 1
fi
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of packages
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $needed >/dev/null
