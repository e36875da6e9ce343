# One set of commands for people and for CI; CONTRIBUTING.md says what each is for.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
PIP := python -m pip install --quiet --disable-pip-version-check
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
# Tests of one file share expensive set-up, so a file stays on one process; tests/conftest.py sets the order. torch's
# threads must not spin while they wait for each other: two processes on two cores took twice as long. The hundreds of
# Python processes that tests start would otherwise compile the program anew, where bytecode is not kept.
PYTEST := OMP_WAIT_POLICY=PASSIVE PYTHONDONTWRITEBYTECODE= pytest --dist loadfile --no-loadscope-reorder

.PHONY: repro setup test test-all torture mutants check format docs lock clean

repro: setup # the whole pipeline; what has not changed is not rerun
	dvc repro

setup: .venv/ready

# A virtual environment works at the path alone that it was made at. One of another path is not replaced: this may be
# another path to the same files, such as a container's. A link is the user's own. pyvenv.cfg ends the command that made
# it with options and the path, which may lead here through a link. Exported: a path in a recipe's text is shell.
export VENV_OF := $(shell [ -L .venv ] || { \
  made=$$(sed -nE 's/^command = .* -m venv (--[a-z-]+(="[^"]*")? )*//p' .venv/pyvenv.cfg 2> /dev/null); \
  [ -z "$$made" ] || [ "$$made" -ef .venv ] || printf %s "$$made"; })
ifneq ($(VENV_OF),)
.PHONY: .venv/ready
endif

# uv takes the build of torch that fits the machine: on Linux, plain pip brings CUDA even where there is no GPU.
# The stamp is written last: an interrupted set-up is repeated.
.venv/ready: requirements.lock pyproject.toml
	@[ -z "$$VENV_OF" ] || { echo "expected .venv made in $$PWD, got $$VENV_OF, which works there alone; if nothing" \
	  "uses it there, remove .venv and run make again" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit( \
	  "expected Python 3.11 to 3.13, got %d.%d (%s); name another: make setup PYTHON=python3.12" % (v + (sys.executable,)))'
	@echo "set-up: $$(grep -c == requirements.lock) packages into .venv: 2.7 GB with torch for the CPU, more with CUDA; some minutes"
	$(PYTHON) -m venv .venv
	@{ $(PIP) "$$(grep '^uv==' requirements.lock)" \
	  && uv pip install --quiet --python .venv/bin/python --torch-backend=auto --requirement requirements.lock; } \
	  > .venv/uv.log 2>&1 \
	  || { echo "set-up: uv could not install (see .venv/uv.log); pip takes over, with the torch that its index offers"; \
	       $(PIP) --requirement requirements.lock; }
	$(PIP) --no-build-isolation --no-deps --editable .
	touch $@

test: setup # three processes on two cores: one often waits
	$(PYTEST) --numprocesses 3 -m "not slow"

test-all: setup
	$(PYTEST) --numprocesses 2

torture: setup # about half an hour on 2 cores: kills every process at every moment, and checks that dvc repro resumes
	python benchmarks/torture.py

mutants: setup # about an hour on 2 cores: puts small faults into the program, and lists those that no fast test notices
	OMP_WAIT_POLICY=PASSIVE python benchmarks/mutants.py

check: setup
	ruff check
	ruff format --check
	mypy
	lint-imports --no-logo
	hadolint docker/Dockerfile
	yamllint --strict docker

format: setup
	ruff check --fix
	ruff format

docs: setup # what is made from the code: tests check that it is current
	segnet params > docs/params.md
	segnet params --schema > params.schema.json

# The newest versions that pyproject.toml allows, resolved in an empty environment. Test before committing.
lock:
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	.venv-lock/bin/python -m pip install --quiet --group dev --editable .
	grep '^#' requirements.lock > requirements.lock.new
	.venv-lock/bin/python -m pip freeze --all --exclude-editable \
	  | grep -ivE '^(pip|nvidia-.*|cuda-.*|triton)==' | sed -E 's/[+][a-z0-9.]+$$//' >> requirements.lock.new
	mv requirements.lock.new requirements.lock
	rm -rf .venv-lock

# Removes what set-up and tests made; data, models, reports and recorded runs stay.
clean:
	rm -rf .venv .venv-lock *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find pipeline stages tests -name __pycache__ -prune -exec rm -rf {} +
