# Two commands: `make audit` looks at the bundled sample, `make test` proves the checkout.
PYTHON ?= python3
RUN := .venv/bin/python -m

.PHONY: audit test test-all lint types install lock render clean
.DEFAULT_GOAL := audit

install:
	@$(PYTHON) scripts/install.py

audit: install
	.venv/bin/claimledger audit --config data/samples/claimledger.toml --lake lake

lint: install
	$(RUN) ruff check .
	$(RUN) ruff format --check .

types: install
	$(RUN) mypy

test: lint types
	$(RUN) pytest -m "not slow"

test-all: lint types
	$(RUN) pytest

render: install ## expectations, data dictionary and other generated files
	$(RUN) tasks.render

lock: install ## resolve again; CUDA packages are left out on purpose (see scripts/install.py)
	.venv/bin/uv pip compile --universal --python-version 3.11 --all-extras --no-emit-index-url \
		--no-annotate --no-header pyproject.toml \
		| grep -vE '^(nvidia-|cuda-|triton)' > requirements.lock

clean:
	rm -rf .venv build lake *.egg-info .mypy_cache .ruff_cache .pytest_cache
