# Everything from a bare machine: Python >= 3.11 and make. PYTHON=… names another interpreter, PORT=… another port.

.DEFAULT_GOAL := help
.PHONY: help run test test-two test-fast lint reference docs lock bench clean

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check --no-input install
PACKAGES := booking journal commands projections audit api daybook

# An environment is of one place and one set of locked packages: each stamp is named after what it stands for.
sum = $(firstword $(shell { pwd; cat $(1); } | cksum))
HERE := $(VENV)/here-$(call sum,/dev/null)
RUN := $(VENV)/run-$(call sum,pyproject.toml requirements.lock)
DEV := $(VENV)/dev-$(call sum,pyproject.toml requirements-dev.lock)

# newman, which runs the Postman collection, is installed where there is npm; elsewhere its test is skipped.
POSTMAN := tests/postman
NEWMAN := $(if $(shell command -v npm),$(POSTMAN)/node_modules/here-$(call sum,$(POSTMAN)/package-lock.json))

unexport PYTHONDONTWRITEBYTECODE

help:
	@echo "make run        start everything; the address, the docs and a demo sign-in are printed"
	@echo "make test       every test, against stores of its own"
	@echo "make test-two   those of the API once more, against two of every process"
	@echo "make test-fast  the tests that need nothing started"
	@echo "make lint       style, types and who may import whom"
	@echo "make reference  write anew what the docs say by the code: facts, problems, commands, the Postman collection"
	@echo "make docs       the pages as a site, in site/"
	@echo "make bench      the figures"
	@echo "make lock       resolve the dependencies anew (UPGRADE=--upgrade for newer ones)"
	@echo "make clean      remove the environment and what tools left; the data stays"

run: export APP_ENV = development
run: $(RUN)
	@$(BIN)/daybook up

TWICE := tests/faults/test_two_of_everything.py
test: $(DEV) $(NEWMAN)
	@$(BIN)/python -m pytest --cov --numprocesses 3 --dist loadfile --no-loadscope-reorder --ignore $(TWICE) $(ARGS)

test-two: $(DEV)
	@$(BIN)/python -m pytest $(TWICE) $(ARGS)

test-fast: $(DEV)
	@$(BIN)/python -m pytest tests/booking tests/stories $(ARGS)

lint: $(DEV)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

reference: $(DEV)
	@$(BIN)/python -m tests.reference $(ARGS)

docs: $(DEV)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(DEV)
	@$(BIN)/python -m benchmarks $(ARGS)

COMPILE = $(BIN)/uv pip compile pyproject.toml --extra build --universal --generate-hashes --quiet $(UPGRADE) \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links
lock: $(DEV)
	$(COMPILE) --output-file requirements.lock
	$(COMPILE) --extra dev --constraint requirements.lock --output-file requirements-dev.lock

clean:
	rm -rf $(VENV) $(POSTMAN)/node_modules site
	rm -rf .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find $(wildcard $(PACKAGES) tests benchmarks) -name __pycache__ -prune -exec rm -rf {} +

# The pip that comes with Python 3.11 takes twice as long over the same, so the lock's own is installed first. Bytecode is
# kept of what is imported, when it is first imported: compiling all the rest would double the installation.
define install
	@echo "installing from $(1) …"
	@sed -n '/^pip==/,/[^\\]$$/p' $(1) > $(VENV)/pip.lock && $(PIP) --no-compile --require-hashes -r $(VENV)/pip.lock
	@$(PIP) --no-compile --require-hashes -r $(1)
	@$(PIP) --no-compile --no-deps --no-build-isolation --editable .
endef

$(RUN): $(HERE)
	$(call install,requirements.lock)
	@rm -f $(VENV)/run-* && touch $@

$(DEV): $(HERE)
	$(call install,requirements-dev.lock)
	@rm -f $(VENV)/run-* $(VENV)/dev-* && touch $@ $(RUN)

$(POSTMAN)/node_modules/here-%:
	@echo "installing newman from $(POSTMAN)/package-lock.json …"
	@cd $(POSTMAN) && npm ci --ignore-scripts --loglevel=error --no-progress >/dev/null && touch node_modules/$(@F) \
		|| echo "newman was not installed: its test is skipped"

$(HERE):
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
		python=; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Daybook needs Python 3.11 or later; install one, or name it: make PYTHON=/path/to/python3.12 …" >&2; \
		exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$$python cannot make an environment; install its venv module (Debian, Ubuntu: apt install python3-venv)" >&2; \
		exit 1; \
	fi; \
	rm -rf $(VENV) && "$$python" -m venv $(VENV) && touch $@
