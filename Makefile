# Poselift's chores. Every target works from a bare clone: it makes the environment it needs first.
#   make demo       a sample clip of 2D keypoints to a .blend and a rendered preview, in demo/
#   make test       the tests, on Blender 4.5 LTS
#   make test-all   the tests, on Blender 4.5 LTS and 5.0
#   make lint       style, types and the direction of dependencies
#   make train-smoke  a minute of training on the processor: losses fall, a resumed run equals a whole one
#   make bench      frames per second of reading, lifting, keying and retargeting, the memory that reading takes, starts, batches
#   make stress     batches killed at random moments, fifty times, and resumed
#   make docs       the options in docs/command-line.md, from the parsers
#   make bench-lifter  the lifters' scores, and their training and inference against a plain transcription of the published networks
#   make bench-motion, bench-cleaning  the track solve and cleaning, against motion capture that is broken and filmed by code
#   make pictures   the README's picture, rendered anew, in docs/images/
#   make package    the extension's zip, built and validated by Blender's own tool, in dist/
#   make clean      remove what the targets above made, but not the environments; make distclean removes those too
# PYTEST_ARGS passes options on: make test PYTEST_ARGS="-k camera -x"

PYTHON ?= python3.11
PYTEST_ARGS ?=
MOCAP ?= ../shared/mocap/cmu17_val.npz

VENV := .venv
VENV50 := .venv-5.0
READY := $(VENV)/ready
READY50 := $(VENV50)/ready
TYPES := build/types/poselift

# $(1): environment, $(2): requirements file. Leaves the stamp last, so that a broken installation is made again.
define install
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found: install Python 3.11 with venv, or name another with make PYTHON=..."; exit 1; }
	@rm -f $(1)/ready
	$(PYTHON) -m venv $(1)
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check -r $(2)
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@sh scripts/check_system.sh $(1)/bin/python
	@touch $(1)/ready
endef

.PHONY: demo test test-all lint train-smoke bench bench-lifter bench-motion bench-cleaning stress docs pictures package clean distclean
.DEFAULT_GOAL := test

$(READY): requirements-dev.txt requirements.txt pyproject.toml scripts/check_system.sh
	$(call install,$(VENV),requirements-dev.txt)

$(READY50): requirements-bpy-5.0.txt requirements.txt pyproject.toml scripts/check_system.sh
	$(call install,$(VENV50),requirements-bpy-5.0.txt)

demo: $(READY)
	$(VENV)/bin/python scripts/demo.py

test: $(READY)
	$(VENV)/bin/python -P -m pytest $(PYTEST_ARGS)

test-all: $(READY) $(READY50)
	$(VENV)/bin/python -P -m pytest $(PYTEST_ARGS)
	$(VENV50)/bin/python -P -m pytest $(PYTEST_ARGS)

# mypy knows modules by their place on disk, and the checkout may have any name: the link calls it poselift.
$(TYPES):
	@mkdir -p $(@D)
	ln -sfn ../.. $@

lint: $(READY) | $(TYPES)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/python scripts/check_layers.py
	MYPYPATH=$(dir $(TYPES)) $(VENV)/bin/mypy -m poselift -p poselift.core -p poselift.scene -p poselift.operators -p poselift.ui

train-smoke: $(READY)
	$(VENV)/bin/python scripts/train_smoke.py

bench: $(READY)
	$(VENV)/bin/python scripts/bench.py
	$(VENV)/bin/python scripts/bench_reading.py
	$(VENV)/bin/python scripts/bench_retarget.py
	$(VENV)/bin/python scripts/bench_batch.py

stress: $(READY)
	$(VENV)/bin/python scripts/stress_batch.py

docs: $(READY)
	$(VENV)/bin/python scripts/write_docs.py

bench-lifter: $(READY)
	@if [ -f $(MOCAP) ]; then $(VENV)/bin/poselift evaluate $(MOCAP) --weights human17-3d-anchored human17-2d-only human17-paper; \
	else echo "scores skipped: there is no $(MOCAP)"; fi
	$(VENV)/bin/python scripts/bench_lifter.py

bench-motion: $(READY)
	@if [ -f $(MOCAP) ]; then $(VENV)/bin/python scripts/bench_motion.py; \
	else echo "the track solve is not measured: there is no $(MOCAP)"; fi

bench-cleaning: $(READY)
	@if [ -f $(MOCAP) ]; then $(VENV)/bin/python scripts/bench_cleaning.py $(MOCAP); \
	else echo "cleaning is not measured: there is no $(MOCAP)"; fi

pictures: $(READY)
	$(VENV)/bin/python scripts/pictures.py

package: $(READY)
	$(VENV)/bin/python scripts/package.py

clean:
	rm -rf build dist demo .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV) $(VENV50) poselift.egg-info
