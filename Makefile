# The steps of .ci/run, one by one, in an environment with `pip install -e '.[dev,docs]'`.
.PHONY: all lint types docs test benchmarks beam

all: lint types docs test

lint:
	ruff check .
	ruff format --check .

types:
	pyright
	lint-imports

docs:
	mkdocs build --strict --quiet

test:
	python -m pytest

benchmarks:
	python -m pytest -m slow tests/benchmarks

# in an environment of its own, with constraints-beam.txt
beam:
	python -m pytest tests/serving/test_beam.py
