# The two commands of the README, and what they are made of.  `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# Hundreds of processes are started by the tests: each would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
VENV := .venv
# Processes that run tests side by side, and further words for pytest: make test PYTEST="-k lifecycle"
JOBS ?= 4
PYTEST ?=
# A test that fails has a second turn, and is named at the end of the run (tests/racy.py).
TURNS := --reruns 1
# A file's tests share what they start; tests/order.py says which files come first.
SIDE_BY_SIDE := --dist loadfile --no-loadscope-reorder
# What is tested on the databases beside SQLite.
ON ?= tests/server/taskbuffer tests/server/services $(addprefix tests/server/dispatcher/test_,v1.py legacy.py report.py anything.py)
BIN := $(VENV)/bin
# Where the demonstration's system lives, its pilots' bundle, and further words for it: make demo DEMO="--events 5000"
DEMO_HOME ?= .demo
BUNDLE := build/pilot.pyz
DEMO ?=
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
INSTALL := $(PIP) install --no-compile --no-deps --require-hashes --only-binary :all:
# A new package, entry point or lock makes the environment out of date.
PROJECT := pyproject.toml setup.py $(wildcard pilot/__init__.py server/__init__.py client/__init__.py examples/mc/__init__.py)

.DEFAULT_GOAL := help

##@ Use
.PHONY: help
help: ## List these targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/.ready-demo bundle ## Process a Monte Carlo task on this machine, from its definition to merged, checked files
	@$(BIN)/compass demo --home $(DEMO_HOME) --bundle $(BUNDLE) $(DEMO)

.PHONY: up
up: $(VENV)/.ready-demo bundle ## The same, and leave the system and its web page running; make down stops it
	@$(BIN)/compass demo --home $(DEMO_HOME) --bundle $(BUNDLE) --keep $(DEMO)

.PHONY: down
down: $(VENV)/.ready-demo ## Stop what make up has left running
	@$(BIN)/compass down --home $(DEMO_HOME)

##@ Develop
.PHONY: venv
venv: $(VENV)/.ready-test ## Make .venv with the project (editable) and every tool of its tests

# Quiet unless it fails: what pip says is kept and shown only then.
define fill
	@echo "Filling $(VENV) from requirements/$(1).txt ..."
	@$(INSTALL) -r requirements/$(1).txt >$(VENV)/install.log 2>&1 || { cat $(VENV)/install.log >&2; exit 1; }
	@$(PIP) install --no-deps --no-build-isolation --editable . >$(VENV)/install.log 2>&1 || { cat $(VENV)/install.log >&2; exit 1; }
	@touch $@
endef

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "The venv module of $(PYTHON) is incomplete; on Debian: apt-get install python3-venv" >&2; exit 1; }

# The environment of the tests holds all that the demonstration needs.
$(VENV)/.ready-demo: requirements/demo.txt $(PROJECT) | $(BIN)/python
	@if $(MAKE) -q $(VENV)/.ready-test; then touch $@; else $(MAKE) $(VENV)/.filled-demo && mv $(VENV)/.filled-demo $@; fi

$(VENV)/.filled-demo: requirements/demo.txt $(PROJECT) | $(BIN)/python
	$(call fill,demo)

$(VENV)/.ready-test: requirements/test.txt $(PROJECT) | $(BIN)/python
	$(call fill,test)

##@ Gates
.PHONY: test
test: $(VENV)/.ready-test ## Run every gate, then the tests with their time budgets, on each Python there is; fails if any fails
	@failed=""; \
	$(MAKE) -j 2 --keep-going --output-sync types collect docs lint imports || failed=" types/collect/docs/lint/imports"; \
	own=$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	tests/pythons.sh fill "$$own" >/dev/null 2>&1 & filling=$$!; \
	echo "== pytest"; $(BIN)/python -m pytest -n $(JOBS) $(SIDE_BY_SIDE) $(TURNS) $(PYTEST) || failed="$$failed pytest"; \
	wait $$filling || true; \
	if [ -z "$(PYTEST)" ]; then $(MAKE) databases PYTEST="$(TURNS)" || failed="$$failed databases"; fi; \
	tests/pythons.sh others "$$own" -n $(JOBS) $(TURNS) $(PYTEST) || failed="$$failed other-pythons"; \
	if [ -n "$$failed" ]; then echo "FAILED GATES:$$failed" >&2; exit 1; fi

.PHONY: databases
databases: $(VENV)/.ready-test ## Run what writes jobs on PostgreSQL and on MariaDB; all of the server's tests with ON="tests/server"
	@failed=""; \
	for kind in postgresql mariadb; do \
	    echo "== $$kind"; \
	    $(BIN)/python -m tests.on_database $$kind -n $(JOBS) --dist loadfile --no-migrations $(PYTEST) $(ON) || failed="$$failed $$kind"; \
	done; test -z "$$failed"

.PHONY: smoke
smoke: ## Run the pilot's smoke set on Python 3.9, with its own old tools (PYTHON39=... names it)
	@tests/pythons.sh smoke 3.9 -n $(JOBS) $(PYTEST)

.PHONY: lint
lint: $(VENV)/.ready-test ## Style: ruff, its formatter, shellcheck
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "Not formatted; run: $(BIN)/ruff format" >&2; exit 1; }
	@git ls-files -z -- '*.sh' .ci/run | xargs -0 -r $(BIN)/shellcheck

.PHONY: types
types: $(VENV)/.ready-test ## Types: mypy --strict
	@$(BIN)/mypy --no-error-summary --python-version 3.10 pilot
	@$(BIN)/mypy --no-error-summary $(wildcard server client examples/mc benchmarks)

.PHONY: imports
imports: $(VENV)/.ready-test ## Who may import whom: import-linter
	@$(BIN)/lint-imports --no-logo --cache-dir .import_linter_cache

.PHONY: docs
docs: $(VENV)/.ready-test ## Build the documentation; a warning is an error
	@$(BIN)/sphinx-build --quiet -W --keep-going -b html doc build/doc

.PHONY: collect
collect: $(VENV)/.ready-test ## Import all tests, so that those who run them find them compiled
	@said=$$($(BIN)/python -m pytest --collect-only -q) || { echo "$$said" >&2; exit 1; }

.PHONY: coverage
coverage: $(VENV)/.ready-test ## Run the tests and print which lines they do not reach
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --cov --cov-report=term-missing $(PYTEST)

.PHONY: campaign
campaign: $(VENV)/.ready-test ## Run the tests that take minutes: everything is killed, for long, at random
	@$(BIN)/python -m pytest -m campaign -n $(JOBS) $(PYTEST)

.PHONY: production
production: $(VENV)/.ready-test ## Run whole productions, from raw files on tape to merged files on tape: quietly, and with everything going wrong
	@$(BIN)/python -m pytest -q -m campaign -p no:xdist tests/whole/test_production.py $(PYTEST)

.PHONY: bench
bench: $(VENV)/.ready-test ## Measure pilot and dispatcher beside their bare baselines; a quiet machine helps
	@for each in pilot_overhead pilot_life checks dispatch; do $(BIN)/python -m benchmarks.$$each; done
	@$(BIN)/python -m benchmarks.copytools --small 200 --each 5 --medium 1 --large 200 --rounds 3

##@ Deliver
.PHONY: bundle
bundle: | $(BIN)/python ## Build build/pilot.pyz, the one file that worker nodes run; print its SHA-256
	@$(BIN)/python wrappers/build_bundle.py

##@ Keep up
.PHONY: lock
lock: ## Resolve requirements/*.txt anew from the ranges in pyproject.toml
	@PYTHON=$(PYTHON) requirements/lock.sh

.PHONY: clean
clean: ## Remove everything that make has made
	rm -rf $(VENV) .venv-3.* build dist *.egg-info .coverage .coverage.* htmlcov .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis doc/reference
