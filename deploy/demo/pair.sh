#!/bin/sh
# A simulated WeChat and one broker in front of it, in a directory that goes with them; to be read by a script (`.`)
# that says what they are to be. Needs `set -eu`.
# shellcheck disable=SC2034 # Whoever reads it has a use for what it sets.

bin=${CARGO_TARGET_DIR:-target}/debug
dir=$(mktemp -d)
simulator='' broker=''

stop() {
    trap - INT TERM EXIT
    for pid in $broker $simulator; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$dir"
}
trap 'stop; exit 130' INT TERM
trap stop EXIT

# Waits for a line of a log, which may not be there yet, and prints what stands in it where the pattern has its group.
await() {
    tries=0
    until found=$(sed -n "s#.*$2.*#\1#p" "$1" 2>/dev/null | head -n 1) && [ -n "$found" ]; do
        tries=$((tries + 1))
        [ "$tries" -le 150 ] || { echo "There is no '$2' in $1:" >&2; cat "$1" >&2; exit 1; }
        sleep 0.1
    done
    echo "$found"
}

# Starts WeChat with these flags; its address is in $wechat then.
start_wechat() {
    "$bin/wechat-simulator" "$@" >"$dir/simulator.log" 2>&1 &
    simulator=$!
    wechat=$(await "$dir/simulator.log" '\(http://127[0-9.:]*\)')
}

# Makes a caller of this name, who may do everything: its key is in $key, what the configuration has of it in $caller.
make_caller() {
    "$bin/token-broker" key new "$1" >"$dir/key" 2>/dev/null
    key=$(grep -o "tbk_$1_[0-9a-f]*" "$dir/key" | head -n 1)
    caller="[[callers]]
id = \"$1\"
keys = [\"$(grep -o 'sha256:[0-9a-f]*' "$dir/key" | head -n 1)\"]
allow = [{ appids = [\"*\"], verbs = [\"read\", \"call\", \"refresh\", \"admin\"] }]"
}

# Writes the broker's configuration: its two addresses, and the apps from the standard input.
configure() {
    cat >"$dir/broker.toml" <<TOML
[server]
listen = "$1"
ops_listen = "$2"

[store]
path = "$dir/token-broker.redb"

[upstream]
base_url = "$wechat"

$(cat)

$caller
TOML
}
