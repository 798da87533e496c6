# rackstrap: `make demo` runs the main job on a virtual rack, `make test` passes every test.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
RACKSTRAP := $(VENV)/bin/rackstrap

.PHONY: setup
setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	tests/setup.sh "$(PYTHON)" "$(VENV)"
	touch $@
