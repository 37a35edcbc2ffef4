# What a person runs. `.ci/run` runs `make check test` on a clean clone.
# Every target does its own set-up: a virtual environment in .venv with the pinned versions.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
EMITTERS := .venv/emitters/.installed
# Two native thread pools on two cores fight; one pool of two does not.
export OMP_NUM_THREADS ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Where it is set, each of the many processes of the tests would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo test check soak bench bench-sdk bench-collector bench-evals bench-drift bench-gpu wrk browser emitters format clean
.DEFAULT_GOAL := help

help:
	@echo "make install   virtual environment in .venv with everything, pinned"
	@echo "make demo      two candidate models, a fortnight of traffic, and the dashboard"
	@echo "make check     formatting, lint, types, import arrows"
	@echo "make test      all tests, with a real browser where one can be had"
	@echo "make soak      the kills, outages, full disks and simulations of make test at full size"
	@echo "make bench     figures beside the peers (parts: make bench-sdk ARGS='--only loop,paced',"
	@echo "               make bench-collector ARGS='--only ingest,queries', make bench-evals)"
	@echo "make bench-drift false alarms, power and speed of drift, beside Evidently (hours; ARGS=--quick)"
	@echo "make bench-gpu evals beside lm-eval on a CUDA device (ARGS=--smoke: tiny, on the CPU)"

install: $(STAMP)

# What is imported is compiled then; to compile all that is installed takes a minute longer.
# torch goes first and by exact version, so that no other package's range decides which build comes;
# litellm last and alone, since it wants an older huggingface-hub than transformers, and runs with both.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Headway needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) -V). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (a few minutes the first time) ..."
	@$(BIN)/python -m pip install -q --no-compile -c constraints.txt "$$(grep '^torch==' constraints.txt)"
	@$(BIN)/python -m pip install -q --no-compile -c constraints.txt -e '.[dev]'
	@$(BIN)/python -m pip install -q --no-compile --no-deps -c constraints.txt litellm
	@touch $@

demo: install
	$(BIN)/headway demo

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# A worker more than two cores, since many tests wait for other processes. Each has a pool of one
# thread, for threads that wait for a core wait by spinning. Files go in their order: by its number
# of tests, the longest would come last and run alone.
test: install browser emitters
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

# A browser on the PATH, or from apt when root, or Playwright's own. Where none can be had, the
# browser tests skip and the last lines of the run say so.
browser: install
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
		|| { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } \
		|| $(BIN)/playwright install chromium \
		|| echo "No browser can be had here; the browser tests will skip."

# Other people's instrumentations, in an environment of their own: Headway never imports them. Where
# they cannot be had, their tests skip and the last lines of the run say so.
emitters: $(EMITTERS)

$(EMITTERS): tests/emitters/requirements.txt | $(STAMP)
	@{ $(PYTHON) -m venv .venv/emitters \
		&& .venv/emitters/bin/python -m pip install -q -r $< && touch $@; } \
		|| echo "The emitters' packages cannot be had here; their tests will skip."

soak: install
	$(BIN)/python -m tests.benchmarks.soak $(ARGS)

bench: bench-sdk bench-collector bench-evals

bench-sdk: install
	$(BIN)/python -m tests.benchmarks.bench_sdk $(ARGS)

bench-collector: install wrk
	$(BIN)/python -m tests.benchmarks.bench_collector $(ARGS)

bench-evals: install
	$(BIN)/python -m tests.benchmarks.bench_evals $(ARGS)

# Hours, and no part of `make bench`: it says how sure drift is, and then how fast.
bench-drift: install
	$(BIN)/python -m tests.benchmarks.bench_drift $(ARGS)

bench-gpu: install
	$(BIN)/python -m tests.benchmarks.bench_gpu $(ARGS)

# The load must not come from our own event loop.
wrk:
	@command -v wrk >/dev/null \
		|| { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq wrk >/dev/null; } \
		|| { echo "wrk is needed for the load: install it with your package manager."; exit 1; }

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .headway
