# Everything from nothing: each target makes .venv with pip where it is missing or stale.
PYTHON ?= python3
BIN := .venv/bin

WORKERS ?= 2
# A thread for each process: small networks are slower on several, and far slower on a busy machine.
test test-slow coverage: export OMP_NUM_THREADS = 1

.PHONY: demo test test-slow coverage lint docs notebooks bench bench-quick bench-gpu clean

demo: .venv/made
	$(BIN)/gan-augment demo --out gan-augment-demo

test: .venv/made
	$(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist worksteal

test-slow: .venv/made
	$(BIN)/python -m pytest -m slow -n $(WORKERS) --dist worksteal

coverage: .venv/made
	rm -f .coverage .coverage.*
	$(BIN)/python -m coverage run -m pytest -m "not slow" -n $(WORKERS) --dist worksteal
	$(BIN)/python -m coverage combine -q
	$(BIN)/python -m coverage report

lint: .venv/made
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The documentation, in site/. Its links to the repository lead to the remote `origin`, if that is a web host.
REPOSITORY_URL ?= $(shell git remote get-url origin 2>/dev/null | sed -nE 's|^git@([^:]+):|https://\1/|; s|^(https://)[^/]*@|\1|; s|\.git$$||; /^https:/p')

docs: export REPOSITORY_URL := $(REPOSITORY_URL)
docs: export EDIT_URI := $(if $(REPOSITORY_URL),edit/main/docs/)
docs: .venv/made
	$(BIN)/python -m mkdocs build --strict

# The notebooks of examples/notebooks/, with their outputs, from the scripts beside them.
notebooks: .venv/made
	$(BIN)/python -m tools.make_notebooks

# The table of docs/performance.md. Its training rows need the peer, which comes from GitHub if EXAMPLES is not given.
EXAMPLES ?= .peers/examples

bench: .venv/made $(EXAMPLES)
	$(BIN)/python -m benchmarks.import_time
	$(BIN)/python -m benchmarks.table --examples $(EXAMPLES) $(if $(OUT),--out $(OUT))
	$(BIN)/python -m benchmarks.growth

bench-quick: .venv/made
	$(BIN)/python -m benchmarks.table --quick --examples $(EXAMPLES)

bench-gpu: .venv/made $(EXAMPLES)
	$(BIN)/python -m benchmarks.table --device cuda --examples $(EXAMPLES)

.peers/examples:
	git clone --quiet --depth 1 https://github.com/pytorch/examples $@

.venv/made: pyproject.toml zoo/faces/pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet torch torchvision
	$(BIN)/python -m pip install --quiet --editable '.[dev]' --editable zoo/faces
	touch $@

clean:
	rm -rf .venv build dist site *.egg-info zoo/faces/build zoo/faces/*.egg-info .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis
