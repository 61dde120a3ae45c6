# Everything here sets itself up: a target installs what it needs and skips what is there. Start with `make help`.
#
# Installed in this folder only: .venv (Python), node_modules (Node), .toolchain (uv, compiler, per-run state).
# Needed beforehand: Python 3.11 or 3.12, Node 20 or later, make, a package index for each of the two.
# Of use: Kubo (`ipfs`), or Go 1.26.4 or later to build it with; without either its tests are skipped.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

PYTHON ?= python3
UV_VERSION := 0.13.9

ROOT := $(CURDIR)
TOOLCHAIN := .toolchain
UV := $(TOOLCHAIN)/uv/bin/uv
VENV := .venv/bin
BROWNIE := scripts/brownie

ifeq ($(strip $(HOME)),)
export HOME := $(ROOT)/$(TOOLCHAIN)/home
endif
export PATH := $(ROOT)/$(VENV):$(ROOT)/node_modules/.bin:$(PATH)
export SOLCX_BINARY_PATH := $(ROOT)/$(TOOLCHAIN)/solcx
export SOLC_CACHE := $(ROOT)/$(TOOLCHAIN)/solc-cache
export ETH_HASH_BACKEND := pysha3
export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := $(ROOT)/.venv
unexport VIRTUAL_ENV
# Some machines forbid it: every process would compile all it imports anew, half of what it takes to start.
unexport PYTHONDONTWRITEBYTECODE

# A stamp carries the digest of what it was made from in its name: another lock file, another stamp.
digest = $(shell cat $(1) 2>/dev/null | sha256sum | cut -c1-16)
STAMPS := $(TOOLCHAIN)/stamps
UV_STAMP := $(STAMPS)/uv-$(UV_VERSION)
PYTHON_STAMP := $(STAMPS)/python-$(call digest,pyproject.toml uv.lock)
NODE_STAMP := $(STAMPS)/node-$(call digest,package.json package-lock.json)
SOLC_STAMP := $(STAMPS)/solc-$(call digest,package-lock.json scripts/solc/pin.json scripts/solc/install.py)
KUBO_STAMP := $(STAMPS)/kubo-$(call digest,scripts/kubo.py)
SCHEMATHESIS := $(TOOLCHAIN)/schemathesis
SCHEMATHESIS_STAMP := $(STAMPS)/schemathesis-$(call digest,scripts/schemathesis/requirements.txt)
HALMOS := $(TOOLCHAIN)/halmos
HALMOS_STAMP := $(STAMPS)/halmos-$(call digest,scripts/prove/requirements.txt)

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  make test AREA=contracts/test_vault.py K=claim JOBS=2 runs one part of the tests"

# ---- set-up ---------------------------------------------------------------------------------------------------------

.PHONY: setup
setup: $(PYTHON_STAMP) $(NODE_STAMP) $(SOLC_STAMP) ## install everything into this folder

$(UV_STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' \
	  || { echo "Python 3.11 or 3.12 is needed; $$($(PYTHON) --version) was found. Set PYTHON=/path/to/python3.11"; exit 1; }
	mkdir -p $(STAMPS)
	rm -rf $(TOOLCHAIN)/uv $(STAMPS)/uv-*
	$(PYTHON) -m venv $(TOOLCHAIN)/uv
	$(TOOLCHAIN)/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	touch $@

$(PYTHON_STAMP): $(UV_STAMP)
	@rm -f $(STAMPS)/python-*
	$(UV) sync --quiet --frozen --all-groups --all-extras --python $(PYTHON)
	touch $@

$(NODE_STAMP):
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' \
	  || { echo "Node 20 or later is needed."; exit 1; }
	mkdir -p $(STAMPS)
	rm -f $(STAMPS)/node-*
	npm ci --no-audit --no-fund --loglevel=error
	touch $@

$(SOLC_STAMP): $(PYTHON_STAMP) $(NODE_STAMP)
	@rm -f $(STAMPS)/solc-*
	$(VENV)/python -m scripts.solc.install
	touch $@

# Minutes, once, and only where no `ipfs` is on PATH and Go is; a build that fails says why and stops nothing.
$(KUBO_STAMP): $(PYTHON_STAMP)
	@rm -f $(STAMPS)/kubo-*
	$(VENV)/python -m scripts.kubo
	touch $@

# An environment of its own: its hypothesis is years younger than the one beside Brownie. Where it cannot be made its
# test is skipped, and the next run tries again.
$(SCHEMATHESIS_STAMP): $(PYTHON_STAMP)
	@rm -rf $(STAMPS)/schemathesis-* $(SCHEMATHESIS)
	if $(UV) venv --quiet --python $(PYTHON) $(SCHEMATHESIS) \
	  && VIRTUAL_ENV=$(ROOT)/$(SCHEMATHESIS) $(UV) pip sync --quiet --require-hashes scripts/schemathesis/requirements.txt
	then touch $@
	else rm -rf $(SCHEMATHESIS); echo "Schemathesis could not be installed: its test will be skipped"
	fi

# An environment of its own: it pins z3 and rich.
$(HALMOS_STAMP): $(PYTHON_STAMP)
	@rm -rf $(STAMPS)/halmos-* $(HALMOS)
	$(UV) venv --quiet --python $(PYTHON) $(HALMOS)
	VIRTUAL_ENV=$(ROOT)/$(HALMOS) $(UV) pip sync --quiet --require-hashes scripts/prove/requirements.txt
	touch $@

.PHONY: machine
machine: ## install what tests use of Debian's packages: PostgreSQL, Chromaprint (root, apt)
	@scripts/machine.sh

.PHONY: lock
lock: $(UV_STAMP) ## resolve pyproject.toml and package.json anew into the lock files
	$(UV) lock
	npm install --package-lock-only --ignore-scripts --no-audit --no-fund --loglevel=error

# ---- work -----------------------------------------------------------------------------------------------------------

.PHONY: compile
compile: setup ## compile the contracts
	@$(BROWNIE) compile

.PHONY: abi
abi: compile ## write the ABIs that obbligato/ carries
	@$(VENV)/python -m scripts.export_abi

.PHONY: demo
demo: compile ## the whole story, end to end, on a local chain
	@$(VENV)/python -m scripts.demo

.PHONY: up
up: compile ## a whole Obbligato on this machine with demo data, until Ctrl-C
	@$(VENV)/python -m scripts.up

.PHONY: test
test: setup $(if $(filter contracts%,$(AREA:tests/%=%)),,$(KUBO_STAMP) $(SCHEMATHESIS_STAMP)) ## run the tests (AREA=path under tests/, K=expression, JOBS=processes)
	@AREA='$(AREA)' K='$(K)' JOBS='$(JOBS)' scripts/test.sh

.PHONY: soak
soak: setup ## 10 000 random acts, each foretold by the model (OBBLIGATO_ACTIONS, OBBLIGATO_SEED)
	@OBBLIGATO_SOAK=1 AREA='$(or $(AREA),contracts/test_stateful.py)' K='$(K)' JOBS='$(or $(JOBS),1)' scripts/test.sh

.PHONY: prove
prove: setup $(HALMOS_STAMP) ## prove what a solver can decide of the contracts, fuzz the rest
	@$(VENV)/python -m scripts.prove.run

.PHONY: bench
bench: setup ## measure gas and speed
	@$(VENV)/python -m scripts.bench

.PHONY: snapshot
snapshot: setup ## write bench/gas-snapshot.json anew, on purpose
	@$(VENV)/python -m scripts.bench.snapshot

.PHONY: coverage
coverage: setup ## contract coverage, from a copy compiled so that its source maps hold
	@$(VENV)/python -m scripts.coverage $(if $(AREA),tests/$(AREA:tests/%=%))

.PHONY: check
check: setup ## lint, format, types, Solidity linters
	@scripts/check.sh

.PHONY: clean
clean: ## remove what was installed and generated here
	rm -rf .venv node_modules $(TOOLCHAIN) build reports .pytest_cache .mypy_cache .ruff_cache .hypothesis
