# `make check` is exactly what .ci/run runs, in the environment that is active.
.PHONY: check format lint types contracts test full

check: lint types contracts test

format:
	ruff format .
	ruff check --fix .

lint:
	ruff format --check .
	ruff check .

types:
	mypy
	mypy tests benchmarks docs/examples

contracts:
	lint-imports

test:
	pytest

# The full sizes of the long suites, by hand; results go into docs/.
full:
	pytest -m full
