# Needs Python 3.11 or newer and make, nothing else: everything is installed into .venv, from the locks.
PYTHON ?= python3
BIN := .venv/bin
DONE := .venv/.installed
# One more than there are cores: a third of the time the tests wait for other processes.
JOBS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')

# The tests start hundreds of processes: none of them has to compile the application anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo test check bench growth detect-report detect-rate openapi lock clean campaign-crash campaign-failover campaign-differential campaign-schemathesis campaign-bytes campaign-timing campaign-soak

install: $(DONE)

# The marker says that .venv is what the lock asks for; it is made last.
$(DONE): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: install
	$(BIN)/caretrail demo

# In their own order: files of few and long tests come early, or the last minutes would be one process's.
test: install
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/interrogate --quiet app
	$(BIN)/python -m pytest --quiet tests/http/test_openapi.py

bench: install
	$(BIN)/python -m tests.bench --out bench.json
	$(BIN)/python -m tests.bench.price

# Loads 10,000,000 entries into a PostgreSQL of its own (about 20 minutes, 20 GB): GROWTH_ENTRIES=1000000 for less.
growth: install
	$(BIN)/python -m tests.growth

# Four simulated homes of 90 days, then misuse of a server on each database: about twelve minutes on two cores.
detect-report: install
	$(BIN)/python -m tests.tools.detect_report --out detect.json

# Writes 60,000 entries on each database and has the consumer judge them: a minute.
detect-rate: install
	$(BIN)/python -m tests.tools.judging_rate

# Long runs; each writes its seeds and results into tests/campaigns/results.
campaign-crash: install
	$(BIN)/python -m tests.campaigns.crash sqlite 200
	$(BIN)/python -m tests.campaigns.crash postgresql 100
	$(BIN)/python -m tests.campaigns.crash cluster 20

ROUNDS ?= 100
campaign-failover: install
	$(BIN)/python -m tests.campaigns.failover $(ROUNDS)

campaign-differential: install
	$(BIN)/python -m tests.campaigns.differential
	$(BIN)/python -m tests.campaigns.differential --postgresql

campaign-schemathesis: install
	$(BIN)/python -m tests.campaigns.schemathesis_roles
	$(BIN)/python -m tests.campaigns.schemathesis_roles --database postgresql

campaign-bytes: install
	$(BIN)/python -m tests.campaigns.every_byte

campaign-timing: install
	$(BIN)/python -m tests.campaigns.sign_in_timing

# Half an hour on each database; MINUTES=150 judges memory after detection's windows are full.
MINUTES ?= 30
campaign-soak: install
	$(BIN)/python -m tests.campaigns.soak $(MINUTES)

openapi: install
	$(BIN)/python -m tests.tools.write_openapi

# Takes newer versions of what the project depends on. Needs uv; the locks hold for every platform. The others
# begin as copies of the development's: what stands in a lock is kept, so all of them have the same versions.
LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url
SHIPPED := requirements.lock requirements-extras.lock requirements-build.lock
lock:
	$(LOCK) --upgrade pyproject.toml --group dev -o requirements-dev.lock
	for lock in $(SHIPPED); do cp requirements-dev.lock $$lock; done
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) pyproject.toml --all-extras -o requirements-extras.lock
	$(LOCK) --group build -o requirements-build.lock

# Leaves caretrail-data alone: nothing that deletes records belongs in a clean-up.
clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
