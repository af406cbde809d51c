#!/bin/sh
# Plays the contract against a running broker: a simulated WeChat, the broker, and schemathesis, which makes
# thousands of requests out of the OpenAPI document, good ones and bad ones, and holds each answer to it.
# Then: not one fetch was spent. Everything is on loopback, and is gone at the end.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
venv=${CONTRACT_VENV:-$PWD/target/contract-venv}
seconds=${SECONDS_OF_FUZZING:-300}
# The versions this was tried with.
packages="schemathesis==4.32.5 openapi-spec-validator==0.9.0"

if [ ! -x "$venv/bin/schemathesis" ]; then
    command -v python3 >/dev/null || { echo "This needs python3 with venv." >&2; exit 1; }
    python3 -m venv "$venv"
    # shellcheck disable=SC2086 # Two packages, two words.
    "$venv/bin/pip" install --quiet $packages
fi

# shellcheck source=deploy/demo/pair.sh
. "$here/../../deploy/demo/pair.sh"
app=wx0000000000000001
start_wechat --listen 127.0.0.1:0 --app "$app=contract-secret" --user "$app=oABCD1234567890abcdefghijkl"
make_caller contract
configure 127.0.0.1:0 127.0.0.1:0 <<TOML
[[apps]]
appid = "$app"
secret = "contract-secret"
tickets = ["jsapi", "wx_card"]
TOML
RUST_BACKTRACE=1 "$bin/token-broker" serve --config "$dir/broker.toml" 2>"$dir/broker.log" &
broker=$!
api=http://$(await "$dir/broker.log" '"message":"started".*"listen":"\([^"]*\)"')

# What WeChat counts, not the broker.
fetches() {
    "$venv/bin/python" -c '
import json, sys, urllib.request
calls = json.load(urllib.request.urlopen(sys.argv[1] + "/_simulator/calls"))
calls = calls.get("calls", calls) if isinstance(calls, dict) else calls
print(sum(call["endpoint"] in ("token", "stable_token", "getticket") for call in calls))' "$wechat"
}

# The token and both tickets.
tries=0
until [ "$(fetches)" -eq 3 ]; do
    tries=$((tries + 1))
    [ "$tries" -le 100 ] || { echo "The broker has not fetched what it keeps:" >&2; cat "$dir/broker.log" >&2; exit 1; }
    sleep 0.1
done

before=$(fetches)
"$bin/token-broker" openapi >"$dir/openapi.json"
"$venv/bin/openapi-spec-validator" "$dir/openapi.json"
# It leaves what it found where it was started.
cd "$dir"
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
