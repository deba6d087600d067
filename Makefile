# Everything a contributor types. `make` alone tests and lints; `make help` lists the rest.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
CODE := core seeds generator review finetune tests benchmarks docs examples
ROOMS := seeds generator review finetune
LINKS := build/typecheck/seedgate
export PYTHON

# What needs the environment says so where there is none, instead of "No such file or directory".
need = @test -x $(BIN)/$(1) || { echo "no $(BIN)/$(1): run \`make setup-dev\` first" >&2; exit 1; }

# CI keeps what was found as files.
junit = $(if $(SEEDGATE_ARTIFACTS),--junitxml=$(SEEDGATE_ARTIFACTS)/$(1).xml)

.NOTPARALLEL:
.DEFAULT_GOAL := all
.PHONY: all help setup setup-dev demo test unit e2e lint format typecheck bench docs clean

all: test lint ## the tests, then the linters (what a bare `make` does)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## the environment in .venv with torch, vLLM and training, and the services' parts (idempotent)
	.ci/setup.sh
	$(BIN)/python -m seedgate.services.prepare

setup-dev: ## setup, and the test tools
	.ci/setup.sh dev
	$(BIN)/python -m seedgate.services.prepare

demo: setup ## the whole cycle on the shipped example, in ./demo; minutes later you review it
	$(BIN)/seedgate demo

# Three at a time on two cores: a part of a unit test's time is waiting, for files and for services that come and go.
test: setup-dev lint typecheck ## every test, the end-to-end ones included
	$(BIN)/python -m pytest -m "not e2e" -n 3 --dist worksteal $(call junit,unit)
	$(BIN)/python -m pytest -m e2e $(call junit,e2e)

unit: ## the tests that start no services
	$(call need,python)
	$(BIN)/python -m pytest -m "not e2e" -n 3 --dist worksteal

e2e: ## only the tests on real vLLM, Argilla and browser
	$(call need,python)
	$(BIN)/python -m pytest -m e2e

lint: ## ruff's rules and its formatting, changing nothing
	$(call need,ruff)
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

format: ## let ruff fix and format
	$(call need,ruff)
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

# mypy can't follow setuptools' editable finder, so it reads a tree of links that has the installed shape.
typecheck: ## mypy, strict, on the whole package
	$(call need,mypy)
	@mkdir -p $(LINKS)
	@for path in core/*.py core/py.typed core/*/ $(ROOMS); do \
	  case $$path in */__pycache__/) continue;; esac; \
	  ln -sfn "../../../$${path%/}" "$(LINKS)/$$(basename "$$path")"; \
	done
	@find $(LINKS) -xtype l -delete
	MYPYPATH=build/typecheck $(BIN)/mypy -p seedgate

bench: ## every benchmark in its quick form
	$(call need,python)
	@set -e; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script" --quick; done

docs: ## write the CLI reference again from --help, and the table of attacks from the tests
	$(call need,python)
	$(BIN)/python docs/cli_reference.py
	$(BIN)/python docs/attack_table.py

clean: ## remove what tools made; .venv and workspaces stay
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis artifacts *.egg-info
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +
