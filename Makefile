# Two commands matter: `make up` and `make test`. They install or build everything they need.
.DEFAULT_GOAL := help
.PHONY: help setup up preview down show enter test faults faults-all long lint bench bench-fleet conformance load

PYTHON := .venv/bin/python
ARGS ?=
MACHINES ?=
MACHINE ?= control01
# Most tests wait rather than compute, so more workers than cores are useful; ARGS='-n 0' runs one test at a time.
WORKERS := -n 8
LAB ?= dev
# The tests read it from the environment.
export K3S ?=

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  LAB=dev            the lab's name; labs with different names run side by side (all targets on a lab)"
	@echo "  MACHINES=4         at least this many machines; default: three, or the existing ones (up)"
	@echo "  K3S=/path/to/k3s   a K3s binary, or a release such as v1.34.4+k3s1, in the look-alike's place (up, test)"
	@echo "  MACHINE=control01  the machine to enter; the others are cube01, cube02 and so on (enter)"
	@echo "  ARGS='...'         a command instead of a shell (enter), arguments for pytest (test)"

setup: ## Create the Python environment .venv (the other targets do this when needed)
	@lab/setup.sh

up: setup ## Start the lab, run `pulumi up` on its stack and show the registry working (root)
	@$(PYTHON) -m lab --name $(LAB) up $(if $(MACHINES),--machines $(MACHINES)) $(if $(K3S),--k3s '$(K3S)')
	@$(PYTHON) -m lab --name $(LAB) deploy

preview: setup ## Show the whole plan of the lab's stack, offline (no root)
	@$(PYTHON) -m lab preview

show: setup ## Show the lab's machines, and how to enter them (root)
	@$(PYTHON) -m lab --name $(LAB) show

enter: setup ## Open a root shell, or run the command ARGS, on a machine (root)
	@$(PYTHON) -m lab --name $(LAB) enter $(MACHINE) $(ARGS)

down: setup ## Stop the lab and those of killed test runs; cache, .venv and packages are kept (root)
	@$(PYTHON) -m lab --name $(LAB) down --tests

lint: setup ## Check types, style and shell scripts
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/mypy .
	@find . -name '.?*' -prune -o -name '*.sh' -print | xargs .venv/bin/shellcheck .ci/run

test: lint ## Run every test except the slow ones, on the lab too; ARGS='...' goes to pytest
	@$(PYTHON) -m lab prepare
	@$(PYTHON) -m pytest $(WORKERS) -m "not long" $(ARGS)

faults: setup ## Inject faults at some steps of the node scripts, as `make test` does, and count the survived ones (root)
	@$(PYTHON) -m lab prepare
	@$(PYTHON) -m pytest tests/faults --log-cli-level=INFO $(ARGS)

faults-all: setup ## Inject faults at every step (root, one to two hours)
	@$(PYTHON) -m lab prepare
	@$(PYTHON) -m pytest tests/faults --every-step --log-cli-level=INFO $(ARGS)

long: setup ## Run the slow tests (minutes each): rotation and renewal of certificates under load (root)
	@$(PYTHON) -m lab prepare
	@$(PYTHON) -m pytest -m long $(ARGS)

bench: setup ## Measure how fast nodes are configured, compared with ssh and the guide's ansible (root, half an hour)
	@bench/setup.sh
	@$(PYTHON) -m bench nodes $(ARGS)

bench-fleet: setup ## Measure 100 and 300 pretend nodes, compared with the same graph with empty payloads
	@$(PYTHON) -m bench fleet $(ARGS)

conformance: up ## Run OCI's conformance suite against the lab's registry, compared with the same registry alone (root)
	@$(PYTHON) -m bench conformance --lab $(LAB) $(ARGS)

load: up ## Push and pull for two minutes while the lab's registry changes its pods and its certificate (root)
	@$(PYTHON) -m bench load --lab $(LAB) $(ARGS)
