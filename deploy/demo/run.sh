#!/bin/sh
# Starts a simulated WeChat and one broker on the embedded store, prints what to try, and stops both on
# Ctrl-C. Everything it makes, the caller's key included, lives in a directory that goes with it.
set -eu

# shellcheck source=deploy/demo/pair.sh
. "$(dirname "$0")/pair.sh"
trap 'stop; exit 0' INT TERM

api=${DEMO_LISTEN:-127.0.0.1:8080}
ops=${DEMO_OPS_LISTEN:-127.0.0.1:9090}
start_wechat --listen "${DEMO_WECHAT:-127.0.0.1:9680}" \
    --app wx0000000000000001=demo-secret-one --app wx0000000000000002=demo-secret-two
make_caller demo
configure "$api" "$ops" <<TOML
[[apps]]
appid = "wx0000000000000001"
secret = "demo-secret-one"

[[apps]]
appid = "wx0000000000000002"
secret = "demo-secret-two"
mode = "stable"
TOML
"$bin/token-broker" serve --config "$dir/broker.toml" &
broker=$!

tries=0
until "$bin/token-broker" healthcheck --ready --config "$dir/broker.toml" 2>/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -gt 100 ] || ! kill -0 "$broker" 2>/dev/null || ! kill -0 "$simulator" 2>/dev/null; then
        echo "The demo did not start. The simulator said:" >&2
        cat "$dir/simulator.log" >&2
        exit 1
    fi
    sleep 0.1
done

cat <<TEXT

The broker serves two apps of a simulated WeChat. Try:

  export KEY=$key
  curl -H "Authorization: Bearer \$KEY" http://$api/token/wx0000000000000001
  curl -H "Authorization: Bearer \$KEY" http://$api/token/wx0000000000000002
  curl -H "Authorization: Bearer \$KEY" http://$api/apps
  curl http://$ops/metrics

In a browser: http://$ops/ is the status page, http://$api/docs/ the interface.

Somebody else fetches with the app's secret, and your token dies within five minutes; report it:

  curl -X POST '$wechat/_simulator/foreign_fetch?appid=wx0000000000000001'
  curl $wechat/_simulator/state

Ctrl-C stops both.
TEXT
wait "$broker"
