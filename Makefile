# Two commands are all a fresh machine needs (Python 3.11 or newer, and make):
#   make demo   install into .venv and run the main job on real data
#   make test   install what tests need and run all of them
# Nothing is installed outside .venv, but for a Chromium where root runs make test on Debian. Stamp files make both repeatable at no cost.

SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
JOBS ?= 2
TORCH ?= 2.13.0
TORCH_CPU ?= https://download.pytorch.org/whl/cpu

# One thread a process is fastest where processes share cores.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: help demo test install test-install lint audit docs clean

help:
	@sed -n '2,4p' Makefile | sed 's/^# *//'

demo: install
	$(BIN)/occasion demo

test: test-install
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(PYTEST_ARGS)

install: $(VENV)/.stamp-core

test-install: $(VENV)/.stamp-test

lint: $(VENV)/.stamp-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit -q -c pyproject.toml -r src

# Needs PyPI's own index, or with AUDIT_ARGS='-s osv' osv.dev; without it this fails and says nothing good. torch is looked up without its +cpu.
audit: $(VENV)/.stamp-lint
	$(BIN)/python -m pip --disable-pip-version-check list --format=freeze --exclude-editable | sed 's/+[a-z0-9.]*$$//' >$(VENV)/audited.txt
	$(BIN)/pip-audit --strict --no-deps --disable-pip -r $(VENV)/audited.txt $(AUDIT_ARGS)

docs: $(VENV)/.stamp-docs
	$(BIN)/sphinx-build -W -q -b html docs docs/_build/html

clean:
	rm -rf $(VENV) docs/_build dist build

$(VENV)/.stamp-venv:
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer was found. Cure: install one, or make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "== creating $(VENV) with $(PYTHON)"
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade pip
	@touch $@

$(VENV)/.stamp-core: pyproject.toml $(VENV)/.stamp-venv
	@echo "== installing occasion and what it needs (about a minute; no torch, no GPU)"
	$(PIP) install --editable '.[console]'
	@touch $@

# torch must come first and as a CPU build: a plain `pip install torch` on Linux pulls gigabytes of CUDA. The CPU build is
# taken from wherever pip is told to look, else from PyTorch's own index; elsewhere than on Linux, PyPI's build is a CPU one.
$(VENV)/.stamp-torch: $(VENV)/.stamp-venv
	@echo "== installing torch $(TORCH), CPU build (only tests and fine-tuning use it)"
	$(PIP) install 'torch==$(TORCH)+cpu' 2>/dev/null \
	  || $(PIP) install 'torch==$(TORCH)' --index-url $(TORCH_CPU) \
	  || { [ "$$(uname -s)" != Linux ] && $(PIP) install 'torch==$(TORCH)'; } \
	  || { echo "error: no CPU build of torch $(TORCH) could be had. Cure: install one into $(VENV) by hand, then touch $@"; exit 1; }
	@touch $@

# The console's tests drive a real browser. Where root can install Debian's, it is installed; elsewhere they are skipped and say so.
$(VENV)/.stamp-browser: $(VENV)/.stamp-venv
	@{ command -v chromium && command -v chromedriver; } >/dev/null \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "== installing Chromium for the console's tests" \
	       && { apt-get update && apt-get install -y --no-install-recommends chromium chromium-driver; } >$(VENV)/browser.log 2>&1; } \
	  || echo "note: no Chromium with its driver here, the console's browser tests will be skipped"
	@touch $@

$(VENV)/.stamp-test: pyproject.toml $(VENV)/.stamp-core $(VENV)/.stamp-torch $(VENV)/.stamp-browser
	@echo "== installing what tests need"
	$(PIP) install --editable '.[tune,minilm,images,plot,console]' --group test
	@touch $@

$(VENV)/.stamp-lint: pyproject.toml $(VENV)/.stamp-test
	$(PIP) install --group lint
	@touch $@

$(VENV)/.stamp-docs: pyproject.toml $(VENV)/.stamp-core
	$(PIP) install --group docs
	@touch $@
