# Everything goes into .venv; nothing outside the checkout is touched but the user's data directory, by the demo.
PYTHON ?= python3
BIN := .venv/bin
EXPORT := .venv-export-test/bin
RUNTIME ?= cpu
IMAGES ?=

.DEFAULT_GOAL := help
.PHONY: help install demo test test-export check lint bench screenshots proto wheel wheel-test clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/.installed ## everything for work and tests, into .venv
demo: .venv/.demo ## real photos, a collection, a server, ranked pictures (IMAGES=folder for your own)
	$(BIN)/pixkin demo $(if $(IMAGES),--images "$(IMAGES)")
test: install lint wheel-test ## lint, and all tests against the built wheel
check: install ## the one-minute version of the tests, on the checkout
	$(BIN)/python -m pytest -q -x -m "not slow"
lint: install ## ruff, mypy, import rules, spelling
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy && $(BIN)/mypy tests/public_api.py
	$(BIN)/lint-imports
	$(BIN)/codespell
bench: install ## speed and memory: a table, and JSON in benchmarks/results
	$(BIN)/python benchmarks/run.py
screenshots: install ## the pictures of the page in docs/images, by a real Chromium
	$(BIN)/python scripts/screenshots.py docs/images
proto: .venv-proto/.installed ## regenerate the stubs from the .proto files
	.venv-proto/bin/python tests/proto/generate.py proto
clean: ## remove what the other targets made
	rm -rf .venv .venv-proto .venv-wheel .venv-export-test dist .build .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The wheel is tested, not the checkout: its own environment sees pixkin only as installed.
wheel: .venv/.installed
	rm -rf dist && $(BIN)/python -m build --wheel --outdir dist . > .build.log 2>&1 || (cat .build.log; exit 1); rm -f .build.log

wheel-test: wheel .venv-proto/.installed
	$(PYTHON) -m venv --clear .venv-wheel
	.venv-wheel/bin/python -m pip install --quiet --upgrade pip
	.venv-wheel/bin/python -m pip install --quiet --group test "pixkin[$(RUNTIME),demo,eval,reflection,opensearch-local,sigv4] @ file://$(CURDIR)/$$(ls dist/*.whl)"
	.venv-wheel/bin/python -m pytest

# What is installed stays for the next time; pixkin itself is always the wheel just built.
test-export: wheel ## the tests of exports that need PyTorch, in .venv-export-test (6 GB)
	test -x $(EXPORT)/python || $(PYTHON) -m venv .venv-export-test
	$(EXPORT)/python -m pip install --quiet --upgrade pip
	$(EXPORT)/python -m pip install --quiet --group test "pixkin[$(RUNTIME),export] @ file://$(CURDIR)/$$(ls dist/*.whl)"
	$(EXPORT)/python -m pip install --quiet --force-reinstall --no-deps dist/*.whl
	$(EXPORT)/python -m pytest tests/export_torch

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "pixkin needs Python 3.11 or newer; say which with: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/.demo: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet -e ".[$(RUNTIME),demo]"
	touch $@

.venv/.installed: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --group dev -e ".[$(RUNTIME),demo,eval,reflection,opensearch-local,sigv4]"
	touch $@ .venv/.demo

.venv-proto/.installed: tests/proto/requirements.txt
	$(PYTHON) -m venv .venv-proto
	.venv-proto/bin/python -m pip install --quiet -r tests/proto/requirements.txt
	touch $@
