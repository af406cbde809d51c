#!/bin/sh
# Changes the Rust code in every small way (cargo-mutants) and tells which changes no test finds:
#
#     tests/mutation/run.sh domain [FILE...]      the rules; in a package of their own, which builds in seconds
#     tests/mutation/run.sh whole FILE...         anything else, for example src/refresher/*.rs, with the whole crate
#
# The first round of the domain is its own tests and the histories of the differential test; what outlives it meets the
# model. What outlives that too has to be explained in explained.txt. Outcomes are in target/mutation/*/mutants.out. It
# runs for hours: let it have what nobody else wants.
set -eu

cd "$(dirname "$0")/../.."
part=$1
shift
tried=$*
for file in "$@"; do
    shift
    set -- "$@" --file "$file"
done
target=${CARGO_TARGET_DIR:-$PWD/target}
version=27.0.0
tools=$target/tools
PATH=$tools/bin:$PATH

cargo mutants --version 2>/dev/null | grep -qx "cargo-mutants $version" ||
    cargo install --quiet --locked --root "$tools" --version "$version" cargo-mutants

dependency() {
    sed -n "/^$1 = /p" Cargo.toml
}

# The domain imports nothing of ours, and so do its tests and the model.
lay_out() {
    rm -rf "$alone/src" "$alone/tests" "$alone/histories-came-to"
    mkdir -p "$alone/src" "$alone/tests/histories"
    cp -R src/domain "$alone/src/"
    cp -R tests/model "$alone/tests/"
    cp tests/mutation/histories.rs "$alone/tests/histories/main.rs"
    cp tests/it/store/sample/protocol.rs "$alone/tests/histories/sample.rs"
    for file in course history past scenes steps; do
        cp "tests/it/store/$file.rs" "$alone/tests/histories/"
    done
    cp Cargo.lock "$alone/"
    echo 'pub mod domain;' >"$alone/src/lib.rs"
    cat >"$alone/Cargo.toml" <<EOF
[package]
name = "token-broker"
version = "0.0.0"
edition = "2024"
autotests = false
[lib]
doctest = false
[[test]]
name = "histories"
path = "tests/histories/main.rs"
[[test]]
name = "model"
path = "tests/model/main.rs"
[dependencies]
$(dependency thiserror)
[dev-dependencies]
$(dependency foldhash)
$(dependency proptest)
[profile.dev]
debug = false
[profile.dev.package."*"]
opt-level = 2
[workspace]
EOF
}

mutate() {
    # 2: some were missed, 3: some hung. The list says which.
    cargo mutants --dir "$alone" --output "$alone" --in-place --no-shuffle --colors never "$@" || [ $? -le 3 ]
}

# Whatever no test found out, one a line without its place: `file: function: change`.
survivors() {
    cat "$alone/mutants.out/missed.txt" "$alone/mutants.out/timeout.txt" | sed -E '
        s/^([^:]*):[0-9]+:[0-9]+: (.*) in (<.*>::[^ ]+|[^ ]+)$/\1: \3: \2/
        t
        s/^([^:]*):[0-9]+:[0-9]+: replace (.*) with (.*)$/\1: \2: replace with \3/' | sort
}

# Those that explained.txt has of the files that were tried, without their reasons; one line speaks for one survivor.
explained() {
    sed -n '/^src/p' tests/mutation/explained.txt | awk -F ': ' -v tried="$tried" '
        tried == "" || index(" " tried " ", " " $1 " ") { print $1 ": " $2 ": " $3 }' | sort
}

tell() {
    [ ! -s "$2" ] || { echo "$1" && sed 's/^/    /' "$2"; } >&2
}

compare() {
    survivors >"$alone/survivors"
    explained >"$alone/explained"
    comm -23 "$alone/survivors" "$alone/explained" >"$alone/unexplained"
    comm -13 "$alone/survivors" "$alone/explained" >"$alone/useless"
    tell "No test finds these out, and nothing explains them:" "$alone/unexplained"
    tell "These have no survivor any more; take them out of tests/mutation/explained.txt:" "$alone/useless"
    [ ! -s "$alone/unexplained" ] && [ ! -s "$alone/useless" ]
}

case $part in
domain)
    alone=$target/mutation/domain
    unset CARGO_TARGET_DIR
    lay_out
    rm -rf "$alone/mutants.out" "$alone/mutants.out.old"
    (cd "$alone" && cargo test --quiet --test histories)
    # What follows a `--` is left away when the tests are built: all of them would be, for each mutant.
    mutate --timeout 20 "$@" --cargo-arg=--lib --cargo-arg=--test=histories
    mutate --timeout 300 "$@" --iterate --cargo-arg=--test=model
    compare
    ;;
whole)
    TIMED_RUNS=1 CARGO_TARGET_DIR=$target/mutation/whole cargo mutants --output "$target/mutation" --no-shuffle --colors never "$@" || [ $? -le 3 ]
    ;;
*)
    echo "run.sh domain [FILE...] or run.sh whole FILE..." >&2
    exit 64
    ;;
esac
