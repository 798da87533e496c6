# Rackstrap. `make demo` runs the main job on a virtual rack; `make test` passes every test. Both as root.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
RACKSTRAP := $(VENV)/bin/rackstrap
IMAGE := build/image
export RACKSTRAP_IMAGE := $(CURDIR)/$(IMAGE)
# Quick to build rather than small: what is built here is booted on this machine.
export RACKSTRAP_SQUASHFS_LEVEL ?= 3

.PHONY: help setup image demo demo-down test quick rack prove bench recordings clean
help:
	@echo "make setup       the rackstrap command in .venv/bin, and all that the rest needs"
	@echo "make image       the image that machines boot, in build/image"
	@echo "make demo        two blank virtual machines become installed nodes; make demo-down ends them"
	@echo "make test        every test: quick ones first, then real boots"
	@echo "make quick       lint, types and unit tests only; make rack: real boots only"
	@echo "make prove       the whole matrix of real boots, resumable"
	@echo "make bench NAME=install|discover|plan|engine|image|demo"
	@echo "make recordings  record the machines in tests/machines anew"
	@echo "make clean       remove all that was built"

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml tests/setup.sh tests/packages.txt
	tests/setup.sh "$(PYTHON)" "$(VENV)"
	@touch $@

image: setup
	./build_iso.sh --image --out $(IMAGE)

demo: image
	$(VENV)/bin/python -m installer.lab.demo up

demo-down: setup
	$(VENV)/bin/python -m installer.lab.demo down

quick: setup
	$(VENV)/bin/pytest tests --ignore=tests/rack

rack: image
	$(VENV)/bin/pytest tests/rack -m rack

test: quick rack

prove: image
	$(VENV)/bin/python -m tests.rack.prove

bench: image
	$(VENV)/bin/python -m tests.bench $(NAME)

recordings: image
	$(VENV)/bin/python -m tests.make_recordings

clean:
	rm -rf build
