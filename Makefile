# Needs Python 3.11 and make. The environment is made again only when what it depends on changes.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: dev demo test bench lint lock clean
.DEFAULT_GOAL := help

help:
	@echo "make dev    start everything: embedded AWS, Dagster, API; Ctrl-C stops it"
	@echo "make demo   take in the samples of media/, print what became of each, stop"
	@echo "make test   lint, types and the whole test suite"
	@echo "make bench  measure, each figure against a baseline in the same run"
	@echo "make lock   resolve the dependencies anew: requirements.lock.txt, and of the image .runtime.lock.txt"

$(READY): pyproject.toml requirements.lock.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

dev: $(READY)
	@exec $(BIN)/ingest-pipeline dev

demo: $(READY)
	@exec $(BIN)/ingest-pipeline demo

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	$(BIN)/pytest --numprocesses=3 --dist=loadfile --no-loadscope-reorder

bench: $(READY)
	$(BIN)/python -m benchmarks

lock:
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --no-emit-index-url --all-extras pyproject.toml -o requirements.lock.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --no-emit-index-url --extra build --constraints requirements.lock.txt \
	  pyproject.toml -o requirements.runtime.lock.txt

clean:
	rm -rf $(VENV) .local
