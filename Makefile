# Gridward. `make` alone lists what can be made.
#
# The first run sets everything up: system packages by apt where they are missing, Python packages in
# .venv, web assets in node_modules. Later runs only look whether anything changed.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

DEMO := .gridward/demo/dataset.toml

# What one may change: make demo DATA=mine/dataset.toml PORT=9000
PYTHON ?= python3
DATA ?= $(DEMO)
OUT ?= out
PORT ?= 8000
SERVE ?= 1
TESTS ?= tests
WORKERS ?= auto

BIN := .venv/bin
PACKAGES := .venv/.installed
PEERS := .venv/.peers
ASSETS := node_modules/.installed

# A .venv that is broken (a moved folder, an interpreter that is gone) counts as not made.
ifeq ($(shell $(BIN)/python -c 'print("sound")' 2>/dev/null),)
.PHONY: $(PACKAGES)
endif

## Use

.PHONY: demo
demo: setup $(if $(filter $(DEMO),$(DATA)),$(DEMO)) ## The whole way on a made-up city, then the map (SERVE=0: no server; DATA=, PORT=, OUT=)
	$(BIN)/gridward run "$(DATA)" --out "$(OUT)"
ifneq ($(SERVE),0)
	$(BIN)/gridward serve --port $(PORT)
endif

.PHONY: serve
serve: setup ## The map and the spatial API of what is loaded (PORT=)
	$(BIN)/gridward serve --port $(PORT)

.PHONY: setup
setup: system $(PACKAGES) $(ASSETS) ## Everything that demo and serve need

## Check

.PHONY: test
test: setup browser ## The tests (TESTS=tests/geodata to choose; WORKERS=0 for one process)
	$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile $(TESTS)

.PHONY: lint
lint: ruff mypy imports ## Every static check

.PHONY: ruff
ruff: $(PACKAGES) ## Style and likely mistakes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: mypy
mypy: $(PACKAGES) ## Types
	$(BIN)/mypy

.PHONY: imports
imports: $(PACKAGES) ## Imports point down only
	$(BIN)/lint-imports

.PHONY: bench
bench: setup $(PEERS) ## Measure, side by side with peers (BENCH=name to choose)
	$(BIN)/python -m benchmarks $(BENCH)

## Tend

.PHONY: picture
picture: setup browser ## The README's picture, of the map in OUT (SEARCH= opens a grid)
	$(BIN)/python scripts/picture.py "$(OUT)/coverage.html" docs/images/coverage.png \
	  $(if $(SEARCH),--search "$(SEARCH)")

.PHONY: pictures
pictures: $(PACKAGES) ## The pictures of docs/delineation.md
	$(BIN)/python -m benchmarks._pictures

.PHONY: lock
lock: $(PACKAGES) ## Pin the newest Python packages that pyproject.toml allows
	$(BIN)/pip install --quiet uv
	scripts/lock.sh $(BIN)/uv

.PHONY: clean
clean: ## Remove all that was installed or made, but not the data in .gridward
	@if [ -x $(BIN)/gridward ]; then env -u GRIDWARD_DATABASE_URL $(BIN)/gridward db stop || true; fi
	rm -rf .venv node_modules out build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache \
	  .hypothesis .import_linter_cache
	find geodata service tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: clean-data
clean-data: ## Remove Gridward's own database and the made-up city
	@if [ -x $(BIN)/gridward ]; then env -u GRIDWARD_DATABASE_URL $(BIN)/gridward db stop; fi
	rm -rf .gridward

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^## / { printf "\n%s\n", substr($$0, 4) } \
	  /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Made on the way

# An address in GRIDWARD_DATABASE_URL stands for a server of one's own.
.PHONY: system
system:
	@PYTHON="$(PYTHON)" scripts/system-packages.sh python \
	  $$([ -n "$${GRIDWARD_DATABASE_URL:-}" ] || echo postgis)

.PHONY: browser
browser: system
	@PYTHON="$(PYTHON)" scripts/system-packages.sh postgis browser driver

$(PACKAGES): requirements.lock pyproject.toml | system
	@$(BIN)/python -c '' 2>/dev/null || { rm -rf .venv && "$(PYTHON)" -m venv .venv; }
	@echo "Installing the Python packages of requirements.lock into .venv"
	@$(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check --require-hashes \
	  --requirement requirements.lock
	@PYTHONWARNINGS="ignore:Editable installation" \
	  $(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check --no-deps \
	  --no-build-isolation --editable .
	@touch $@

$(PEERS): requirements-bench.lock $(PACKAGES)
	@$(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check --require-hashes \
	  --no-deps --requirement requirements-bench.lock
	@touch $@

$(ASSETS): package.json package-lock.json .npmrc | $(PACKAGES)
	@echo "Installing the web assets of package-lock.json into node_modules"
	@$(BIN)/npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier \
	  --loglevel=error
	@touch $@

# dataset.toml comes last, so half of a city has none and is made again.
$(DEMO): | $(PACKAGES)
	@rm -rf $(@D)
	$(BIN)/gridward sample city -o $(@D) --seed 7
