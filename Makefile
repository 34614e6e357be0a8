# Everything here needs Python 3.11 or newer, make, and nothing else.

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PORT ?= 8000
# Processes of the test run, and more arguments for it: make test ARGS="-k offers"
JOBS ?= 2
ARGS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTEST := $(BIN)/python -m pytest --quiet --numprocesses $(JOBS) --dist worksteal
# The settings of the tests are complete without an .env file.
MANAGE := DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python manage.py
UV_COMPILE := $(BIN)/uv pip compile pyproject.toml --python-version 3.11 --universal --generate-hashes \
	--no-emit-index-url --no-header --quiet

# Passes over a python3.11 that only pretends (a version manager's stand-in), and one that cannot make environments.
FIND_PYTHON := for name in python3.11 python3; do \
	"$$name" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done

.PHONY: help run test test-sqlite test-postgres check format lint types imports templates translations migrations locked \
	deploy fmt messages lock bench chaos clean

help:  ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

# --- Environment ------------------------------------------------------------------------------------------------------

$(BIN)/python:
	@python=$$($(FIND_PYTHON)); \
	if [ -z "$$python" ]; then \
		echo "Regulars needs Python 3.11 or newer, as python3.11 or python3, with its venv module" \
			"(on Debian and Ubuntu: the package python3-venv)." >&2; exit 1; \
	fi; \
	"$$python" -m venv .venv || { rm -rf .venv; exit 1; }

# What is installed, as stamps: the second time is quick.
.venv/run.stamp: requirements.txt | $(BIN)/python
	@echo "Installing the locked requirements; this is needed once."
	@$(PIP) install --require-hashes -r requirements.txt
	@touch $@

.venv/dev.stamp: requirements-dev.txt | $(BIN)/python
	@echo "Installing the locked requirements of tests and checks; this is needed once."
	@$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@

.env: | $(BIN)/python
	@$(BIN)/python -m config.env_file $(PORT)

# --- Product ----------------------------------------------------------------------------------------------------------

run: .venv/run.stamp .env  ## Set up what is missing, then run the web server and the worker (PORT=8000).
	@$(BIN)/python manage.py run --port $(PORT)

bench: .venv/dev.stamp  ## Measure what the README claims.
	@$(BIN)/python -m benchmarks $(ARGS)

# --- Tests ------------------------------------------------------------------------------------------------------------

test: test-sqlite test-postgres  ## Run all tests on SQLite, and on PostgreSQL where there is one (ARGS="-k offers").

test-sqlite: .venv/dev.stamp
	@echo "Tests on SQLite:"
	@env -u TEST_DATABASE_URL $(PYTEST) $(ARGS)

# What no database can change runs once, on SQLite: tests/conftest.py says what that is.
test-postgres: .venv/dev.stamp
	@echo "Tests on PostgreSQL, without those that no database can change, which have run:"
	@$(BIN)/python scripts/postgres.py $(PYTEST) $(ARGS)

# Messages, kills and the seed of what is killed when; without one, another each time.
PEOPLE ?= 10000
KILLS ?= 20
SEED ?=
CHAOS := CHAOS_PEOPLE=$(PEOPLE) CHAOS_KILLS=$(KILLS) CHAOS_SEED=$(SEED) $(BIN)/python -m pytest --quiet \
	--numprocesses 0 --capture no tests/chaos

chaos: .venv/dev.stamp  ## Kill what sends 10,000 mails, 20 times, on each database (SEED=123 does it again).
	@env -u TEST_DATABASE_URL $(CHAOS) $(ARGS)
	@$(BIN)/python scripts/postgres.py env $(CHAOS) $(ARGS)

# --- Checks -----------------------------------------------------------------------------------------------------------

check: format lint types imports templates translations migrations locked deploy  ## Check everything that needs no test.

format: .venv/dev.stamp
	@$(BIN)/ruff format --check .

lint: .venv/dev.stamp
	@$(BIN)/ruff check .

types: .venv/dev.stamp
	@$(BIN)/mypy

imports: .venv/dev.stamp
	@$(BIN)/lint-imports

templates: .venv/dev.stamp
	@find . -path ./.venv -prune -o -path ./var -prune -o -path '*/templates/*.html' -print0 \
		| xargs -0 -r $(BIN)/djade --check --target-version 5.2
	@echo "Templates are formatted."

translations: .venv/dev.stamp
	@$(BIN)/python scripts/messages.py --check

migrations: .venv/dev.stamp
	@$(MANAGE) makemigrations --check --dry-run

locked: .venv/dev.stamp
	@$(BIN)/python scripts/check_locked.py

# As a server has it: fresh keys, https, nothing of this shell.
deploy: .venv/dev.stamp
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	$(BIN)/python -c 'import pathlib, sys; from config.env_file import write_env; write_env(pathlib.Path(sys.argv[1]))' \
		"$$folder/env" && \
	env -i PATH="$$PATH" ENV_FILE="$$folder/env" DATABASE_URL="sqlite:///$$folder/app.sqlite3" DEBUG=false \
		PUBLIC_BASE_URL=https://deals.example.com $(BIN)/python manage.py check --deploy --fail-level WARNING

# --- Upkeep -----------------------------------------------------------------------------------------------------------

fmt: .venv/dev.stamp  ## Format the code and the templates, and mend what can be mended.
	@$(BIN)/ruff check --fix --exit-zero --quiet .
	@$(BIN)/ruff format .
	@find . -path ./.venv -prune -o -path ./var -prune -o -path '*/templates/*.html' -print0 \
		| xargs -0 -r $(BIN)/djade --target-version 5.2 || true

messages: .venv/dev.stamp  ## Collect the words people read for the translators, and compile what is translated.
	@$(BIN)/python scripts/messages.py

lock: | $(BIN)/python  ## Lock the dependencies of pyproject.toml with their hashes (ARGS=--upgrade for newer ones).
	@$(PIP) install uv
	@$(UV_COMPILE) $(ARGS) --output-file requirements.txt >/dev/null
	@$(UV_COMPILE) $(ARGS) --group dev --constraint requirements.txt --output-file requirements-dev.txt >/dev/null
	@$(BIN)/python scripts/check_locked.py --stamp
	@$(BIN)/python scripts/check_locked.py

clean:  ## Remove .venv and the caches. Your data in var/ and your keys in .env stay.
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis var/static var/static.stamp
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
