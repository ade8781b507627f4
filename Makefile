# Needs Python 3.11 and make. The environment is made again only when what it depends on changes:
# `dev` and `demo` install what a laptop needs, the others add the tools to it.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TOOLS := $(VENV)/.tools
# pip 23 takes no extra (`pyjwt[crypto]`) in hash mode unless it is told to look for no dependencies.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps

.PHONY: help dev demo test lint bench services lock player clean
.DEFAULT_GOAL := help

help:
	@echo "make dev       start everything: embedded AWS, Dagster, API; Ctrl-C stops it"
	@echo "make demo      take in the samples of media/, print what became of each, stop"
	@echo "make test      lint, types and the whole test suite, with the services that it needs"
	@echo "make lint      format, lint and types alone"
	@echo "make bench     measure, each figure against a baseline in the same run"
	@echo "make services  start what the tests talk to: browser, databases, brokers"
	@echo "make lock      resolve the dependencies anew: the three requirements*.lock.txt"
	@echo "make clean     remove the environment and all local state"

$(READY): pyproject.toml requirements.laptop.lock.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --require-hashes -r requirements.laptop.lock.txt
	$(INSTALL) --no-build-isolation -e .
	touch $@

$(TOOLS): $(READY) requirements.lock.txt
	$(INSTALL) --require-hashes -r requirements.lock.txt
	touch $@

dev: $(READY)
	@exec $(BIN)/ingest-pipeline dev

demo: $(READY)
	@exec $(BIN)/ingest-pipeline demo

lint: $(TOOLS)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint services
	$(BIN)/pytest --numprocesses=3 --dist=loadfile --no-loadscope-reorder

bench: $(TOOLS)
	$(BIN)/python -m benchmarks

services:
	@tools/test-services

# From the widest to the narrowest: each lock takes its versions from the one before.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-header --no-annotate --no-emit-index-url pyproject.toml
IMAGE := --extra build --extra elasticsearch --extra heic --extra labels --extra mysql --extra postgresql --extra redis --extra speech --extra sqs
LAPTOP := $(IMAGE) --extra embedded --extra parquet

lock: $(TOOLS)
	$(COMPILE) --all-extras -o requirements.lock.txt
	$(COMPILE) $(LAPTOP) --constraints requirements.lock.txt -o requirements.laptop.lock.txt
	$(COMPILE) $(IMAGE) --constraints requirements.laptop.lock.txt -o requirements.runtime.lock.txt

# The player of streams, which the API serves itself; its licence lies beside it.
HLS := 1.7.4
STATIC := ingest_pipeline/api/static
player:
	npm pack --silent hls.js@$(HLS)
	tar -xOf hls.js-$(HLS).tgz package/dist/hls.light.min.js | sed /sourceMappingURL/d > $(STATIC)/hls.light.min.js
	tar -xOf hls.js-$(HLS).tgz package/LICENSE > $(STATIC)/hls.light.LICENSE.txt
	rm hls.js-$(HLS).tgz

clean:
	rm -rf $(VENV) .local
