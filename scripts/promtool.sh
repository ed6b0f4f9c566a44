#!/usr/bin/env bash
# Fetch promtool, which tests the alert rules, into .cache (git ignores it). It comes out of Debian's
# package `prometheus`, which is not installed: that would start a server.
#
# Where there is no apt this prints the reason and ends 0; the tests then skip, except in CI.
set -euo pipefail

cd "$(dirname "$0")/.."
home=$PWD/.cache/promtool

if [ -x "$home/promtool" ]; then exit 0; fi
# Prometheus 3 takes one sample less into a window, which is a minute in the tests.
if promtool --version 2>/dev/null | grep -q 'version 2\.'; then exit 0; fi
going_on() {
  echo "promtool: $1; tests of the alert rules will not run" >&2
  exit 0
}
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || going_on "no apt here"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder" # apt fetches as a user of its own
echo "promtool: fetching the package prometheus"
fetch() { (cd "$folder" && apt-get download -qq prometheus >/dev/null); }
fetch 2>/dev/null || {
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo -n)
  "${as_root[@]}" apt-get update -qq || going_on "apt-get update failed"
  fetch || going_on "apt-get download failed"
}
mkdir -p "$home"
dpkg-deb --fsys-tarfile "$folder"/prometheus_*.deb | tar -xO ./usr/bin/promtool >"$folder/promtool"
chmod 755 "$folder/promtool"
"$folder/promtool" --version >/dev/null || going_on "what was fetched does not run"
mv "$folder/promtool" "$home/promtool" # last: a file that is there is whole
