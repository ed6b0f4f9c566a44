#!/usr/bin/env bash
# checkov, in an environment of its own in .cache (git ignores it): it pins versions of boto3 and
# others that the project's environment must not have.
#
#   scripts/checkov.sh --directory terraform --framework terraform     any arguments of checkov
#   scripts/checkov.sh --install                                       only make the environment
#
# It asks nothing of the network but the package registry, once. Versions are in
# scripts/checkov/requirements.txt, written from requirements.in:
#   uv pip compile scripts/checkov/requirements.in --universal --python-version 3.11 --no-header \
#     --no-annotate -o scripts/checkov/requirements.txt
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
lock=$root/scripts/checkov/requirements.txt
home=$root/.cache/checkov

install() {
  local python=$home/bin/python
  rm -rf "$home"
  mkdir -p "$root/.cache"
  "${PYTHON:-python3}" -m venv "$home"
  if [ -x "$root/.venv/bin/uv" ] && "$root/.venv/bin/uv" pip install --quiet --python "$python" -r "$lock"; then
    :
  else # uv does not read pip's configuration
    "$python" -m pip install --quiet --disable-pip-version-check -r "$lock"
  fi
  cp "$lock" "$home/installed.txt" # last: a stamp means that everything is there
}

mkdir -p "$root/.cache"
exec 9>"$root/.cache/checkov.lock" # two test workers may want it at once
flock 9
cmp -s "$lock" "$home/installed.txt" || install
flock -u 9

if [ "${1:-}" = --install ]; then exit 0; fi
exec env -u AWS_CA_BUNDLE LOG_LEVEL=ERROR "$home/bin/checkov" --skip-download "$@" 9>&-
