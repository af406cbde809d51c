#!/bin/sh
# Alertmanager's configuration: read by amtool, routed as meant, and delivered through a real Alertmanager.
set -eu
cd "$(dirname "$0")/../alertmanager"
amtool check-config alertmanager.yml wecom-app.yml
routes() { amtool config routes test --config.file=alertmanager.yml "$@"; }
test "$(routes severity=page alertname=TokenBrokerNoLiveGrant)" = pages
test "$(routes severity=ticket alertname=TokenBrokerPanics)" = tickets
exec python3 ../checks/robots.py
