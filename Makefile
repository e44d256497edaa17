# The two commands of the README, and what they are made of.  `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
INSTALL := $(PIP) install --no-compile --no-deps --require-hashes --only-binary :all:
# A new package, entry point or lock makes the environment out of date.
PROJECT := pyproject.toml setup.py $(wildcard pilot/__init__.py server/__init__.py client/__init__.py examples/mc/__init__.py)

.DEFAULT_GOAL := help

##@ Use
.PHONY: help
help: ## List these targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Develop
.PHONY: venv
venv: $(VENV)/.ready-test ## Make .venv with the project (editable) and every tool of its tests

# Quiet unless it fails: what pip says is kept and shown only then.
define fill
	@echo "Filling $(VENV) from requirements/$(1).txt ..."
	@$(INSTALL) -r requirements/$(1).txt >$(VENV)/install.log 2>&1 || { cat $(VENV)/install.log >&2; exit 1; }
	@$(PIP) install --no-deps --no-build-isolation --editable . >$(VENV)/install.log 2>&1 || { cat $(VENV)/install.log >&2; exit 1; }
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null || true
	@touch $@
endef

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "The venv module of $(PYTHON) is incomplete; on Debian: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.ready-demo: requirements/demo.txt $(PROJECT) | $(BIN)/python
	$(call fill,demo)

$(VENV)/.ready-test: requirements/test.txt $(PROJECT) | $(BIN)/python
	$(call fill,test)

.PHONY: lock
lock: ## Resolve requirements/*.txt anew from the ranges in pyproject.toml
	@PYTHON=$(PYTHON) requirements/lock.sh

.PHONY: clean
clean: ## Remove everything that make has made
	rm -rf $(VENV) build dist *.egg-info .coverage .coverage.* htmlcov .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis doc/_build doc/reference
