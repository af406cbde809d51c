#!/bin/sh
# Runs a test binary until its first test fails: libtest would go on, and what was changed may have made every test slow.
set -eu

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
mkfifo "$directory/lines"
"$@" >"$directory/lines" 2>&1 &
tests=$!
while IFS= read -r line; do
    printf '%s\n' "$line"
    case $line in
    "test "*" ... FAILED")
        kill "$tests"
        exit 101
        ;;
    esac
done <"$directory/lines"
wait "$tests"
