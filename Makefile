# Poselift's chores. Every target works from a bare clone: it makes the environment it needs first.
#   make demo       a sample clip of 2D keypoints to a .blend and a rendered preview, in demo/
#   make test       the tests, on Blender 4.5 LTS
#   make test-all   the tests, on Blender 4.5 LTS and 5.0; make test-4.2, test-5.0, test-5.2: on one other Blender
#   make lint       style, types and the direction of dependencies
#   make train-smoke  a minute of training on the processor: losses fall, a resumed run equals a whole one
#   make bench      frames per second of reading, lifting, keying and retargeting, the memory that reading takes, starts, batches
#   make stress     batches killed at random moments, fifty times, and resumed
#   make docs       the options in docs/command-line.md, from the parsers
#   make bench-lifter  the lifters' scores, and their training and inference against a plain transcription of the published networks
#   make bench-motion, bench-cleaning  the track solve and cleaning, against motion capture that is broken and filmed by code
#   make pictures   the pictures of README and docs, rendered anew, in docs/images/; CHARACTER=hero.glb is the fourth rig's
#   make package    the extension's zip, built and validated by Blender's own tool, in dist/; with WHEELS=folder, also the full
#                   zips, which have PyTorch in them: one for each platform and Python version that the folder has it for
#   make wheels     the wheels of the full zips, for all platforms, downloaded to WHEELS (build/torch)
#   make repository the extension repository that Blender subscribes to, of what is in dist/, in dist/repository/
#   make test-installed  tests of the installed zip: registration, lifting, retargeting
#   make test-blenders   the tests on all Blenders: the modules 4.2, 4.5, 5.0 and 5.2, and the zip in the programs of BLENDERS="..."
#   make clean      remove what the targets above made, but not the environments; make distclean removes those too
# PYTEST_ARGS passes options on: make test PYTEST_ARGS="-k camera -x"

PYTHON ?= python3.11
PYTHON313 ?= python3.13
PYTEST_ARGS ?=
WHEELS ?=
ARCHIVES ?=
BLENDERS ?=
MOCAP ?= ../shared/mocap/cmu17_val.npz

VENV := .venv
READY := $(VENV)/ready
OTHERS := .venv-4.2/ready .venv-5.0/ready .venv-5.2/ready
HAVE_OTHERS = .venv-4.2/ready .venv-5.0/ready $(if $(shell $(PYTHON313) --version 2>/dev/null),.venv-5.2/ready)
TYPES := build/types/poselift
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' blender_manifest.toml)
ZIP = $(CURDIR)/dist/poselift-$(VERSION).zip

# $(1): environment, $(2): requirements file, $(3): Python. Leaves the stamp last, so that a broken installation is made again.
define install
	@command -v $(3) >/dev/null || { echo "$(3) was not found: install it with venv, or name another with make PYTHON=... (3.11) or PYTHON313=..."; exit 1; }
	@rm -f $(1)/ready
	$(3) -m venv $(1)
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check -r $(2)
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@sh scripts/check_system.sh $(1)/bin/python
	@touch $(1)/ready
endef

.PHONY: demo test test-all test-installed test-blenders lint train-smoke bench bench-lifter bench-motion bench-cleaning stress docs
.PHONY: pictures package wheels repository clean distclean
.DEFAULT_GOAL := test

$(READY): requirements-dev.txt requirements.txt pyproject.toml scripts/check_system.sh
	$(call install,$(VENV),requirements-dev.txt,$(PYTHON))

.venv-%/ready: requirements-bpy-%.txt requirements.txt pyproject.toml scripts/check_system.sh
	$(call install,.venv-$*,$<,$(if $(filter 5.2,$*),$(PYTHON313),$(PYTHON)))

demo: $(READY)
	$(VENV)/bin/python scripts/demo.py

test: $(READY)
	$(VENV)/bin/python -P -m pytest $(PYTEST_ARGS)

test-all: test test-5.0

test-%: .venv-%/ready
	.venv-$*/bin/python -P -m pytest $(PYTEST_ARGS)

test-installed: package
	POSELIFT_ZIP=$(ZIP) $(VENV)/bin/python -P -m pytest $(PYTEST_ARGS)

# Every Blender is tried, also after one has failed; the last line says which did.
test-blenders: package $(HAVE_OTHERS)
	@failed=; \
	for environment in .venv-4.2 $(VENV) .venv-5.0 .venv-5.2; do \
	    echo "== $$environment"; \
	    [ -x $$environment/bin/python ] || { echo "skipped: there is no $(PYTHON313)"; continue; }; \
	    $$environment/bin/python -P -m pytest $(PYTEST_ARGS) || failed="$$failed $$environment"; \
	done; \
	$(VENV)/bin/python scripts/try_blenders.py $(ZIP) $(BLENDERS) || failed="$$failed programs"; \
	if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi; echo "all Blenders passed"

# mypy knows modules by their place on disk, and the checkout may have any name: the link calls it poselift.
$(TYPES):
	@mkdir -p $(@D)
	ln -sfn ../.. $@

lint: $(READY) | $(TYPES)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/python scripts/check_layers.py
	$(VENV)/bin/python scripts/versions.py
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
	$(VENV)/bin/python scripts/picture_rigs.py $(addprefix --character ,$(CHARACTER))

package: $(READY)
	$(VENV)/bin/python scripts/package.py $(if $(WHEELS),--wheels "$(WHEELS)")

wheels: $(READY)
	$(VENV)/bin/python scripts/fetch_wheels.py "$(or $(WHEELS),build/torch)"

repository: package
	$(VENV)/bin/python scripts/repository.py $(if $(ARCHIVES),--archives-at "$(ARCHIVES)")

clean:
	rm -rf build dist demo .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV) $(dir $(OTHERS)) poselift.egg-info
