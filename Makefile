# `make help` lists the targets. They need Python 3.11 or later and nothing else; uv is used where it is installed.
# Everything goes into .venv and, with npm, some peers of the tests into tests/peers/node_modules.

VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)

# The stores of bytecode are filled as modules are first used: compiling all of it takes longer than starting.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --no-compile --no-deps
UV_PIP = $(UV) pip install --quiet --python $(BIN)/python --no-deps
INSTALL = $(if $(UV),$(UV_PIP),$(PIP))

PEERS := $(if $(shell command -v npm 2>/dev/null),tests/peers/node_modules/.installed)

# A Python that may not store bytecode compiles every module at every start: that doubles what starting the tests costs.
unexport PYTHONDONTWRITEBYTECODE

# Two processes: each of them runs its own PostgreSQL, and more of them would only wait for each other on two cores.
# Modules run in the order of their paths, not in that of their number of tests: the few long tests of the acceptance
# suite come first, those that share a service follow each other, and the short modules of tests/unit fill the end.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test unit contract acceptance coverage fuzz check fix bench clean
.DELETE_ON_ERROR:

# A target with a `##` comment is listed; text in brackets names the variables that it reads.
help: ## list the targets
	@awk -F ' ## ' '/^[a-z-]+:.* ## / { split($$1, t, ":"); printf "  make %-11s %s\n", t[1], $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(VENV)/.dev $(PEERS) ## install the service, its development tools and the peers of the tests

demo: $(VENV)/.runtime ## run the demo until Ctrl-C [ONCE=1: end when every delivery has been verified; JSON=1]
	@$(BIN)/hookward demo $(if $(ONCE),--once) $(if $(JSON),--json)

serve: $(VENV)/.runtime ## run the whole service, data in .hookward [CONFIG=file]
	@$(BIN)/hookward serve $(if $(CONFIG),--config $(CONFIG))

test: $(VENV)/.dev $(PEERS) ## run all tests [ARGS=…: only these, with pytest's options]
	$(PYTEST) $(ARGS)

unit: $(VENV)/.dev ## run the unit tests: rules and use cases on fakes and virtual time [ARGS]
	$(PYTEST) tests/unit $(ARGS)

contract: $(VENV)/.dev ## run the tests on real PostgreSQL and Valkey [POSTGRES=18|16|all; ARGS]
	$(PYTEST) tests/contract --postgres=$(or $(POSTGRES),18) $(ARGS)

acceptance: $(VENV)/.dev $(PEERS) ## run the tests of commands and the api, and those of single adapters [ARGS]
	$(PYTEST) tests/acceptance tests/integration $(ARGS)

# Counted with the unit tests alone, and apart from them: it doubles what a test costs.
coverage: $(VENV)/.dev ## run the unit tests and refuse less than 100 % of the branches of domain and application
	$(PYTEST) tests/unit --cov=hookward.domain --cov=hookward.application --cov-report=term-missing:skip-covered \
	  --cov-fail-under=100

fuzz: $(VENV)/.dev ## send generated requests: no 5xx, no response that OpenAPI does not describe [CASES=20000]
	$(BIN)/python -m pytest -s tests/acceptance/test_fuzz.py --fuzz-cases $(or $(CASES),20000)

check: $(VENV)/.dev ## check format, lint, types, import contracts, words and lock files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@git ls-files -z | $(BIN)/python tools/wordlist.py || { echo 'a word that is always wrong'; exit 1; }
	@! grep -nE '://|@ file' requirements*.lock || { echo 'a lock file names where it came from'; exit 1; }
	@! git grep -nE -e '--([e]xtra-|[d]efault-)?[i]ndex(-url)?[ =]' -e '--[f]ind-links' -e '[t]ool\.uv\.index' \
	  -e '(PIP|UV)_([A-Z]+_)?[I]NDEX' || \
	  { echo 'a committed file names a package index'; exit 1; }

fix: $(VENV)/.dev ## format, and fix what the linter can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev ## measure throughput, latency and memory [ARGS=--quick]
	$(BIN)/python -m benchmarks $(ARGS)

clean: ## remove what the targets made, but no data
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage build dist

# A Python that works and is new enough: the name alone proves nothing (version managers leave stubs on the path).
$(BIN)/python:
	@for python in $(PYTHON) python3.14 python3.13 python3.12 python3.11 python3 python; do \
	  if $$python -c 'import sys, venv$(if $(UV),,$(COMMA) ensurepip); sys.exit(not (3, 11) <= sys.version_info < (3, 15))' \
	    2>/dev/null; then \
	    echo "making $(VENV) with $$($$python --version)$(if $(UV), and uv)"; \
	    $(if $(UV),$(UV) venv --quiet --clear --python "$$(command -v $$python)" $(VENV),$$python -m venv --clear $(VENV)); \
	    exit $$?; \
	  fi; \
	done; \
	echo 'no Python from 3.11 to 3.14 with venv and ensurepip on the path; name one: make PYTHON=…' >&2; exit 1

# Later locks are installed over earlier ones; .dev holds all of .runtime.
$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/python
	@echo 'installing what the service needs'
	@$(INSTALL) --require-hashes -r requirements.lock
	@$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo 'installing what the service and its development need'
	@$(INSTALL) --require-hashes -r requirements-dev.lock
	@$(INSTALL) --no-build-isolation --editable .
	@touch $(VENV)/.runtime $@

# What the tests check us against that is not in Python; where there is no npm, those tests say that they are skipped.
tests/peers/node_modules/.installed: tests/peers/package.json tests/peers/package-lock.json
	@cd tests/peers && npm ci --silent
	@touch $@

COMMA := ,
