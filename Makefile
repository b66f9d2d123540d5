# Everything a newcomer needs: `make demo` to see it work, `make test` to judge it. Asks for Python 3.11 or newer and nothing else.
.DEFAULT_GOAL := help
.PHONY: help demo test long lint coverage docs services clean

UV_VERSION := 0.13.9
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
REPORTS := .reports
ARGS ?=

# The environment is this folder's own, whatever the caller's shell has switched on; uv trusts the certificates that the machine trusts.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME
export UV_PROJECT_ENVIRONMENT := .venv
export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS := true

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  ARGS=... is handed on: make demo ARGS='--customers 500', make test ARGS='-k trace'"

demo: .venv/ready ## a small operator at work, in the terminal; Ctrl-C ends it
	@$(BIN)/mastercopy demo $(ARGS)

test: lint services ## lint and every test but the long ones (under 15 minutes)
	@mkdir -p $(REPORTS)
	$(BIN)/pytest -m "not long" --junitxml=$(REPORTS)/test.xml $(ARGS)

long: .venv/ready services ## the full counts: kills, soaks, large files (hours)
	@mkdir -p $(REPORTS)
	$(BIN)/pytest -m long --timeout=0 --junitxml=$(REPORTS)/long.xml $(ARGS)

lint: .venv/ready ## ruff, mypy, import contracts
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

coverage: .venv/ready services ## which lines the tests reach: a table here, pages in htmlcov/
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q -m "not long and not fault" $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage html --quiet
	$(BIN)/coverage report

docs: .venv/ready ## write the reference pages that the product says of itself
	$(BIN)/python docs/generate.py

services: ## the servers that tests start for themselves, from Debian's packages where that is possible
	@sh tests/services.sh

clean: ## throw away what make made
	rm -rf .venv .uv .reports .demo .services build dist htmlcov .coverage* *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

.venv/ready: .uv/bin/uv uv.lock pyproject.toml
	@echo "Setting up .venv (once) ..."
	@.uv/bin/uv sync --frozen --quiet --python .uv/bin/python
	@touch $@

.uv/bin/uv: Makefile
	@test -n "$(PYTHON)" || { echo "Mastercopy needs Python 3.11 or newer, and found none. Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -m venv --clear .uv || { rm -rf .uv; echo "$(PYTHON) cannot make virtual environments: install its venv package (Debian: apt install python3-venv)." >&2; exit 1; }
	@.uv/bin/python -m pip install -qq --disable-pip-version-check uv==$(UV_VERSION) || { rm -rf .uv; echo "pip could not fetch uv $(UV_VERSION): is a package index within reach?" >&2; exit 1; }
	@touch $@
