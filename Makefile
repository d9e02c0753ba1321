# ndx: `make demo` shows the system, `make test` proves it. `make` alone prints help.
PYTHON ?= python3
PY := .venv/bin/python
STACK ?= demo
S ?= gateway
B ?=
N ?=
REMOVE ?=
DO ?= list
LOCAL := $(PY) -m ndx_local.main
TESTS_OF := .cache/types/tests_of
TESTED := contracts/*/tests gateway/tests svc-*/tests deploy/*/tests

.DEFAULT_GOAL := help
.PHONY: help setup demo test check fmt lint types imports unit integration e2e bench bench-national dedupe-spark contracts up down status logs restart letters lock size

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

setup: ## toolchain, packages and Java parts, all inside the checkout
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "ndx: Python 3.11 or newer is needed, and $(PYTHON) is $$($(PYTHON) --version 2>&1 | head -n 1):" \
	    "install one, or name it: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) deploy/local/bootstrap.py

demo: setup ## everything on this machine: stack, synthetic people, agencies, the main walk
	@$(PY) -m ndx_demo.main --stack $(STACK)

test: check ## linters, types, unit, integration and end-to-end tests on a stack of their own

# End-to-end tests wait a lot, for parts that were killed to come back: meanwhile the others compute.
check: setup lint imports
	@$(PY) -m ndx_local.lanes "$(MAKE)" e2e types unit
	@echo "ndx: all checks passed"

fmt: setup ## format the code
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

lint: setup ## ruff: style and common mistakes
	@echo "ndx: linters"
	@.venv/bin/ruff check --quiet . && .venv/bin/ruff format --quiet --check . \
	  || { echo "ndx: the linters have remarks, see above; make fmt mends most of them"; exit 1; }

types: setup ## mypy, strict; tests are read under names of their own, their arguments may go without a type
	@echo "ndx: types"
	@rm -rf $(TESTS_OF) && mkdir -p $(TESTS_OF) && for folder in $(TESTED) tests-e2e/flows tests-e2e/faults; do \
	  ln -s "$(CURDIR)/$$folder" "$(TESTS_OF)/$$(echo $$folder | sed 's:/tests$$::' | tr '/-' '__')"; done && \
	  ln -s "$(CURDIR)/tests-e2e/conftest.py" $(TESTS_OF)/e2e_conftest.py
	@.venv/bin/mypy $$(ls -d contracts/*/src gateway/src svc-*/src deploy/*/src tests-e2e/benchmarks $(TESTS_OF)/*) \
	  || { echo "ndx: mypy found wrong types, see above"; exit 1; }

imports: setup ## import-linter: the direction of imports
	@echo "ndx: direction of imports"
	@.venv/bin/lint-imports --no-cache || { echo "ndx: an import goes the wrong way, see above"; exit 1; }

unit: setup ## unit and integration tests of every package, on a real PostgreSQL
	@echo "ndx: unit and integration tests"
	@$(PY) -m pytest -q -n 2 $(TESTED) || { echo "ndx: a unit or integration test failed, see above"; exit 1; }

integration: unit ## the same: unit and integration tests share real parts

e2e: setup ## end-to-end tests over a whole stack on free ports
	@echo "ndx: end-to-end tests"
	@$(PY) -m pytest -q tests-e2e/flows tests-e2e/faults || { echo "ndx: an end-to-end test failed, see above"; exit 1; }

bench: setup ## benchmarks; one with B=lookup; lines of B=match-file with N=20000000
	@$(if $(N),NDX_BENCH_LINES=$(N)) $(PY) tests-e2e/benchmarks/run.py $(B)

bench-national: setup ## 100 million people (10 where the disk is smaller, or N=…), kept; goes on where it ended; REMOVE=1
	@$(PY) tests-e2e/benchmarks/national.py $(if $(N),--people $(N)) $(if $(REMOVE),--remove)

dedupe-spark: setup ## the search for duplicates on Spark finds what DuckDB finds: 470 MB into .cache, Java 17 or newer on the PATH
	@.cache/uv-*/bin/uv pip install --quiet --python $(PY) --target .cache/pyspark \
	  --group svc-population/pyproject.toml:dedupe-spark
	@PYTHONPATH=.cache/pyspark $(PY) -m pytest -q -n 0 svc-population/tests/dedupe/test_spark.py

contracts: setup ## write the OpenAPI documents and event schemas anew
	@$(PY) -m ndx_chassis.contracts

up: setup ## start the stack and leave it running
	@$(LOCAL) up --stack $(STACK)

down: ## stop the stack; nothing stays behind
	@[ ! -x $(PY) ] || $(LOCAL) down --stack $(STACK)

status: setup ## each part with its state
	@$(LOCAL) status --stack $(STACK)

logs: setup ## end of a part's log: make logs S=population
	@$(LOCAL) logs $(S) --stack $(STACK)

restart: setup ## restart one part: make restart S=population
	@$(LOCAL) restart $(S) --stack $(STACK)

letters: setup ## what a service could not handle: make letters S=tax; make letters S=tax DO=replay
	@$(LOCAL) dead-letters $(S) $(DO) --stack $(STACK)

lock: ## resolve versions anew into requirements.lock
	@$(PYTHON) deploy/local/bootstrap.py lock

size: ## lines of Python by folder, tests apart
	@for f in contracts gateway svc-* deploy tests-e2e; do \
	  all=$$(git ls-files $$f | grep '\.py$$'); count() { tr '\n' '\0' | xargs -0 -r cat | wc -l; }; \
	  printf '  %-20s %6s code %6s tests\n' $$f "$$(echo "$$all" | grep -v /tests/ | grep . | count)" \
	    "$$(echo "$$all" | grep /tests/ | grep . | count)"; done
