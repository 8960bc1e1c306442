# Needs make and Python 3.11 or later. Everything else goes into .venv, each package pinned by version and hash.

# a Python to prefer: make PYTHON=python3.12 setup
PYTHON ?=
# more for the command of a target: make test ARGS="-k ledger"
ARGS ?=

BIN := .venv/bin
# most of what takes long is waiting for real processes: three at a time keep two cores busy
PYTEST := $(BIN)/pytest --numprocesses=3 --dist=worksteal
# their time is sped up, so scrapes must not be late: beside nothing else
ALERTING := $(BIN)/pytest -m alerting --numprocesses=0 tests/e2e/alerting
# once with the servers that are installed, and once with those of scripts/newest-servers, where they were built
INSTALLED := BYTESPIKE_TEST_SERVERS=installed $(ALERTING)
NEWEST := BYTESPIKE_TEST_SERVERS=newest $(ALERTING)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# each process compiles what it imports otherwise, and the tests start hundreds
unexport PYTHONDONTWRITEBYTECODE
# what is installed, as files that are newer than what asked for it
DEPENDENCIES := .venv/dependencies.stamp
PROJECT := .venv/project.stamp

.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help setup demo test slow long newcomer alerting servers sbom audit check lint format docs schema lock bench soak chaos clean

help: ## list what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s%s\n", $$1, $$2 }' Makefile

setup: $(PROJECT) ## make .venv with the pinned dependencies and this project

$(DEPENDENCIES): requirements/dev.lock
	@echo "Setting up .venv: about a minute, once."
	@python=$$(sh scripts/find-python $(PYTHON)) && "$$python" -m venv --clear .venv
	@$(PIP) install --require-hashes -r requirements/dev.lock
	@touch $@

# the build backend is one of the pinned dependencies, so nothing is fetched here
$(PROJECT): $(DEPENDENCIES) pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## run simulator, exporter and, where installed, Prometheus and Alertmanager
	@$(BIN)/bytespike-exporter demo $(ARGS)

test: setup ## run the suite, less than five minutes: everything but the targets below
	@$(PYTEST) $(ARGS)

slow: setup ## run the tests that take seconds each, most of them for real processes
	@$(PYTEST) -m "slow and not long and not alerting" $(ARGS)

long: setup ## run the tests that take longer than the suite may, and the rules with the newest promtool
	@$(PYTEST) -m long $(ARGS)

newcomer: setup ## install wheel and image as a new user does; fetches what they need from PyPI
	@$(PYTEST) -m long tests/packaging/test_newcomer.py $(ARGS)

alerting: setup ## run each scenario against the real Prometheus and Alertmanager
	@$(INSTALLED) $(ARGS)
	@$(NEWEST) $(ARGS)

servers: ## build the newest Prometheus and Alertmanager, to test with them as well; needs Go
	@scripts/newest-servers

sbom: setup ## build the wheel into dist, and write its SBOM (CycloneDX) beside it
	@rm -rf dist
	@$(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist .
	@$(BIN)/python scripts/sbom.py dist/bytespike-exporter.cdx.json

audit: setup ## look for known faults in what is pinned; asks PyPI's advisories
	@for lock in runtime build dev; do \
		$(BIN)/pip-audit --disable-pip --require-hashes --requirement requirements/$$lock.lock $(ARGS) || exit; done

# tests come last, so that their summary closes the output
check: lint schema ## everything that CI checks: lint, schema, suite and slow with branch coverage, long, alerting
	$(PYTEST) -m "not long and not alerting" --cov --cov-report=term $(ARGS)
	$(PYTEST) -m long $(ARGS)
	$(INSTALLED)
	$(NEWEST)

lint: setup ## formatting, types, YAML, Dockerfile, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/yamllint --strict .
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml
	$(BIN)/check-jsonschema --schemafile config/exporter.schema.json config/exporter.yml
	$(BIN)/python scripts/generated.py check

format: setup ## put the Python code in the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup ## write the generated files anew
	$(BIN)/python scripts/generated.py write

# the schema is made from npm packages each time: it is Grafana's, and too large to keep
schema: setup ## hold the dashboards against Grafana's strict schema, where there is npm
	@if command -v npm >/dev/null; then $(BIN)/python scripts/dashboard_schema.py; \
	else echo "There is no npm here: the dashboards are not held against Grafana's schema."; fi

# dev.lock leads and the others follow it: what is shipped is what was tested
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-strip-extras --custom-compile-command "make lock" $(ARGS)
lock: setup ## write the lock files anew; ARGS=--upgrade takes the newest versions
	$(COMPILE) pyproject.toml --group dev --output-file requirements/dev.lock
	$(COMPILE) pyproject.toml --extra postgres --constraint requirements/dev.lock --output-file requirements/runtime.lock
	$(COMPILE) --group build --constraint requirements/dev.lock --output-file requirements/build.lock

bench: setup ## print every figure beside its peer and its goal, within ten minutes
	@$(BIN)/python -m benchmarks.report $(ARGS)

soak: setup ## run the real program for an hour, with faults; ARGS="--seconds 300" for less
	@$(BIN)/python -m benchmarks.soak $(ARGS)

chaos: setup ## replicas over a real PostgreSQL for ten minutes, with faults; ARGS="--seconds 60 --seed 1" for others
	@$(BIN)/python -m benchmarks.chaos $(ARGS)

clean: ## remove what was made here, .venv included; a ledger in data/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.* htmlcov build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
