# Each target sets up .venv first: the package, its test tools and the CPU build of torch, in the
# versions of constraints.txt.
#
#   make demo      train a small GPT, compile it, run it on the virtual wafer, compare with PyTorch
#   make digits    the same with two classifiers of handwritten digits
#   make test      the tests
#   make check     format, lint, types, import layers
#
# PYTHON       the interpreter of the virtual environment (3.11 or later)
# PYTEST_FLAGS further options of pytest (CI draws the same examples in every run)
# TORCH_INDEX  a further package index, where the CPU build of torch lies, if pip's own has none

PYTHON ?= python3
TORCH_INDEX ?=
PYTEST_FLAGS ?=
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.PHONY: demo digits test check setup

demo: $(INSTALLED)
	$(BIN)/python -m samples.demo

digits: $(INSTALLED)
	$(BIN)/python -m samples.digits

test: $(INSTALLED)
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-cache

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -c constraints.txt -e '.[test]'
	touch $@
