# Every target does its own set-up in .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BUNDLE := artifacts/bundle
BIN := .venv/bin
PORT := 8000

.DEFAULT_GOAL := help
.PHONY: help setup demo train export serve test lint check fix image zip clean

help:  ## show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# torch first and alone: what depends on it would otherwise pull another build of it
.venv/.installed: pyproject.toml constraints/dev.txt
	@echo "making the environment in .venv, which takes a minute or two" >&2
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints/dev.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints/dev.txt --editable '.[train,serve,notebooks,dev]'
	@touch $@

setup: .venv/.installed  ## make the environment

demo: setup  ## everything once: built-in data, train, export, one prediction through a Lambda event
	$(BIN)/python train.py
	$(BIN)/python export.py
	$(BIN)/python handler.py examples/predict-event.json
	@echo "next: make serve, then open http://127.0.0.1:$(PORT)" >&2  # the prediction is the last line of standard output

train: setup  ## train on the built-in data
	$(BIN)/python train.py

export: setup  ## turn the newest run into the bundle
	$(BIN)/python export.py

$(BUNDLE)/manifest.json: | setup
	$(BIN)/python train.py
	$(BIN)/python export.py

serve: setup $(BUNDLE)/manifest.json  ## the demo's bundle under uvicorn on 127.0.0.1:8000; PORT=8001 for another port
	MODEL_SHOW_USERS=on $(BIN)/uvicorn handler:app --host 127.0.0.1 --port $(PORT) --no-server-header

test: setup  ## the whole test suite
	$(BIN)/pytest --cov --cov-report=term

lint: setup  ## formatter, linter and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test  ## formatter, linter, types, tests

fix: setup  ## format, and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

image: $(BUNDLE)/manifest.json  ## the Lambda container image (needs docker)
	docker build --platform linux/amd64 --tag netflix-prize-recommender .

zip: $(BUNDLE)/manifest.json  ## the Lambda function as a zip
	$(BIN)/python -m deploy.build_zip

clean:  ## remove the environment, runs, bundles and caches
	rm -rf .venv artifacts .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
