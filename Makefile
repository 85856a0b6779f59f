# make demo           everything at work on this machine; Ctrl-C ends it
# make demo ONCE=1    the same, but ends by itself: exit status 0 only if every delivery arrived and verified
# make serve          the whole service, data in .hookward
# make test, check, bench
# make fuzz           20,000 made-up requests: no 5xx, no answer that the OpenAPI document does not have; CASES=… others
#
# Needs Python 3.11 or later and nothing else; uses uv where it is. All goes into .venv, and with npm some of the
# tests' peers into tests/peers/node_modules.

VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)

# The stores of bytecode are filled as modules are first used: compiling all of it takes longer than starting.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --no-compile --no-deps
UV_PIP = $(UV) pip install --quiet --python $(BIN)/python --no-deps
INSTALL = $(if $(UV),$(UV_PIP),$(PIP))

PEERS := $(if $(shell command -v npm 2>/dev/null),tests/peers/node_modules/.installed)

# What the unit tests have to cover is counted with them alone: it doubles what a test costs.
PYTEST := $(BIN)/python -m pytest -n 4 --dist loadfile

.PHONY: setup demo serve test fuzz check bench clean
.DELETE_ON_ERROR:

setup: $(VENV)/.dev $(PEERS)

demo: $(VENV)/.runtime
	@$(BIN)/hookward demo $(if $(ONCE),--once) $(if $(JSON),--json)

serve: $(VENV)/.runtime
	@$(BIN)/hookward serve $(if $(CONFIG),--config $(CONFIG))

test: $(VENV)/.dev $(PEERS)
	$(if $(ARGS),$(PYTEST) $(ARGS),$(PYTEST) tests/unit --cov=hookward.domain --cov=hookward.application \
	  --cov-report=term-missing:skip-covered --cov-fail-under=100)
	$(if $(ARGS),,$(PYTEST) --ignore=tests/unit)

fuzz: $(VENV)/.dev
	$(BIN)/python -m pytest -s tests/acceptance/test_fuzz.py --fuzz-cases $(or $(CASES),20000)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@! grep -nE '://|@ file' requirements*.lock || { echo 'a lock file names where it came from'; exit 1; }
	@! git grep -nE -e '--([e]xtra-|[d]efault-)?[i]ndex(-url)?[ =]' -e '--[f]ind-links' -e '[t]ool\.uv\.index' \
	  -e '(PIP|UV)_([A-Z]+_)?[I]NDEX' || \
	  { echo 'a committed file names a package index'; exit 1; }

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks $(ARGS)

clean:
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
