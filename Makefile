# Everything starts here: `make demo`, `make serve`, `make test`. Needs Python 3.11 with venv, and make.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export ORT_DISABLE_TELEMETRY := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install serve demo test check fast lint format lock clean

help:
	@grep -E '^## ' Makefile | sed 's/^## //'

.stamps/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version)."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "The venv module is missing. On Debian: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@mkdir -p .stamps && touch $@

.stamps/install: .stamps/venv requirements.txt pyproject.toml
	$(BIN)/pip install --quiet --require-hashes -r requirements.txt
	$(BIN)/pip install --quiet --no-deps --editable .
	@touch $@

.stamps/dev: .stamps/install requirements-dev.txt
	$(BIN)/pip install --quiet --require-hashes -r requirements-dev.txt
	@touch $@

## make install   build .venv with everything that serving needs; .venv/bin/workbench is the command line
install: .stamps/install

## make serve     start the web server and one worker on http://127.0.0.1:8000
serve: install
	$(BIN)/workbench serve

## make demo      the same, with the example optimized from start to end
demo: install
	$(BIN)/workbench demo

## make check     format, lint, types, import layers, fast tests (under a minute)
check: .stamps/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q -n 2 -m "not slow"

## make test      install what the tests need and run all of them
test: .stamps/dev system-packages check
	$(BIN)/pytest -q -m slow

.PHONY: system-packages
system-packages:
	@missing=""; command -v chromium >/dev/null || missing="chromium"; \
	/sbin/ldconfig -p | grep -q 'libatomic\.so\.1 ' || missing="$$missing libatomic1"; \
	if [ -n "$$missing" ]; then echo "Installing for the browser tests: $$missing"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi

## make lock      refresh requirements*.txt (maintainers; needs uv)
lock:
	$(BIN)/uv pip compile pyproject.toml --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url -o requirements.txt
	$(BIN)/uv pip compile pyproject.toml --group dev --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url -o requirements-dev.txt

## make vendor    refresh the browser files named in static/vendor/manifest.json (maintainers; needs npm)
.PHONY: vendor
vendor:
	$(PYTHON) scripts/vendor.py

clean:
	rm -rf $(VENV) .stamps .mypy_cache .ruff_cache .pytest_cache
