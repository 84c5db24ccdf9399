# Two commands set everything up: `make demo` runs the whole pipeline on bundled photographs,
# `make test` runs the tests. Both first make .venv with the pinned versions of requirements.lock.

PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed
RUN := . $(VENV)/bin/activate &&

.PHONY: install demo test lint

install: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --requirement requirements.lock
	$(VENV)/bin/pip install --quiet --no-deps --editable .
	touch $@

# In a temporary folder, so that a clone's params.yaml, dvc.lock and metrics stay as they are.
demo: $(INSTALLED)
	$(RUN) dvc exp run --temp --force --name demo \
		--set-param data.source=sample --set-param train.epochs=4 --set-param train.steps_per_epoch=400 \
		--set-param train.warmup_steps=100 --set-param finetune.epochs=1 \
		--set-param benchmark.iterations=100
	@echo "Compare the runs:  . $(VENV)/bin/activate && mlflow ui --backend-store-uri sqlite:///mlflow.db"

test: $(INSTALLED)
	$(RUN) python -m pytest

lint: $(INSTALLED)
	$(RUN) ruff check . && ruff format --check . && mypy
