#!/bin/sh
# Plays the contract against a running broker: a simulated WeChat, the broker, and schemathesis, which makes
# thousands of requests out of the OpenAPI document, good ones and bad ones, and holds each answer to it.
# Then: not one fetch was spent. Everything is on loopback, and is gone at the end.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
bin=${CARGO_TARGET_DIR:-target}/debug
venv=${CONTRACT_VENV:-target/contract-venv}
seconds=${SECONDS_OF_FUZZING:-300}
# The versions this was tried with.
packages="schemathesis==4.32.5 openapi-spec-validator==0.9.0"

if [ ! -x "$venv/bin/schemathesis" ]; then
    command -v python3 >/dev/null || { echo "This needs python3 with venv." >&2; exit 1; }
    python3 -m venv "$venv"
    # shellcheck disable=SC2086 # Two packages, two words.
    "$venv/bin/pip" install --quiet $packages
fi

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

app=wx0000000000000001
"$bin/wechat-simulator" --listen 127.0.0.1:0 --app "$app=contract-secret" \
    --user "$app=oABCD1234567890abcdefghijkl" >"$dir/simulator.log" 2>&1 &
simulator=$!
wechat=$(await "$dir/simulator.log" '\(http://127[0-9.:]*\)')

"$bin/token-broker" key new contract >"$dir/key" 2>/dev/null
key=$(grep -o 'tbk_contract_[0-9a-f]*' "$dir/key" | head -n 1)
hash=$(grep -o 'sha256:[0-9a-f]*' "$dir/key" | head -n 1)
cat >"$dir/broker.toml" <<TOML
[server]
listen = "127.0.0.1:0"
ops_listen = "127.0.0.1:0"
[store]
path = "$dir/token-broker.redb"
[upstream]
base_url = "$wechat"
[[apps]]
appid = "$app"
secret = "contract-secret"
[[callers]]
id = "contract"
keys = ["$hash"]
allow = [{ appids = ["*"], verbs = ["read", "call", "refresh", "admin"] }]
TOML
RUST_BACKTRACE=1 "$bin/token-broker" serve --config "$dir/broker.toml" 2>"$dir/broker.log" &
broker=$!
api=http://$(await "$dir/broker.log" '"message":"started".*"listen":"\([^"]*\)"')
await "$dir/broker.log" '"message":"\(refreshed\)"' >/dev/null

# A fetch is counted by WeChat, not by the broker.
fetches() {
    "$venv/bin/python" -c '
import json, sys, urllib.request
calls = json.load(urllib.request.urlopen(sys.argv[1] + "/_simulator/calls"))
calls = calls.get("calls", calls) if isinstance(calls, dict) else calls
print(sum(call["endpoint"] in ("token", "stable_token") for call in calls))' "$wechat"
}

before=$(fetches)
"$bin/token-broker" openapi >"$dir/openapi.json"
"$venv/bin/openapi-spec-validator" "$dir/openapi.json"
KEY=$key timeout "$((seconds * 3))" "$venv/bin/schemathesis" --config-file "$here/schemathesis.toml" \
    run "$dir/openapi.json" --url "$api" --max-time "$seconds" ${SEED:+--seed "$SEED"}
after=$(fetches)

if [ "$before" != "$after" ]; then
    echo "The requests have spent $((after - before)) fetches." >&2
    exit 1
fi
# What the library that reads HTTP says of heads that are none is no fault.
if grep -E 'panic|"level":"ERROR"' "$dir/broker.log" | grep -v '"target":"actix_http' >&2; then
    echo "The broker has logged this." >&2
    exit 1
fi
echo "The contract holds, and not one fetch was spent."
