#!/bin/sh
# Installs Snowmelt into a folder of its own, the way that the image is made: the Dockerfile runs this
# and nothing else, and so do the tests, which have no container engine.
#
#   deploy/install.sh libraries /opt/snowmelt    what it needs, by the hashes of requirements.txt
#   deploy/install.sh program /opt/snowmelt      itself, built from this folder, without the network
#
# Two steps, because libraries change seldom and are a layer of their own. Afterwards nothing in the
# folder is written to: modules are compiled here, and tools are left behind (TOOLS, default
# /tmp/snowmelt-tools).
set -eu

step=$1
prefix=$2
here=$(cd "$(dirname "$0")" && pwd)
tools=${TOOLS:-/tmp/snowmelt-tools}
python=${PYTHON:-python3}
pip=${PIP:-$python -m pip}
export UV_LINK_MODE="${UV_LINK_MODE:-copy}" UV_PYTHON_DOWNLOADS=never

get_tools() {
  [ -x "$tools/bin/uv" ] && return
  "$python" -m venv --without-pip "$tools"
  with_pip "$tools" -r "$here/build-requirements.txt"
}

with_pip() {
  into=$1
  shift
  $pip --python "$into/bin/python" install --quiet --disable-pip-version-check \
    --no-cache-dir --no-deps --require-hashes --only-binary :all: "$@"
}

# uv does not read pip's configuration; behind a mirror known only to pip, pip does the work.
libraries() {
  "$python" -m venv --without-pip "$prefix"
  "$tools/bin/uv" pip install --quiet --python "$prefix/bin/python" --no-deps --require-hashes \
    --no-build -r "$here/requirements.txt" ||
    with_pip "$prefix" -r "$here/requirements.txt"
  trim
  compile "$prefix"/lib/python3*/site-packages
}

# What Arrow has for programs that are compiled against it, and its remote procedure calls.
trim() {
  for library in "$prefix"/lib/python3*/site-packages/pyarrow; do
    rm -rf "$library/include" "$library/src" "$library/tests"
    rm -f "$library"/*.p[xy][dxi] "$library"/libarrow_flight.* "$library"/libarrow_python_flight.* \
      "$library"/_flight.*
  done
}

program() {
  source=$(dirname "$here")
  wheels=$(mktemp -d)
  (cd "$source" && "$tools/bin/python" -m hatchling build -t wheel -d "$wheels" >/dev/null)
  "$tools/bin/uv" pip install --quiet --offline --python "$prefix/bin/python" --no-deps "$wheels"/*.whl
  rm -r "$wheels"
  for package in cdc snapshotter restorer snowmelt; do
    compile "$prefix"/lib/python3*/site-packages/$package
  done
}

# The folder is read-only later, and each start would compile anew.
compile() {
  "$prefix/bin/python" -m compileall -q -j 0 "$1"
}

get_tools
case $step in
libraries) libraries ;;
program) program ;;
*)
  echo "install.sh: $step is no step; say libraries or program" >&2
  exit 2
  ;;
esac
