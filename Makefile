# One word a job, the same by hand and in CI. Each target sets up its own environment in .venv, once.
.PHONY: demo test relion check format docs bench bench-beads bench-deformation bench-estimation bench-experimental bench-fit bench-map-only bench-projectors bench-reading bench-modes bench-pseudoatoms clean
.DEFAULT_GOAL := check

PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin
DATA ?= ../shared/data
RESULTS ?= benchmarks/results
STAMP := .venv/.installed-from-constraints
APT_GET := DEBIAN_FRONTEND=noninteractive timeout 300 apt-get -qq -o DPkg::Lock::Timeout=120
# Waiting threads that spin take the cores of those that work.
export OMP_WAIT_POLICY := PASSIVE
export PYTHONHASHSEED := 0

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,docs]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/deephemnma run examples/demo.yaml -o demo

test: $(STAMP) relion
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --jaxtyping-packages=deephemnma,beartype.beartype

# For the tests marked relion: taken from the system's packages, once, where root can.
relion:
	@command -v relion_project >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get && \
		{ $(APT_GET) update; $(APT_GET) install -y --no-install-recommends relion; }; } >/dev/null 2>&1 \
		|| echo "RELION is not installed, and could not be: its tests are skipped."

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/test_house.py

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "Open site/index.html"

# The eight data sets of estimation against the Cramer-Rao bound: most of an hour of one core.
bench-estimation: $(STAMP)
	$(BIN)/python benchmarks/estimation.py --data "$(DATA)" --results "$(RESULTS)"

# The whole line on experimental particles and on simulated images of two classes: some 20 minutes of two cores.
bench-experimental: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/experimental_line.py --data "$(DATA)" --results "$(RESULTS)"

# Evaluations/s of every projector, share of the machine's peak, what each adds to the estimates: some ten minutes.
bench-projectors: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/projectors.py --data "$(DATA)" --results "$(RESULTS)"

# Estimate, train, predict and refine with a map as the only reference, beside the same with the atoms: some 20 minutes.
bench-map-only: $(STAMP)
	$(BIN)/python benchmarks/map_only.py --results "$(RESULTS)"

# Bonds and contacts under straight lines and turning blocks, and which comes nearer to 1AKE: half a minute.
bench-deformation: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/deformation.py --data "$(DATA)" --results "$(RESULTS)"

# Bead models beside all atoms, from adenylate kinase to an 80S ribosome: about four minutes of one core.
bench-beads: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/beads.py --data "$(DATA)" --results "$(RESULTS)"

# Normal modes beside ProDy, which gets an environment of its own and is left out where it cannot be installed: some ten minutes.
bench-modes: $(STAMP)
	test -x .venv-prody/bin/python || { $(PYTHON) -m venv .venv-prody && \
		.venv-prody/bin/python -m pip install --quiet --disable-pip-version-check setuptools prody==2.6.1; } \
		|| echo "ProDy could not be installed: its rows are left out."
	$(BIN)/python benchmarks/modes.py --data "$(DATA)" --prody .venv-prody/bin/python --results "$(RESULTS)"

# Known amplitudes from simulated maps, 4AKE into the map of 1AKE, experimental maps: some eight minutes of one core.
bench-fit: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/fit.py --data "$(DATA)" --results "$(RESULTS)"

# How many Gaussians stand for each map of the shared data at 5 % and 2 %: some two minutes.
bench-pseudoatoms: $(STAMP)
	OMP_NUM_THREADS=2 $(BIN)/python benchmarks/pseudoatoms.py --data "$(DATA)" --results "$(RESULTS)"

# Random batches of images beside a plain copy, and tables of a million rows: some three minutes of one core.
bench-reading: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/reading.py --results "$(RESULTS)"

bench: $(STAMP)
	$(BIN)/python benchmarks/estimation.py --sets 1,4,5 --images 16 --box-size 64 --estimate orientations=1000
	@if [ -d "$(DATA)" ]; then set -e; \
		$(BIN)/python benchmarks/hemnma.py --data "$(DATA)"; \
		$(BIN)/python benchmarks/experimental.py --data "$(DATA)"; \
	else echo "No shared data at $(DATA) (make bench DATA=...): the two benchmarks on real input were left out."; fi

clean:
	rm -rf .venv .venv-prody site build dist demo
