# What a person does with this checkout. `make` alone lists it.

PYTHON := .venv/bin/python
ROWS   ?=
KEEP   ?=
TESTS  ?= tests
JOBS   ?= 3
export ROWS KEEP

.DEFAULT_GOAL := help
.PHONY: help setup test test-embedded test-debian demo bench lint lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / {printf "%-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what is missing (Debian packages, .venv) and say why
	@tools/bootstrap

test: test-embedded test-debian ## all tests on the embedded PostgreSQL, the engine's on Debian's, too

test-embedded: setup ## all tests on the embedded PostgreSQL; TESTS=tests/test_db.py for some
	$(PYTHON) -m pytest -n $(JOBS) --dist worksteal $(TESTS)

# JOBS processes, each with a server of its own; JOBS=0 for a debugger.
# What depends on the server's version is marked "both"; the rest would only repeat itself.
test-debian: setup ## the tests marked "both" on Debian's PostgreSQL
	@version=$$(ls /usr/lib/postgresql 2>/dev/null | sort -n | tail -n 1); \
	if [ -x "/usr/lib/postgresql/$$version/bin/postgres" ]; then \
	    PGTANDEM_TEST_PG=$$version $(PYTHON) -m pytest -n $(JOBS) --dist worksteal -m both $(TESTS); \
	else \
	    echo "No PostgreSQL of Debian's here: tested on the embedded one alone."; \
	fi

demo: demo-gear ## the whole road on examples/gear; ROWS=1000000 for more, KEEP=1 to look around after

demo-%: setup ## the same on another example: demo-unified_profiles, demo-danci, ...
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(PYTHON) tools/demo $*

bench: setup ## measure against what one would write by hand; ROWS=1000000 as published
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(PYTHON) -m bench

lint: setup ## ruff, mypy, squawk, plpgsql_check, the house style, the docs
	$(PYTHON) -m pytest tests/test_lint.py tests/test_structure.py tests/test_style.py tests/test_docs.py

# Nothing of this machine may get into the lock: no index, no path. Upgrades all packages.
lock: setup ## resolve requirements.lock anew from pyproject.toml
	@mkdir -p .cache
	@printf '%s\n' \
	    "# Every Python package that this project's own .venv holds, with hashes, for the extras dev and" \
	    '# bench. Made by `make lock` from pyproject.toml; never edited by hand.' > .cache/lock
	$(PYTHON) -m piptools compile --quiet --upgrade --extra dev --extra bench --generate-hashes \
	    --allow-unsafe --strip-extras --no-header --no-annotate --no-emit-options \
	    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	    --output-file - pyproject.toml >> .cache/lock
	mv .cache/lock requirements.lock

clean: ## remove what setup, the tests and builds left in this directory
	rm -rf .venv .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find tools tests examples -name __pycache__ -type d -prune -exec rm -rf {} +
