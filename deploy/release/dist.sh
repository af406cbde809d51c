#!/bin/sh
# Makes a release in target/dist: a tarball and a Debian package for this machine's kind, the bill of materials, and
# their checksums. The same commit gives the same tarball again, but for the bill's serial number.
# TOKEN_BROKER_BIN names a folder with a binary that was built before.
set -eu

cd "$(dirname "$0")/../.."
version=$(make --silent version)
name=token-broker-$version-$(uname -m)-$(uname -s | tr '[:upper:]' '[:lower:]')
stage=target/package
dist=target/dist
tools=${CARGO_TARGET_DIR:-target}/tools
bin=${TOKEN_BROKER_BIN:-${CARGO_TARGET_DIR:-target}/release}
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
PATH=$tools/bin:$PATH

# Built from source where they are missing: some minutes, once.
cargo install --quiet --locked --root "$tools" cargo-cyclonedx@0.5.9 cargo-deb@3.8.0
[ -n "${TOKEN_BROKER_BIN:-}" ] || cargo build --release --locked --bin token-broker
[ "$("$bin/token-broker" --version)" = "token-broker $version" ] || {
    echo "$bin/token-broker is not version $version: build it anew" >&2
    exit 1
}

rm -rf "$stage" "$dist"
mkdir -p "$stage/completions" "$stage/docs" "$dist"
cp "$bin/token-broker" README.md README.zh-CN.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$stage/"
cp docs/*.md "$stage/docs/"
cp -R docs/adr docs/runbooks "$stage/docs/"
cp -R deploy/systemd "$stage/"
"$bin/token-broker" check-config --print-default >"$stage/token-broker.toml"
for shell in bash fish zsh; do
    "$bin/token-broker" completions "$shell" >"$stage/completions/token-broker.$shell"
done
python3 deploy/release/licences.py >"$stage/LICENSES-THIRD-PARTY"

# What is linked into it, neither what builds nor what tests it. Where it was built is nobody's business.
bill="bill-of-materials.cdx"
cargo cyclonedx -qq --format json --spec-version 1.5 --no-build-deps --override-filename "$bill"
sed "s#file://$PWD#file://#g" "$bill.json" >"$stage/$bill.json"
rm -f "$bill.json" "tests/simulator/$bill.json"

chmod -R u=rwX,go=rX "$stage"
tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --transform "s#^\\.#$name#" \
    -C "$stage" -cf - . | gzip -9n >"$dist/$name.tar.gz"
cargo deb --quiet --no-build --no-strip --package token-broker --output "$dist/"
cp "$stage/$bill.json" "$dist/token-broker-$version.cdx.json"
(cd "$dist" && sha256sum -- * >SHA256SUMS && cat SHA256SUMS)
