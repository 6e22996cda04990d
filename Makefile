# What a person types. Nothing is hidden behind these words but the tools' own commands.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The tests write thousands of databases, each to be safe on disk. They kill processes and cut no power,
# so memory is as good a disk for them as any, where there are two gigabytes of it to spare.
SPARE := $(shell df -k --output=avail /dev/shm 2>/dev/null | tail -1)
TESTS := $(if $(shell [ "$(SPARE)" -gt 2000000 ] 2>/dev/null && echo yes),PYTEST_DEBUG_TEMPROOT=/dev/shm)
# Where Python may not keep what it compiled, each worker and each process of a test compiles all of it.
TESTS += PYTHONDONTWRITEBYTECODE=
# Two cores are busy with three: there is always one that waits for a browser or a process it started.
WORKERS := 3

.PHONY: setup run test check format lock clean

setup: $(STAMP)  ## the virtual environment, from the locked requirements

$(STAMP): requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip check
	touch $(STAMP)

run: setup  ## start the service with a shop to try it out: http://127.0.0.1:8080/demo/
	$(BIN)/python run.py serve --demo

test: setup  ## everything, the longest first; a browser and a mail server are installed where they may be
	$(BIN)/python -m tests.install_peers
	$(TESTS) $(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder

check: setup  ## style, types, architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:  ## resolve the dependencies again (needs pip-tools in the environment)
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/python -m piptools compile --quiet --strip-extras --generate-hashes --extra dev \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header \
	  --output-file requirements.txt pyproject.toml

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
