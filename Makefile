# `make demo` and `make test` need Python 3.10 or later, make and a network for the first run, and nothing else: the
# first of them makes a virtual environment in .venv, and later runs find it there. `make clean` removes everything made.

PYTHON ?= python3
TORCH ?= 2.13.0
WORKERS ?= auto
N ?= 200
DIRS ?=
CHROMIUM ?= chromium

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
DEMO := build/demo
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
CPU_INDEX := https://download.pytorch.org/whl/cpu

# One thread for each process: the tests run several at once, and sums are added up in the same order everywhere.
export OMP_NUM_THREADS := 1

.DELETE_ON_ERROR:
.PHONY: help demo test lint types unit browser fuzz mutation sweep cost bench clean

help:
	@echo "make demo    convert a real training script, train both versions, and compare them"
	@echo "make test    linter, type checker and all tests"
	@echo "make lint    linter and formatter check only"
	@echo "make types   type checker only"
	@echo "make unit    tests only; make unit ARGS='tests/test_cli.py -k check' for some"
	@echo "make browser the HTML report in a headless browser; needs Chromium (make browser CHROMIUM=/path)"
	@echo "make fuzz    convert and train random scripts; make fuzz N=5000 ARGS='--seed 100000 --jobs 8'"
	@echo "make mutation  score the verifier on seeded defects; make mutation ARGS='--jobs 2 --only gan'"
	@echo "make sweep   convert every script below some folders, without running it; make sweep DIRS='a b' ARGS='--jobs 8'"
	@echo "make cost    how much a conversion costs beside reading and writing the file"
	@echo "make bench   what a step of the Trainer costs beside a plain loop; make bench ARGS='--rounds 30 --write'"
	@echo "make clean   remove .venv and everything else that was made"

# Converts a script that trains a classifier on the 1,797 handwritten digits of scikit-learn, shows the diff, then trains
# both versions. The last line is the verdict, and the exit status follows it.
demo: $(READY)
	@rm -rf $(DEMO)
	@mkdir -p $(DEMO)
	@cp fixtures/digits.in.py $(DEMO)/train.py
	@echo '$$ refactorer convert train.py'
	@cd $(DEMO) && "$(CURDIR)/$(BIN)/refactorer" convert train.py
	@echo
	@echo '$$ refactorer convert train.py --output lit_train.py'
	@cd $(DEMO) && "$(CURDIR)/$(BIN)/refactorer" convert train.py --output lit_train.py
	@echo
	@echo '$$ refactorer verify train.py lit_train.py'
	@cd $(DEMO) && "$(CURDIR)/$(BIN)/refactorer" verify train.py lit_train.py

test: lint types unit

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

unit: $(READY)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

browser: $(READY)
	@command -v "$(CHROMIUM)" >/dev/null || { echo "there is no $(CHROMIUM): install it, or name it in CHROMIUM"; exit 2; }
	CHROMIUM="$$(command -v $(CHROMIUM))" $(BIN)/python -m pytest tests/verify/test_verify_page.py $(ARGS)

fuzz: $(READY)
	$(BIN)/python -m tests.fuzz.run $(N) $(ARGS)

mutation: $(READY)
	$(BIN)/python -m tests.mutation.score $(ARGS)

sweep: $(READY)
	@test -n "$(DIRS)" || { echo "name the folders: make sweep DIRS='folder another'"; exit 2; }
	$(BIN)/python -m tests.corpus.sweep $(DIRS) $(ARGS)

cost: $(READY)
	$(BIN)/python benchmarks/conversion_cost.py $(ARGS)

# The libraries that it is compared to are optional; one that cannot be installed is left out of the tables.
bench: $(READY)
	@$(PIP) --editable '.[bench]' || echo "Not all of the libraries to compare to could be installed."
	$(BIN)/python -m benchmarks.overhead $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The registry's own torch for Linux brings gigabytes of CUDA, so where there is no NVIDIA GPU a CPU build is taken: from
# pip's configured sources when they have it, else from PyTorch's own index. If neither has one for this machine
# (another processor, another Python), the registry's newest does the same job.
$(READY): pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or later is needed; name one with: make PYTHON=/path/to/python3"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@if $(BIN)/python -c 'import torch' 2>/dev/null; then :; \
	elif [ "$$(uname -s)" = Linux ] && ! nvidia-smi -L >/dev/null 2>&1; then \
		echo "Installing a CPU build of torch ..."; \
		$(PIP) 'torch==$(TORCH)+cpu' 2>/dev/null \
		|| $(PIP) 'torch==$(TORCH)+cpu' --extra-index-url $(CPU_INDEX) 2>/dev/null \
		|| $(PIP) torch; \
	else \
		echo "Installing torch ..."; \
		$(PIP) torch; \
	fi
	@echo "Installing refactorer and its tools ..."
	@$(PIP) --editable '.[test]'
	@touch $@
