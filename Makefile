# Each target is safe to repeat: an environment is made once, and again only when its inputs change.
PYTHON ?= $(shell scripts/find_python.sh)
CONSTRAINTS ?= constraints.txt
OLDEST_PYTHON ?= $(shell scripts/find_python.sh 3.11)
PYTEST_ARGS ?=
DIFFRAX_ARGS ?=
BENCH_ARGS ?=
DEMO_ARGS ?=
SWEEP_ARGS ?=

BIN := .venv/bin
STAMP := .venv/installed.stamp
OLDEST_STAMP := .venv-oldest/installed.stamp
DOCS_STAMP := .venv/docs.stamp
SOURCES := soltrace tests benchmarks scripts dashboards docs examples
# In three processes, for two cores: some tests wait for others' programs. loadgroup: the tests that share the real
# servers, or the browser, run in one of them. Of a process that dies, xdist with groups would not come to an end; without
# another one it fails at once, and names the test.
WORKERS ?= 3
PYTEST := -m pytest -n $(WORKERS) --dist loadgroup --max-worker-restart=0 --durations=30
# What XLA compiles for the tests is kept for a week: later runs find it there.
XLA_CACHE ?= $(HOME)/.cache/soltrace/xla
KEPT = find $(XLA_CACHE) -type f -mtime +7 -delete 2>/dev/null; JAX_COMPILATION_CACHE_DIR=$(XLA_CACHE) JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0 JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=-1
UNIT := not servers and not programs and not slow
OLDEST := not servers and not once

.DEFAULT_GOAL := help
.PHONY: help env demo unit test test-oldest coverage servers check format bench docs package pins programs diffrax-tests diffrax-examples sweep kills failures

help: ## say what each command does
	@echo "Commands (PYTHON=python3.12 make ... chooses an interpreter; otherwise it is the newest that is there):"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

env: $(STAMP) ## make .venv and install soltrace into it, pinned by constraints.txt (CONSTRAINTS=/dev/null: unpinned)

$(STAMP): pyproject.toml $(CONSTRAINTS) scripts/environment.sh
	@scripts/environment.sh .venv "$(PYTHON)" "$(CONSTRAINTS)"
	@touch $@

$(OLDEST_STAMP): pyproject.toml constraints-oldest.txt scripts/environment.sh
	@scripts/environment.sh .venv-oldest "$(OLDEST_PYTHON)" constraints-oldest.txt
	@touch $@

demo: $(STAMP) ## fit a model to lynx and hare pelts, and watch its passes
	@echo "==> soltrace demo $(DEMO_ARGS)"
	@$(BIN)/soltrace demo $(DEMO_ARGS)

unit: $(STAMP) ## run the tests that need nothing but Python, of every part, in under three minutes
	@echo "==> pytest -m '$(UNIT)' $(PYTEST_ARGS)"
	@$(KEPT) $(BIN)/python $(PYTEST) -m "$(UNIT)" $(PYTEST_ARGS)

test: $(STAMP) programs servers ## run every test, with the newest Python and the newest versions
	@echo "==> pytest $(PYTEST_ARGS)"
	@$(KEPT) $(BIN)/python $(PYTEST) $(PYTEST_ARGS)

test-oldest: $(OLDEST_STAMP) programs ## run the tests that versions can break, with the oldest Python and versions
	@echo "==> pytest -m '$(OLDEST)' $(PYTEST_ARGS), with the oldest versions"
	@$(KEPT) .venv-oldest/bin/python $(PYTEST) -m "$(OLDEST)" $(PYTEST_ARGS)

# sysmon: the tracer of old does not see the threads on which compiled programs call.
coverage: $(STAMP) ## measure which lines `make unit` runs; pyproject.toml has the floor
	@COVERAGE_CORE=sysmon $(BIN)/python $(PYTEST) -m "$(UNIT)" --cov --cov-report=term:skip-covered $(PYTEST_ARGS)

servers: ## build the servers that the tests talk to, with Go, and install one; ten minutes the first time
	@scripts/servers/build.sh

check: $(STAMP) ## format, lint, types and workflows, changing nothing
	@echo "==> ruff format --check"
	@$(BIN)/ruff format --check $(SOURCES)
	@echo "==> ruff check"
	@$(BIN)/ruff check $(SOURCES)
	@echo "==> pyright"
	@$(BIN)/pyright
	@echo "==> check-jsonschema .github"
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml

format: $(STAMP) ## format, and mend what ruff can mend
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix $(SOURCES)

bench: $(STAMP) ## measure loops of solves, where they spend their time, one alone, and one call against diffrax's meters
	@for module in loops at_hand profile floor once; do echo "==> python -m benchmarks.$$module"; \
		$(BIN)/python -m benchmarks.$$module || exit 1; done
	@echo "==> python -m benchmarks.overhead $(BENCH_ARGS)"
	@$(BIN)/python -m benchmarks.overhead $(BENCH_ARGS)

failures: $(STAMP) ## solve every program whose trouble is known, and compare the verdicts
	@echo "==> pytest tests/verdict, all of it"
	@SEEDED_ALL=1 $(BIN)/python -m pytest tests/verdict $(PYTEST_ARGS)

sweep: $(STAMP) ## compare 500 random solves with diffrax, to the bit; an hour (SWEEP_ARGS="--count 40 --seed 7")
	@echo "==> python -m tests.traced.sweep $(SWEEP_ARGS)"
	@$(BIN)/python -m tests.traced.sweep $(SWEEP_ARGS)

kills: $(STAMP) ## kill 1000 processes at random times, and look at their logs; ten minutes (KILLS_ARGS="--count 40 --seed 7")
	@echo "==> python -m tests.kills $(KILLS_ARGS)"
	@$(BIN)/python -W ignore::DeprecationWarning -m tests.kills $(KILLS_ARGS)

# -E, all pages anew: one that warned is not looked at again otherwise, and code changes without its page
docs: $(DOCS_STAMP) ## build the documentation into build/docs; a warning is an error
	@echo "==> sphinx-build -W docs build/docs"
	@$(BIN)/python -m sphinx -E -W --keep-going -q -b html docs build/docs
	@echo "==> build/docs/index.html"

$(DOCS_STAMP): $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c "$(CONSTRAINTS)" -e '.[docs]'
	@touch $@

diffrax-tests: $(STAMP) ## run diffrax's own tests instrumented: what passes bare passes so too; an hour or two
	@$(BIN)/python -m scripts.diffrax_suite.tests $(DIFFRAX_ARGS)

diffrax-examples: $(STAMP) ## run the examples of diffrax's documentation bare and under `soltrace run`, shortened
	@$(BIN)/python -m scripts.diffrax_suite.examples $(DIFFRAX_ARGS)

package: $(STAMP) ## build the wheel and the source distribution, and try both in environments of their own
	@scripts/package.sh $(BIN)/python

pins: $(STAMP) ## write constraints.txt and constraints-oldest.txt anew
	@$(BIN)/python scripts/pins.py

programs: # that the tests use, from the system's packages
	@scripts/need.sh
