# Everything sets up its own environment; only Python 3.11 or newer, with venv, must be there.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
STAMP   = $(VENV)/.installed

export PIP_DISABLE_PIP_VERSION_CHECK = 1
export DAGSTER_DISABLE_TELEMETRY = yes
export MLFLOW_DISABLE_TELEMETRY = true

.PHONY: demo test check ui bench install documents

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || echo not there). Say which: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "Python's venv module is needed (on Debian and Ubuntu: apt install python3-venv)."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the packages into $(VENV): about 3 GB, some minutes the first time."
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]' || { \
	  echo "The installation failed; the reason is above. Is the package index reachable? Is there 6 GB of room on the disk?"; exit 1; }
	@touch $@

demo: install
	@$(BIN)/nanodefect --home $(or $(DEMO_HOME),.demo) demo

ui: install
	@$(BIN)/nanodefect ui

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

test: check
	$(BIN)/python -m pytest

bench: install
	$(BIN)/python -m pytest -m benchmark nanodefect_assets_tests/benchmarks -s

documents: install
	$(BIN)/python -m nanodefect_assets.cli.documents
