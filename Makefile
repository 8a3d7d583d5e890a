# Targets for people and for CI; `make help` lists them. Needs GNU make 3.81 and Python 3.11.
# Everything is installed into .venv, once per lock file; nothing else on the machine is touched.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin

# The first interpreter that is new enough; `make PYTHON=/path/to/python3.12` overrides.
CANDIDATES := python3.13 python3.12 python3.11 python3
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in $(CANDIDATES); do \
	"$$p" -c "$(NEW_ENOUGH)" 2>/dev/null && echo "$$p" && break; done)

TOO_OLD = baggage needs Python 3.11 or newer, and $(or $(PYTHON),python3) is not that: \
	say where one is with make PYTHON=/path/to/python

# Options for pytest, as in `make test ARGS="-k split -n 0"`.
ARGS ?=
WORKERS ?= auto

LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url $(if $(UPGRADE),--upgrade)
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
UV_INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python
# Where uv can't be had, or can't reach what pip reaches, pip takes longer and does the same.
INSTALL := install() { test -x $(BIN)/uv && $(UV_INSTALL) "$$@" || $(PIP_INSTALL) "$$@"; }; install

CORE := clock values wire context
LENT := tests/lending/test_leases.py tests/lending/test_forked.py tests/boundary/test_lending.py
comma := ,
space := $(subst ,, )

# What is tried with the oldest version of each library: its own tests, and both meta-applications.
# What is old warns of what is new below it.
OF_LIBRARIES := aiohttp aiokafka asgi celery django early flask gunicorn grpc. grpc_a grpc_b grpc_f grpc_l \
	grpc_o httpx hypercorn pika redis requests starlette urllib3 waitress wsgi
GREEN := eventlet gevent
FLOOR_TESTS ?= $(GREEN:%='tests/instrumentation/test_apart.py::test_apart[%_greenlets]') \
	tests/doctor/test_self_tests.py::test_every_library_that_is_installed_here_passes \
	$(wildcard $(OF_LIBRARIES:%=tests/instrumentation/test_%*)) tests/interop/test_propagator.py \
	tests/filibuster/test_services.py tests/tracing/test_services.py
OLDEST = $(or $(shell command -v python3.11),$(PYTHON))

# What is tried with the newest Python: what leans on Python itself, and each library once.
OF_PYTHON := as_completed asyncio concurrent_futures fan_out http_client ledger patching queue \
	subprocess threading wsgiref
PROCESSES := forks processes process_pools process_queues task_pools
# Of each family one: all programs of a family run for any of them.
FAMILIES := followed_up tasks_followed_up loops_in_threads
TOLD_APART := test_whatever_order_calls_happen_in_they_are_told_apart_by_where_they_come_from
CEILING_TESTS ?= $(CORE:%=tests/%) tests/boundary tests/runtime $(filter tests/lending/%,$(LENT)) \
	tests/doctor/test_self_tests.py::test_every_library_that_is_installed_here_passes \
	$(wildcard $(OF_PYTHON:%=tests/instrumentation/test_%*)) \
	$(PROCESSES:%='tests/instrumentation/test_apart.py::test_apart[%]') \
	$(FAMILIES:%='tests/filibuster/test_identity.py::$(TOLD_APART)[%]')
# The newest of ours that is newer than $(PYTHON), in PATH or where pyenv keeps it; not one without
# the GIL, which pyenv calls 3.13.0t.
PYENV := $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions
WHICH = $(shell "$(PYTHON)" -c "import sys; print(*sys.version_info[:2], sep='.')")
NEWER = import sys; sys.exit(sys.version_info[:2] <= ($(subst .,$(comma),$(WHICH))))
NEWEST ?= $(shell for p in $(foreach p,$(filter python3.%,$(CANDIDATES)), \
	$(p) $(filter-out %t/bin/python,$(wildcard $(PYENV)/$(p:python%=%).*/bin/python))); do \
	"$$p" -c "$(NEWER)" 2>/dev/null && echo "$$p" && break; done)

.PHONY: help demo showcase test cover lint floor floor-tests ceiling ceiling-tests lock bench soak \
	proto clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/demo.stamp ## find a real bug in the tutorial's application
	@$(BIN)/python -m examples.tutorial.demo

showcase: $(VENV)/dev.stamp ## send one request through everything (ARGS=--open shows its pages)
	@$(BIN)/python -m examples.showcase.demo $(ARGS)

test: $(VENV)/dev.stamp ## run the tests (ARGS="-k split" chooses)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

cover: $(VENV)/dev.stamp ## check that the core's own tests reach each branch of it
	HYPOTHESIS_PROFILE=cover $(BIN)/python -m coverage run \
		--source $(subst $(space),$(comma),$(CORE:%=baggage.%)) \
		-m pytest -q -n $(WORKERS) --dist worksteal $(CORE:%=tests/%) $(LENT)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --fail-under=100

lint: $(VENV)/dev.stamp ## check style, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

floor: ## run the libraries' tests with the oldest versions that are supported
	@$(MAKE) --no-print-directory VENV=.venv-floor PYTHON="$(OLDEST)" floor-tests

floor-tests: $(VENV)/floor.stamp
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -W default::DeprecationWarning \
		$(ARGS) $(FLOOR_TESTS)

ceiling: ## run what leans on Python itself with the newest Python that is on this machine
	@$(if $(NEWEST),$(MAKE) --no-print-directory VENV=.venv-ceiling PYTHON="$(NEWEST)" ceiling-tests, \
		echo "no Python on this machine is newer than $(PYTHON), which is $(WHICH)")

ceiling-tests: $(VENV)/dev.stamp
	HYPOTHESIS_PROFILE=cover $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal $(ARGS) \
		$(CEILING_TESTS)

bench: $(VENV)/dev.stamp ## measure us beside our peers
	$(BIN)/python -m benchmarks $(ARGS)

soak: $(VENV)/dev.stamp ## run all tests, 10,000 examples of each property, and the long counts
	HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest -n $(WORKERS) -m "" --timeout 7200 $(ARGS)

proto: $(VENV)/dev.stamp ## generate code from proto/
	$(foreach schema,$(wildcard proto/*.proto),$(call generate,$(schema),$(call home,$(schema))))

lock: $(VENV)/dev.stamp ## pin what pyproject.toml asks for (UPGRADE=1 takes the newest)
	$(BIN)/$(LOCK) --no-annotate -o requirements/uv.txt requirements/uv.in
	$(BIN)/$(LOCK) --extra dev -o requirements/dev.txt pyproject.toml
	$(BIN)/$(LOCK) --extra demo -c requirements/dev.txt -o requirements/demo.txt pyproject.toml
	$(BIN)/$(LOCK) --extra floor --resolution lowest-direct --upgrade -o requirements/floor.txt \
		pyproject.toml

clean: ## remove the virtual environment, caches and builds
	rm -rf $(VENV) .venv-floor .venv-ceiling build dist htmlcov .coverage .coverage.* .hypothesis .import_linter_cache \
		.mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# A schema named after a meta-application is its own; the others are baggage's.
home = $(or $(wildcard metaapps/$(basename $(notdir $(1)))),baggage/wire)

define generate
$(BIN)/python -m grpc_tools.protoc --proto_path=proto --python_out=$(2) --pyi_out=$(2) $(1)

endef

# Each stamp is newer than what it was made from. A lock is installed by hash; then the project itself,
# editable, without dependencies or downloads.

$(VENV)/python.stamp: requirements/uv.txt
	$(if $(shell "$(PYTHON)" -c "$(NEW_ENOUGH)" 2>&1 || echo no),$(error $(TOO_OLD)))
	@echo "making $(VENV) with $(PYTHON)"
	@"$(PYTHON)" -m venv $(VENV)
	@$(PIP_INSTALL) --require-hashes -r requirements/uv.txt || echo "no uv here: pip will do"
	@touch $@

$(VENV)/demo.stamp: requirements/demo.txt pyproject.toml $(VENV)/python.stamp
	$(call install,requirements/demo.txt)

$(VENV)/floor.stamp: requirements/floor.txt pyproject.toml $(VENV)/python.stamp
	$(call install,requirements/floor.txt)

# What the demo needs is a part of what a developer needs, in the same versions.
$(VENV)/dev.stamp: requirements/dev.txt pyproject.toml $(VENV)/python.stamp
	$(call install,requirements/dev.txt)
	@touch $(VENV)/demo.stamp

define install
@echo "installing $(1)"
@$(INSTALL) --require-hashes -r $(1)
@$(INSTALL) --no-deps --no-build-isolation --editable .
@touch $@
endef
