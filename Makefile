# Two commands matter: `make up` and `make test`. Everything they need, they install or build themselves.
.DEFAULT_GOAL := help
.PHONY: help setup up preview down show enter test faults faults-all long lint bench bench-fleet

PYTHON := .venv/bin/python
ARGS ?=
MACHINES ?=
MACHINE ?= control01
# Most tests wait rather than compute, so there may be more workers than cores; ARGS='-n 0' runs one test at a time.
WORKERS := -n 4
LAB ?= dev

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  LAB=dev            the lab's name: several run side by side (up, show, enter, down)"
	@echo "  MACHINES=4         at least so many machines; without it three, or those that are there (up)"
	@echo "  MACHINE=control01  the machine to enter; cube01, cube02 and so on are the others (enter)"
	@echo "  ARGS='...'         a command instead of a shell (enter), arguments of pytest (test)"

setup: ## Python environment in .venv (the other targets do this by themselves)
	@lab/setup.sh

up: setup ## Start the lab, run `pulumi up` on its stack and show the registry working (root)
	@$(PYTHON) -m lab --name $(LAB) up $(if $(MACHINES),--machines $(MACHINES))
	@$(PYTHON) -m lab --name $(LAB) deploy

preview: setup ## Show the whole plan of the lab's stack by the real engine, offline (no root)
	@$(PYTHON) -m lab preview

show: setup ## Show the lab's machines, and how to enter them (root)
	@$(PYTHON) -m lab --name $(LAB) show

enter: setup ## A root shell, or the command ARGS, on a machine (root)
	@$(PYTHON) -m lab --name $(LAB) enter $(MACHINE) $(ARGS)

down: setup ## Stop the lab, and those that a killed test run has left; cache, .venv and packages stay (root)
	@$(PYTHON) -m lab --name $(LAB) down --tests

lint: setup ## Types, style and shell scripts
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/mypy .
	@find . -name '.?*' -prune -o -name '*.sh' -print | xargs .venv/bin/shellcheck .ci/run

test: lint ## Every test, the lab's too; ARGS='...' goes to pytest
	@$(PYTHON) -m lab prepare
	@$(PYTHON) -m pytest $(WORKERS) -m "not long" $(ARGS)

faults: setup ## Faults at some steps of what is done on a node, as `make test` does; ends with how many it survived (root)
	@$(PYTHON) -m lab prepare
	@$(PYTHON) -m pytest tests/faults --log-cli-level=INFO $(ARGS)

faults-all: setup ## The same at every step (root, an hour or two)
	@$(PYTHON) -m lab prepare
	@$(PYTHON) -m pytest tests/faults --every-step --log-cli-level=INFO $(ARGS)

long: setup ## What takes minutes on its own: rotation and renewal of certificates under load (root)
	@$(PYTHON) -m lab prepare
	@$(PYTHON) -m pytest -m long $(ARGS)

bench: setup ## How fast nodes are configured, against one ssh exec each and the guide's ansible (root, half an hour)
	@bench/setup.sh
	@$(PYTHON) -m bench nodes $(ARGS)

bench-fleet: setup ## How fast 300 pretend nodes are, against the same graph with empty payloads
	@$(PYTHON) -m bench fleet $(ARGS)
