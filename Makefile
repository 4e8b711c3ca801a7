# Latchkey needs Python 3.11 or newer, make, and a package index for pip; nothing else.
#
#   make run            serve on PORT (8000), with a PostgreSQL and a demo network of its own; Ctrl-C stops everything
#   make test           every test; ARGS="tests/keys -x" narrows it
#   make faults         break it on purpose: 20 rounds of what `make test` does in two (half an hour or more)
#   make bench          measure the gate, tracking, postbacks, the Firehose, traffic and the log, into docs/benchmarks.md
#   make check          what .ci/run asks of the sources, without the tests
#   make manage DO=...  a command of manage.py in the environment of `make run`: make manage DO="issue_key --network"
#   make format         format Python and templates
#   make requirements   compile the requirements files from pyproject.toml; UPGRADE=1 looks for newer versions

PORT ?= 8000
PYTHON ?= python3
VENV := .venv/bin/python
PIP := $(VENV) -m pip install -qq --disable-pip-version-check --no-input --require-hashes --only-binary=:all:
COMPILE = CUSTOM_COMPILE_COMMAND="make requirements" $(VENV) -m piptools compile --quiet --generate-hashes \
	--allow-unsafe --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
	$(if $(UPGRADE),--upgrade)
TEMPLATES = $(shell git ls-files -- '*.html')

# Empty when the interpreter will do.
COMPLAINT = $(shell command -v $(PYTHON) >/dev/null || { echo "there is no $(PYTHON) here"; exit; }; \
	$(PYTHON) -c 'import sys; from importlib.util import find_spec; print( \
	"$(PYTHON) here is %d.%d" % sys.version_info[:2] if sys.version_info < (3, 11) else \
	"" if find_spec("ensurepip") else "$(PYTHON) here cannot make virtual environments (Debian: python3-venv)")' \
	2>/dev/null || echo "$(PYTHON) here does not start")

# A link is somebody's own environment, which they keep up themselves; clearing it would take it from them.
ifeq ($(shell test -L .venv && echo link),)
RUNTIME := .venv/runtime.stamp
DEV := .venv/dev.stamp
# The interpreter of an older .venv may be gone, and with it everything that was installed.
ifneq ($(shell $(VENV) -c 'print("starts")' 2>/dev/null),starts)
$(shell rm -f .venv/*.stamp)
endif

.venv/runtime.stamp: requirements.txt
	$(if $(COMPLAINT),$(error Latchkey needs Python 3.11 or newer: $(COMPLAINT)))
	@echo "Installing what Latchkey needs into .venv ..."
	@$(PYTHON) -m venv --clear .venv
	@$(PIP) -r requirements.txt
	@touch $@

.venv/dev.stamp: .venv/runtime.stamp requirements-dev.txt
	@echo "Installing what the tests need into .venv ..."
	@$(PIP) -r requirements-dev.txt
	@touch $@
endif

.PHONY: install run bench test faults check manage format requirements
.DEFAULT_GOAL := run

install: $(DEV)

run: export PORT := $(PORT)
run: $(RUNTIME)
	@exec $(VENV) -m portal.run

test: $(DEV)
	@exec $(VENV) -m pytest -n 2 $(ARGS)

faults: $(DEV)
	@FAULT_ROUNDS=20 exec $(VENV) -m pytest tests/faults --durations=10 $(ARGS)

# The figures go into docs/benchmarks.md. The last two fill databases with ten million calls and clicks, once: about 5
# and 20 GB in var/.
bench: $(DEV)
	@$(VENV) -m benchmarks.gate
	@$(VENV) -m benchmarks.tracking
	@$(VENV) -m benchmarks.delivery
	@$(VENV) -m benchmarks.firehose
	@$(VENV) -m benchmarks.demo_traffic
	@$(VENV) -m benchmarks.log
	@exec $(VENV) -m benchmarks.reporting

check: $(DEV)
	@bash .ci/run sources

manage: $(RUNTIME)
	@exec $(VENV) -m portal.run $(DO)

format: $(DEV)
	@$(VENV) -m ruff check --quiet --fix --exit-zero .
	@$(VENV) -m ruff format --quiet .
	@.venv/bin/djangofmt --quiet $(TEMPLATES)
	@.venv/bin/djade --target-version 5.2 $(TEMPLATES)

# With the oldest Python that is supported: what needs a newer one is then left out.
requirements: $(DEV)
	@$(COMPILE) --output-file requirements.txt pyproject.toml
	@$(COMPILE) --extra dev --constraint requirements.txt --output-file requirements-dev.txt pyproject.toml
	@$(COMPILE) --output-file benchmarks/requirements.txt benchmarks/requirements.in
