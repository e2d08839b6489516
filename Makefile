# The two commands of the README: `make demo` and `make test`. Each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
KERNEL ?= examples/matmul_512.c

.PHONY: setup demo test lint wheel-check bench clean

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --editable '.[dev]'
	$(BIN)/python -m liftproof.tools.warm_up
	touch $@

demo: setup
	$(BIN)/liftproof optimize $(KERNEL) --target gemmini

test: setup
	$(BIN)/python -m pytest -n 2
	$(BIN)/lit -v tests/filecheck

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

wheel-check: setup
	sh tests/check_wheel.sh $(BIN)/python

bench: setup
	$(BIN)/python -m pytest benchmarks --benchmark-only

clean:
	rm -rf $(VENV) build dist out *.egg-info
