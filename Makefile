# From a fresh clone, with Python 3.11 or newer, make and a C compiler: every target sets itself up first.
#
#   make verify                             verify every bundled backend, print a verdict, compare with the baseline
#   make verify BACKENDS="numpy torch"      install and verify just those
#   make verify TARGETS="torch/float32" ARGS="--suite questions --out run.jsonl"
#   make test | check                       the test suite; linters and types
#   make test ARGS="-k frame -x"
#   make bench                              speed, side by side with every rival: writes reports/bench
#   make bench ARGS="-k jacobian"           a part of it
#   make sweep | clean                      every mode, case and suite, slow ones too; start over
#   make baseline                           verify, make that run this platform's baseline, and show what that accepts
#   make calibrate | power                  evidence: of the noise limits; of what planted faults are found, and by what
#   make ... PYTHON=python3.12              the interpreter that .venv is made with

PYTHON ?= python3
ARGS ?=
# Processes of `make test`: 0 runs it in one, for a debugger.
WORKERS ?= 2

# What there is to install stands once, in requirements.txt.
HASH := \#
ALL := $(shell sed -n 's/^$(HASH) backend //p' requirements.txt)
BACKENDS ?= $(ALL)
ifneq ($(filter-out $(ALL),$(BACKENDS)),)
$(error BACKENDS has $(filter-out $(ALL),$(BACKENDS)); it should be some of: $(ALL))
endif

# What these distributions offer: backends/torch has torch and torch-cell.
TARGETS ?= $(shell for backend in $(BACKENDS); do \
	sed -n '/entry-points."gradassay.backends"/,/^$$/s/ *=.*//p' backends/$$backend/pyproject.toml; done)

# The stamp is named by the set that is installed. A set that is asked for is joined with the one that is there,
# so that pip resolves them together and none is lost; a set that is there already is not installed again.
VENV := .venv
BIN := $(VENV)/bin
EMPTY :=
SPACE := $(EMPTY) $(EMPTY)
THERE := $(filter $(ALL),$(subst +,$(SPACE),$(patsubst $(VENV)/installed-%,%,$(wildcard $(VENV)/installed-*))))
WANTED := $(sort $(BACKENDS) $(THERE))
STAMP := $(VENV)/installed-$(subst $(SPACE),+,$(WANTED))
SOURCES := requirements.txt pyproject.toml $(wildcard specs/*/pyproject.toml backends/*/pyproject.toml)

.PHONY: verify test check bench baseline sweep calibrate power clean

BASELINES := reports/baselines

verify: $(STAMP)
	@$(BIN)/gradassay verify --baseline $(BASELINES) $(TARGETS) $(ARGS)

test: $(STAMP)
	@$(BIN)/python -m pytest --benchmark-skip -n $(WORKERS) $(ARGS)

check: $(STAMP)
	@echo "ruff check" && $(BIN)/ruff check
	@echo "ruff format" && $(BIN)/ruff format --check
	@echo "mypy --strict" && $(BIN)/mypy

bench: $(STAMP)
	@$(BIN)/python -m pytest tests/benchmarks --benchmark-only $(ARGS)

baseline: $(STAMP)
	@mkdir -p build
	@$(BIN)/gradassay verify $(TARGETS) --out build/baseline.jsonl $(ARGS)
	@$(BIN)/gradassay baseline update build/baseline.jsonl --folder $(BASELINES)

sweep: $(STAMP)
	@$(BIN)/gradassay verify --sweep $(TARGETS) $(ARGS)

calibrate: $(STAMP)
	@$(BIN)/python -m gradassay._calibrate $(ARGS)

REPORT := reports/power
power: $(STAMP)
	@$(BIN)/python tests/rivals.py
	@$(BIN)/gradassay power --dtype float64 --dtype float32 --dtype bfloat16 --dtype float16 --scaled \
		--rivals $(REPORT)/rivals.json --out $(REPORT)/power.json --markdown $(REPORT)/README.md $(ARGS)

clean:
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .benchmarks build dist

$(STAMP): $(BIN)/python $(SOURCES)
	@echo "Installing the core, the specs and $(WANTED) into $(VENV), from requirements.txt"
	@awk 'BEGIN { on = 1 } /^# backend / { on = index(" $(WANTED) ", " " $$3 " ") } on' requirements.txt \
		> $(VENV)/requirements.txt
	@$(BIN)/python -m pip install --disable-pip-version-check -r $(VENV)/requirements.txt
	@rm -f $(VENV)/installed-*
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) > /dev/null || { echo "there is no $(PYTHON): install Python 3.11 or newer," \
		"or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is" \
		"`$(PYTHON) --version 2>&1`; it should be Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Creating $(VENV) with `$(PYTHON) --version 2>&1`"
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }
