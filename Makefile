# Two commands: `make audit` looks at the bundled sample, `make test` proves the checkout.
PYTHON ?= python3
RUN := .venv/bin/python -m
# A process per core, of a gigabyte or two each; the tests of a file stay together, for they share what is dear.
PARALLEL := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: audit test test-all lint types install develop lock render clean
.DEFAULT_GOAL := audit

install: ## what an audit needs
	@$(PYTHON) scripts/install.py

develop: ## and what tests, benchmarks and extras need
	@$(PYTHON) scripts/install.py --dev

audit: install
	.venv/bin/claimledger audit --config data/samples/claimledger.toml --lake lake

lint: develop
	$(RUN) ruff check .
	$(RUN) ruff format --check .

types: develop
	$(RUN) mypy

test: lint types
	$(RUN) pytest $(PARALLEL) -m "not slow"

test-all: lint types
	$(RUN) pytest $(PARALLEL)

render: develop ## expectations, data dictionary and other generated files
	$(RUN) tasks.render

lock: develop ## resolve again: requirements.lock for users, requirements-dev.lock for the rest
	.venv/bin/python scripts/lock.py

clean:
	rm -rf .venv build lake *.egg-info .mypy_cache .ruff_cache .pytest_cache
