# Everything a newcomer or CI does, one target each. `make help` lists them.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
REALNODE ?= ../shared/realnode
PUSH ?=
.PHONY: help demo install test lowest buckets scale ui e2e e2e-node images chaos lint type contracts generate bench bench-engine clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-zA-Z0-9_-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# One environment, two depths: what the demo needs, and what the tests need besides. Installed again when pyproject.toml changes.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Penstock needs Python 3.11 or newer; this is %s. Try: make PYTHON=python3.12 demo" % sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@ $(VENV)/.dev

# Runners and a browser that only their own tests need.
$(VENV)/.scale: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,dask,ray]'
	@touch $@

$(VENV)/.browser: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,browser]'
	@touch $@

S3_SERVER := .penstock/bin/versitygw

$(S3_SERVER):
	GOBIN=$(CURDIR)/$(dir $@) go install github.com/versity/versitygw/cmd/versitygw@v1.8.0

install: $(VENV)/.test ## install everything that development needs into .venv

demo: $(VENV)/.dev ## install, start `penstock dev`, run the hello flow, show the result, stop
	$(BIN)/penstock dev --apply examples/hello.yaml --exit-when-finished

test: $(VENV)/.test ## all tests but those of the next targets; those for a real API server when KUBECONFIG or KUBEBUILDER_ASSETS is set
	$(BIN)/python -m pytest -n 4 --dist loadgroup $(addprefix --ignore=tests/,e2e buckets scale ui) $(PYTEST_ARGS)

# Each range of versions holds at its lower end too: what a user has installed already is the older one, and stays.
lowest: build/lowest.txt ## engine, operator and commands with the lowest versions that pyproject.toml allows, without a real API server
	KUBEBUILDER_ASSETS= PIP_CONSTRAINT=$(CURDIR)/$< $(MAKE) test VENV=.venv-lowest \
	  PYTEST_ARGS="$(addprefix tests/,engine operator_core operator_runtime cli crds dev chart manifests ui_pages) $(PYTEST_ARGS)"

build/lowest.txt: pyproject.toml tests/support/lowest.py
	@mkdir -p $(@D)
	$(PYTHON) -m tests.support.lowest > $@

buckets: $(VENV)/.test $(S3_SERVER) ## results in a bucket of a real S3 server, which go builds once
	PENSTOCK_S3_SERVER=$(CURDIR)/$(S3_SERVER) $(BIN)/python -m pytest tests/buckets $(PYTEST_ARGS)

scale: $(VENV)/.scale ## tasks on Dask and Ray, on local clusters of two workers
	$(BIN)/python -m pytest tests/scale -n 0 $(PYTEST_ARGS)

ui: $(VENV)/.browser ## the page in a real browser: Chromium of this machine, or PENSTOCK_CHROMIUM; pictures go to build/ui
	$(BIN)/python -m pytest tests/ui -n 2 --dist loadgroup $(PYTEST_ARGS)

e2e: $(VENV)/.test ## the end-to-end stories, on the embedded control plane and on a real one
	$(BIN)/python -m pytest tests/e2e -n 4 --dist loadgroup $(PYTEST_ARGS)

e2e-node: $(VENV)/.test images ## the chart on a real kubelet, from these images (root; REALNODE=folder of the node's scripts)
	REALNODE=$(REALNODE) $(BIN)/python -m pytest tests/node -v $(PYTEST_ARGS)

images: ## the images of engine and operator, into build/images; PUSH=registry/prefix pushes them, BASE=image@sha256:… is the base
	@PUSH=$(PUSH) BASE=$(BASE) images/build

chaos: $(VENV)/.test ## faults of all kinds on a real control plane, until CHAOS_RUNS (300) or CHAOS_SECONDS is reached; CHAOS_SEED repeats one
	$(BIN)/python -m tests.support.chaos

lint: $(VENV)/.test ## ruff: style, imports, common mistakes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(VENV)/.test ## mypy --strict over code and tests
	$(BIN)/mypy

contracts: $(VENV)/.test ## import-linter: the arrows between the rooms
	$(BIN)/lint-imports

generate: $(VENV)/.test ## write the generated files again: CRDs, the chart's copies, tables in docs
	$(BIN)/python -m penstock_dev.generate

bench: $(VENV)/.test ## figures: JSON and a table under benchmarks/results
	$(BIN)/python -m benchmarks

PREFECT := .penstock/prefect

$(PREFECT)/.installed:
	$(PYTHON) -m venv $(PREFECT)
	$(PREFECT)/bin/python -m pip install --quiet --disable-pip-version-check 'prefect>=3.8,<3.10' 'fastapi<0.140'
	@touch $@

bench-engine: $(VENV)/.test $(PREFECT)/.installed ## the engine beside Prefect, row by row; Prefect has an environment of its own
	$(BIN)/python -m benchmarks.engine --prefect $(PREFECT)/bin/python

clean: ## remove the environment and what tools left behind
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
