# Needs: make, git, and Python 3.11 or newer with its venv module. uv is used if it is there.
# `make` lists the targets.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

PYTHON ?=                       # the interpreter to build .venv with; found if not given
JOBS   ?= 3                     # pytest workers: one more than cores, since some tests wait
AGENTS ?= $(CURDIR)/.cache/agents  # where the real agents are kept for `make test-agents`
ARGS   ?=                       # passed on to pytest, the demo or the benchmarks

# The tests start hundreds of interpreters: what they import is compiled once.
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(CURDIR)/.venv/pycache

BIN := .venv/bin
DEV := .venv/.installed-dev

# One test may hang this long before the run is ended with the stacks of all threads.
STRESS_HANG_LIMIT := 3600

.PHONY: help
help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

# --- the environment -----------------------------------------------------------------------------

.PHONY: venv
venv: $(DEV)  ## make .venv and install everything for development

.venv/.installed: pyproject.toml .ci/install
	@.ci/install '$(strip $(PYTHON))' .
	@touch $@

$(DEV): .venv/.installed
	@.ci/install '$(strip $(PYTHON))' '.[dev]'
	@touch $@

# --- the checks ----------------------------------------------------------------------------------

.PHONY: test lint format types contracts unit stress fix
test: lint format types contracts unit  ## every check; a thirtieth of the named volumes

lint: $(DEV)  ## ruff's rules
	$(BIN)/ruff check .

format: $(DEV)  ## ruff's format, checked (`make fix` rewrites)
	$(BIN)/ruff format --check .

types: $(DEV)  ## mypy, strict
	$(BIN)/mypy

contracts: $(DEV)  ## imports: the floors, no circles
	$(BIN)/lint-imports --no-logo
	$(BIN)/lint-imports --no-logo --config .ci/circles.toml

unit: $(DEV)  ## the tests, the snippets of the docs, the examples
	$(BIN)/python -m pytest -n $(strip $(JOBS)) --dist worksteal $(ARGS)

stress: $(DEV)  ## the tests at full volume, the real agents among them
	BEAM_STRESS=1 $(BIN)/python -m pytest -n $(strip $(JOBS)) --dist worksteal \
		--timeout $(STRESS_HANG_LIMIT) $(ARGS)
	BEAM_STRESS=1 $(MAKE) test-agents ARGS='--timeout $(STRESS_HANG_LIMIT) $(ARGS)'

# Real agents, in an environment of their own: `make test` must pass without the extras.
AGENTS_VENV := $(strip $(AGENTS))/venv
AGENTS_TEST := $(AGENTS_VENV)/bin/python -m tests.agents.alone $(AGENTS_VENV)/bin/python -m pytest

# It starts twenty programs at once, and keeps the machine from whatever runs beside it.
FLEET := tests/agents/test_fleet_of_twenty.py
# What pytest ends with if ARGS choose none of its tests.
NONE_CHOSEN := 5

.PHONY: test-agents
test-agents: $(AGENTS_VENV)/.installed  ## the real agents, offline, against a model of our own
	BEAM_AGENTS_CACHE='$(strip $(AGENTS))' $(AGENTS_VENV)/bin/python -m tests.agents.programs
	BEAM_AGENTS_CACHE='$(strip $(AGENTS))' $(AGENTS_TEST) tests/agents -n 2 --dist loadscope \
		--ignore $(FLEET) $(ARGS) || [ $$? -eq $(NONE_CHOSEN) ]
	BEAM_AGENTS_CACHE='$(strip $(AGENTS))' $(AGENTS_TEST) $(FLEET) $(ARGS) || [ $$? -eq $(NONE_CHOSEN) ]

$(AGENTS_VENV)/.installed: pyproject.toml .ci/install
	@mkdir -p $(@D)
	@.ci/install '$(strip $(PYTHON))' '.[dev,agents,node]' '$(AGENTS_VENV)'
	@touch $@

fix: $(DEV)  ## rewrite what ruff can put right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# --- to look at ----------------------------------------------------------------------------------

.PHONY: demo bench bench-agents
demo: .venv/.installed  ## survey the standard library with a fleet under chaos
	$(BIN)/python -m examples.demo $(ARGS)

bench: .venv/.installed-bench  ## measure, next to Erlang and the Python peers (benchmarks/README.md)
	$(BIN)/python -m benchmarks.run $(ARGS)

bench-agents: $(AGENTS_VENV)/.installed  ## what the fleet adds to each real agent, beside its bare client
	BEAM_AGENTS_CACHE='$(strip $(AGENTS))' $(AGENTS_VENV)/bin/python -m tests.agents.programs
	BEAM_AGENTS_CACHE='$(strip $(AGENTS))' $(AGENTS_VENV)/bin/python -m tests.agents.alone \
		$(AGENTS_VENV)/bin/python -m benchmarks.agents $(ARGS)

.venv/.installed-bench: .venv/.installed
	@.ci/install '$(strip $(PYTHON))' '.[bench]'
	@benchmarks/setup.sh $(BIN)/python
	@touch $@

# --- the package ---------------------------------------------------------------------------------

.PHONY: build clean
build: $(DEV)  ## wheel and sdist into dist/
	rm -rf dist
	$(BIN)/python -m hatchling build

clean:  ## remove the environment, caches and builds
	rm -rf .venv .cache dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -type d -name __pycache__ -prune -exec rm -rf {} +
