# Rackstrap. `make demo` runs the main job on a virtual rack; `make test` passes every test. Both as root.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
RACKSTRAP := $(VENV)/bin/rackstrap
IMAGE := build/image
export RACKSTRAP_IMAGE := $(CURDIR)/$(IMAGE)
# Quick to build rather than small: what is built here is booted on this machine.
export RACKSTRAP_SQUASHFS_LEVEL ?= 3

.PHONY: help setup tui image iso demo demo-down test quick rack prove bench reproducible recordings pictures clean
help:
	@echo "make setup       the rackstrap command in .venv/bin, and all that the rest needs"
	@echo "make tui         the terminal UI on a simulated rack, in a minute; needs no root, touches nothing"
	@echo "make image       the image that machines boot, in build/image"
	@echo "make iso         the admin ISO, build/rackstrap.iso, with that image inside"
	@echo "make demo        two blank virtual machines become installed nodes; make demo-down ends them"
	@echo "make test        every test: quick ones first, then real boots"
	@echo "make quick       lint, types and unit tests only; make rack: real boots only"
	@echo "make prove       the whole matrix of real boots, resumable"
	@echo "make bench NAME=install|discover|plan|engine|image|demo|tui|iso"
	@echo "make reproducible  build the ISO twice, in different surroundings, and compare the two"
	@echo "make recordings  record the machines in tests/machines anew"
	@echo "make pictures    draw the README's pictures of the terminal UI anew, in docs/screens"
	@echo "make clean       remove all that was built"

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml tests/setup.sh tests/packages.txt
	tests/setup.sh "$(PYTHON)" "$(VENV)"
	@touch $@

# The terminal UI needs nothing of Debian's that a rack needs, and no root: a virtual environment is enough.
tui: $(VENV)/bin/rackstrap
	$(VENV)/bin/rackstrap tui --demo

$(VENV)/bin/rackstrap: pyproject.toml
	@command -v cc >/dev/null && $(PYTHON) -c 'import venv, ensurepip, sysconfig, os; \
	  assert os.path.exists(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null \
	  || { test -x $(VENV)/bin/pip || { echo "first: apt install python3-venv python3-dev gcc (one library is compiled)"; exit 1; }; }
	test -x $(VENV)/bin/pip || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q --upgrade 'pip>=25.1' 'setuptools>=77'
	$(VENV)/bin/pip install -q --editable .
	@touch $@

image: setup
	./build_iso.sh --image --out $(IMAGE)

iso: setup
	./build_iso.sh --out build/rackstrap.iso

demo: image
	$(VENV)/bin/python -m installer.lab.demo up

demo-down: setup
	$(VENV)/bin/python -m installer.lab.demo down

quick: setup
	$(VENV)/bin/pytest tests --ignore=tests/rack -n 2 --dist loadfile

rack: image iso
	$(VENV)/bin/pytest tests/rack -m rack

test: quick rack

prove: image iso
	$(VENV)/bin/python -m tests.rack.prove

# The terminal UI is measured without an image.
bench: $(if $(filter tui,$(NAME)),setup,image $(filter iso,$(NAME)))
	$(VENV)/bin/python -m tests.bench $(NAME)

reproducible: setup
	$(VENV)/bin/python -m tests.reproducible

recordings: image
	$(VENV)/bin/python -m tests.make_recordings

pictures: $(VENV)/bin/rackstrap
	$(VENV)/bin/python -m tests.make_pictures

clean:
	rm -rf build
