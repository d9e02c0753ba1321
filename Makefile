# ndx: `make demo` shows the system, `make test` proves it. `make` alone prints help.
PYTHON ?= python3
PY := .venv/bin/python
STACK ?= demo
S ?= gateway
B ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test check fmt lint types imports unit integration e2e bench contracts up down status logs restart lock size

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | column -t -s'|'

setup: ## toolchain, packages and Java parts, all inside the checkout
	@$(PYTHON) deploy/local/bootstrap.py

demo: setup ## everything on this machine: stack, synthetic people, agencies, the main walk
	@$(PY) -m ndx_demo.main

test: check ## linters, types, unit, integration and end-to-end tests on a stack of their own

check: setup lint types imports unit e2e
	@echo "ndx: all checks passed"

fmt: setup ## format the code
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

lint: setup ## ruff: style and common mistakes
	@echo "ndx: linters" && .venv/bin/ruff check . && .venv/bin/ruff format --check .

types: setup ## mypy, strict
	@echo "ndx: types" && .venv/bin/mypy $$(ls -d contracts/*/src gateway/src svc-*/src deploy/*/src)

imports: setup ## import-linter: the direction of imports
	@echo "ndx: direction of imports" && .venv/bin/lint-imports --no-cache

unit: setup ## unit and integration tests of every package, on a real PostgreSQL
	@for folder in contracts/*/tests gateway/tests svc-*/tests deploy/*/tests; do \
	  [ -d $$folder ] || continue; echo "ndx: tests of $$folder"; $(PY) -m pytest -q -n 2 $$folder || exit 1; done

integration: unit ## the same: unit and integration tests share real parts

e2e: setup ## end-to-end tests over a whole stack on free ports
	@echo "ndx: end-to-end tests" && $(PY) -m pytest -q tests-e2e/flows tests-e2e/faults

bench: setup ## benchmarks; one with B=lookup
	@$(PY) -m pytest -q tests-e2e/benchmarks --bench="$(B)"

contracts: setup ## write the OpenAPI documents and event schemas anew
	@$(PY) -m ndx_chassis.contracts

up: setup ## start the stack and leave it running
	@$(PY) -m ndx_local.main up --stack $(STACK)

down: ## stop the stack; nothing stays behind
	@$(PY) -m ndx_local.main down --stack $(STACK)

status: ## each part with its state
	@$(PY) -m ndx_local.main status --stack $(STACK)

logs: ## end of a part's log: make logs S=population
	@$(PY) -m ndx_local.main logs $(S) --stack $(STACK)

restart: ## restart one part: make restart S=population
	@$(PY) -m ndx_local.main restart $(S) --stack $(STACK)

lock: ## resolve versions anew into requirements.lock
	@$(PYTHON) deploy/local/bootstrap.py lock

size: ## lines of code by folder
	@for f in contracts gateway svc-* deploy tests-e2e; do printf '%-20s %s\n' $$f "$$(git ls-files $$f | grep '\.py$$' | xargs cat 2>/dev/null | wc -l)"; done
