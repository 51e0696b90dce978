# Two commands matter: `make up` and `make test`. Everything they need, they install or build themselves.
.DEFAULT_GOAL := help
.PHONY: help setup up preview down show test lint

PYTHON := .venv/bin/python
ARGS ?=
LAB ?= dev

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Python environment in .venv (the other targets do this by themselves)
	@lab/setup.sh

up: setup ## Start the lab (LAB=dev), run `pulumi up` on its stack and show the registry working (root)
	@$(PYTHON) -m lab --name $(LAB) up
	@$(PYTHON) -m lab --name $(LAB) deploy

preview: setup ## Show the whole plan of the lab's stack by the real engine, offline (no root)
	@$(PYTHON) -m lab preview

show: setup ## Show the lab's machines, and how to enter them
	@$(PYTHON) -m lab --name $(LAB) show

down: setup ## Stop the lab and remove everything it made outside its cache
	@$(PYTHON) -m lab --name $(LAB) down

lint: setup ## Types, style and shell scripts
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/mypy .
	@git ls-files '*.sh' .ci/run | xargs .venv/bin/shellcheck

test: lint ## Every test, the lab's too; ARGS='...' goes to pytest
	@$(PYTHON) -m pytest $(ARGS)
