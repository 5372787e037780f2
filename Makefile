# The steps of .ci/run, one by one, in an environment with `pip install -e '.[dev,docs]'`.
.PHONY: all lint types docs test long benchmarks spark beam

all: lint types docs test

lint:
	ruff check .
	ruff format --check .

types:
	pyright
	lint-imports

docs:
	mkdocs build --strict

test:
	python -m pytest

long:
	python -m pytest -m 'long and not slow'

benchmarks:
	python -m pytest -m slow tests/benchmarks

# with the extras spark and ray, and Java 17 or later
spark:
	python -m pytest -n 0 -m 'spark or ray' tests/serving tests/benchmarks

# in an environment of its own, with constraints-beam.txt
beam:
	python -m pytest tests/serving/beam
