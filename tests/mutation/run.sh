#!/bin/sh
# Changes the Rust code in every small way (cargo-mutants) and tells which changes no test finds:
#
#     tests/mutation/run.sh domain [FILE...]      the rules
#     tests/mutation/run.sh flow [FILE...]        the flow that writes: refresher, follower, scheduler
#     tests/mutation/run.sh stores [FILE...]      what is stored, and how: record, seal, embedded store, Redis
#     tests/mutation/run.sh whole FILE...         anything else, for example src/http/callers.rs, with the whole crate
#
# The first three are laid out as a package of their own, which builds in seconds. What outlives a first round meets what
# takes longer: the model for the domain, whose first round is its own tests and the histories of the differential
# test; the simulation for the flow; for the stores, the differential test itself, and failovers. What outlives all has
# to be explained in explained.txt. Outcomes are in target/mutation/*/mutants.out. It runs for hours: let it have what
# nobody else wants.
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

# Whatever cargo starts, it starts by this.
host=$(rustc --version --verbose | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
export "CARGO_TARGET_${host}_RUNNER=$PWD/tests/mutation/until-first-failure.sh"

# A package optimised to this level, its dependencies to that one, with these modules of src, and nothing else yet.
begin_package() {
    level=$1
    of_dependencies=$2
    shift 2
    rm -rf "$alone/src" "$alone/tests" "$alone/mutants.out" "$alone/mutants.out.old"
    mkdir -p "$alone/src" "$alone/tests"
    cp Cargo.lock "$alone/"
    : >"$alone/src/lib.rs"
    for module in "$@"; do
        [ ! -d "src/$module" ] || cp -R "src/$module" "$alone/src/"
        [ ! -f "src/$module.rs" ] || cp "src/$module.rs" "$alone/src/"
        echo "pub mod $module;" >>"$alone/src/lib.rs"
    done
    cat >"$alone/Cargo.toml" <<EOF
[package]
name = "token-broker"
version = "0.0.0"
edition = "2024"
autotests = false
[lib]
doctest = false
[workspace]
[profile.dev]
debug = false
opt-level = $level
[profile.dev.package."*"]
opt-level = $of_dependencies
EOF
}

test_binary() {
    printf '[[test]]\nname = "%s"\npath = "tests/%s/main.rs"\n' "$1" "$1" >>"$alone/Cargo.toml"
}

# Those of these names from a section of Cargo.toml.
take() {
    section=$1
    shift
    echo "[$section]" >>"$alone/Cargo.toml"
    for name in "$@"; do
        sed -n "/^\[$section\]/,/^\[/{/^$name = /p}" Cargo.toml >>"$alone/Cargo.toml"
    done
}

# The domain imports nothing of ours, and so do its tests and the model.
lay_out_domain() {
    begin_package 0 2 domain
    rm -f "$alone/histories-came-to"
    mkdir "$alone/tests/histories"
    cp -R tests/model "$alone/tests/"
    cp tests/mutation/histories.rs "$alone/tests/histories/main.rs"
    cp tests/it/store/sample/protocol.rs "$alone/tests/histories/sample.rs"
    for file in course history past scenes steps; do
        cp "tests/it/store/$file.rs" "$alone/tests/histories/"
    done
    test_binary histories
    test_binary model
    take dependencies foldhash thiserror
    take dev-dependencies proptest
}

# What runs the rules, and the simulation of it. Of what the process counts, requests are left out: they are counted by
# words of the HTTP interface.
lay_out_flow() {
    begin_package 1 2 app_secrets broker domain fingerprint follower metrics overview ports refresher scheduler snapshot
    echo 'pub mod traces { pub const TARGET: &str = "traces"; }' >>"$alone/src/lib.rs"
    rm "$alone/src/metrics/http.rs"
    sed -i -e '/What the HTTP interface counts/,/^    }$/d' -e '/[Hh]ttp/d' "$alone/src/metrics/mod.rs"
    cp -R tests/simulation "$alone/tests/"
    test_binary simulation
    take dependencies arc-swap async-trait boxcar bytes foldhash futures-util prometheus secrecy sha2 smol_str subtle \
        thiserror tokio tokio-util tracing tracing-subscriber url
    take dev-dependencies tokio
}

# What starts a broker, or changes scripts, stays behind.
lay_out_stores() {
    begin_package 1 0 adapters domain key ports redis_url sealing
    rm -r "$alone/src/adapters/wechat"
    sed -i '/wechat/d' "$alone/src/adapters/mod.rs"
    mkdir "$alone/tests/stores"
    cp -R tests/it/store tests/it/support "$alone/tests/stores/"
    sed -i -E '/^mod (security|mutants?|replay);/d' "$alone/tests/stores/store/mod.rs"
    {
        printf '#![allow(dead_code)]\nmod store;\nmod support {\n'
        printf 'pub(crate) mod %s;\n' certificates cluster places redis sentinel stalls timed
        echo '}'
    } >"$alone/tests/stores/main.rs"
    test_binary stores
    take dependencies actix-web async-trait base64 bytes chacha20poly1305 deadpool foldhash futures-util getrandom hex \
        percent-encoding rand redb redis rustix rustls secrecy serde serde_json sha2 smol_str subtle thiserror tokio \
        tokio-util tracing url zeroize
    take dev-dependencies proptest rcgen rustix tempfile tokio
}

mutate() {
    # 2: some were missed, 3: some hung. The lists say which.
    cargo mutants --dir "$alone" --output "$alone" --in-place --no-shuffle --colors never "$@" || [ $? -le 3 ]
}

# Whatever no test found out, one a line without its place: `file: function: change`. A test that hangs has found it out.
survivors() {
    sed -E '
        s/^([^:]*):[0-9]+:[0-9]+: (.*) in (<.*>::[^ ]+|[^ ]+)$/\1: \3: \2/
        t
        s/^([^:]*):[0-9]+:[0-9]+: replace (.*) with (.*)$/\1: \2: replace with \3/' "$alone/mutants.out/missed.txt" | sort
}

# Those that explained.txt has of the files that were tried, without their reasons; one line speaks for one survivor.
explained() {
    grep -E "^$examined" tests/mutation/explained.txt | awk -F ': ' -v tried="$tried" '
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
    examined=src/domain/
    unset CARGO_TARGET_DIR
    lay_out_domain
    (cd "$alone" && cargo test --quiet --test histories)
    # What follows a `--` is left away when the tests are built: all of them would be, for each mutant.
    mutate --timeout 20 "$@" --cargo-arg=--lib --cargo-arg=--test=histories
    mutate --timeout 300 "$@" --iterate --cargo-arg=--test=model
    compare
    ;;
flow)
    alone=$target/mutation/flow
    examined='src/(refresher|follower|scheduler)'
    unset CARGO_TARGET_DIR
    lay_out_flow
    [ $# -gt 0 ] || set -- --file 'src/refresher/**' --file src/follower.rs --file src/scheduler.rs --file 'src/scheduler/**'
    mutate --timeout 20 "$@" --cargo-arg=--lib
    mutate --timeout 120 "$@" --iterate
    compare
    ;;
stores)
    alone=$target/mutation/stores
    examined='src/adapters/'
    unset CARGO_TARGET_DIR
    lay_out_stores
    [ $# -gt 0 ] || set -- --file 'src/adapters/record*' --file 'src/adapters/sealed*' --file 'src/adapters/record/**' \
        --file 'src/adapters/sealed/**' --file 'src/adapters/embedded/**' --file 'src/adapters/redis/**'
    mutate --timeout 120 "$@" -- -- --skip a_hundred_thousand --skip equivalence --skip failover --skip everywhere \
        --skip falls_silent
    mutate --timeout 300 "$@" --iterate
    compare
    ;;
whole)
    TIMED_RUNS=1 CARGO_TARGET_DIR=$target/mutation/whole cargo mutants --output "$target/mutation" --no-shuffle --colors never "$@" || [ $? -le 3 ]
    ;;
*)
    echo "run.sh domain|flow|stores [FILE...] or run.sh whole FILE..." >&2
    exit 64
    ;;
esac
