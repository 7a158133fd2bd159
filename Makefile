# Each target is safe to repeat: the environment is made once, and again only when its inputs change.
PYTHON ?= python3
PYTEST_ARGS ?=
BENCH_ARGS ?=
DEMO_ARGS ?=

BIN := .venv/bin
STAMP := .venv/installed.stamp
DOCS_STAMP := .venv/docs.stamp
SOURCES := soltrace tests benchmarks scripts dashboards docs

.DEFAULT_GOAL := help
.PHONY: help env demo test servers check format bench docs pins programs

help: ## say what each command does
	@echo "Commands (PYTHON=python3.12 make ... chooses an interpreter):"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)$$/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

env: $(STAMP) ## make .venv and install soltrace into it, pinned by constraints.txt

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) scripts/check_python.py
	@echo "==> environment: .venv (pinned by constraints.txt; takes a minute or two the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,demo]'
	@touch $@

demo: $(STAMP) ## fit a model to lynx and hare pelts, and watch its passes
	@echo "==> soltrace demo $(DEMO_ARGS)"
	@$(BIN)/soltrace demo $(DEMO_ARGS)

# loadgroup: the tests that share the real servers run in one of the two processes
test: $(STAMP) programs servers ## run every test, in two processes and in random order
	@echo "==> pytest -n 2 --dist loadgroup $(PYTEST_ARGS)"
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(PYTEST_ARGS)

servers: ## build the servers that the tests talk to, with Go; nine minutes the first time
	@scripts/servers/build.sh

check: $(STAMP) ## format, lint and types, changing nothing
	@echo "==> ruff format --check"
	@$(BIN)/ruff format --check $(SOURCES)
	@echo "==> ruff check"
	@$(BIN)/ruff check $(SOURCES)
	@echo "==> pyright"
	@$(BIN)/pyright

format: $(STAMP) ## format, and mend what ruff can mend
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix $(SOURCES)

bench: $(STAMP) ## measure the overhead against diffrax's meters, pair by pair
	@echo "==> python -m benchmarks.overhead $(BENCH_ARGS)"
	@$(BIN)/python -m benchmarks.overhead $(BENCH_ARGS)

# -E, all pages anew: one that warned is not looked at again otherwise, and code changes without its page
docs: $(DOCS_STAMP) ## build the documentation into build/docs; a warning is an error
	@echo "==> sphinx-build -W docs build/docs"
	@$(BIN)/python -m sphinx -E -W --keep-going -q -b html docs build/docs
	@echo "==> build/docs/index.html"

$(DOCS_STAMP): $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@

pins: ## write constraints.txt anew from a fresh environment
	@$(PYTHON) scripts/check_python.py
	@PYTHON="$(PYTHON)" scripts/pins.sh

programs: # that the tests use, from the system's packages
	@scripts/need.sh
