# make help lists the commands. PYTHON is used once, to make .venv: make PYTHON=python3.12 book
PYTHON ?= python3
PY := .venv/bin/python
WORKERS ?= 2
# so many threads for each worker that together they use all cores
export OMP_NUM_THREADS ?= $(shell n=$$(( $$(getconf _NPROCESSORS_ONLN) / $(WORKERS) )); echo $$(( n > 1 ? n : 1 )))
export TOKENIZERS_PARALLELISM ?= true

NOTEBOOKS := $(sort $(wildcard notebooks/[0-9]*.ipynb))
SOURCES := _config.yml _toc.yml $(NOTEBOOKS) $(shell find book course_lib -type f -not -path '*/__pycache__/*' -not -path 'book/_api/*')

.PHONY: help book test unit strict notebooks-test gpu-branches notebooks lab serve assignments bench map types lint repository clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 17

.venv/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("The pinned environment needs Python 3.11 to 3.13, not %d.%d: make PYTHON=python3.12 book" % sys.version_info[:2] if not (3, 11) <= sys.version_info[:2] <= (3, 13) else 0)'
	@echo "Installing the pinned environment into .venv (once, some minutes)"
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

_build/book.stamp: .venv/ready $(SOURCES)
	$(PY) book/tools/build.py
	@touch $@

ifdef INSTRUCTOR
book: .venv/ready ## build the book into _build/html (INSTRUCTOR=1: with solutions, into _build/instructor)
	$(PY) book/tools/build.py --instructor
else
book: .venv/ready
	@if $(MAKE) --quiet --question _build/book.stamp; then $(PY) book/tools/build.py --where; \
	else $(MAKE) --no-print-directory _build/book.stamp; fi
endif

test: .venv/ready _build/book.stamp ## everything: package, parity, book in a browser, assignments, notebooks
	@status=0; \
	$(PY) -m pytest -q -n $(WORKERS) --dist loadscope || status=1; \
	$(MAKE) --no-print-directory notebooks-test || status=1; \
	if [ $$status -eq 0 ]; then echo "make test: all passed"; else echo "make test: FAILED"; fi; \
	exit $$status

notebooks-test: .venv/ready ## run every chapter under nbval
	$(PY) -m pytest -q --nbval-lax --nbval-cell-timeout=300 -n $(WORKERS) --dist loadscope $(NOTEBOOKS)

gpu-branches: .venv/ready ## run what the chapters do on a GPU, here, at the sizes of a CPU (NOTEBOOKS=notebooks/09_mlm_pretraining.ipynb: one)
	COURSE_SCALE=gpu-tiny $(PY) -m pytest -q --nbval-lax --nbval-cell-timeout=600 -n $(WORKERS) --dist loadscope $(NOTEBOOKS)

notebooks: .venv/ready ## run every chapter again and store its outputs
	$(PY) book/tools/notebooks.py run

lab: .venv/ready ## open the chapters in JupyterLab
	.venv/bin/jupyter lab notebooks

serve: _build/book.stamp ## read the built book at http://localhost:8000/
	$(PY) -m http.server 8000 --directory _build/html

assignments: .venv/ready ## student versions, and a proof of the grader; SUBMISSIONS=folder grades; ASSIGNMENT=name for one only
ifdef SUBMISSIONS
	$(PY) notebooks/assignments/grade.py grade "$(SUBMISSIONS)" $(if $(ASSIGNMENT),--assignment $(ASSIGNMENT))
else
	$(PY) notebooks/assignments/grade.py build $(if $(ASSIGNMENT),--assignment $(ASSIGNMENT))
	$(PY) notebooks/assignments/grade.py check $(if $(ASSIGNMENT),--assignment $(ASSIGNMENT))
endif

bench: .venv/ready ## time everything again, beside the records (90 minutes); EXPERIMENTS=1: what is not timed; RECORD=1 keeps it
	$(PY) benchmarks/run_all.py $(BENCH) $(if $(EXPERIMENTS),--experiments) $(if $(RECORD),--record)

map: .venv/ready ## write what is generated: the README's file tree, book/api.md, papers.md and verdicts.md
	$(PY) book/tools/map.py
	$(PY) book/tools/verdicts.py
	$(PY) book/tools/reading.py --lower

types: .venv/ready ## the package's annotations, read by basedpyright
	.venv/bin/basedpyright --warnings

# what `make strict` leaves out, beside the tests that say so: what is slow, and what is not about the package
strict: .venv/ready ## the tests of the package, while every argument and result is held to its annotation, shapes too
	$(PY) -m pytest -q -n $(WORKERS) --dist loadscope --jaxtyping-packages=course_lib,strict_types.check \
		-m "not slow and not browser and not not_strict" --ignore=tests/book --ignore=tests/assignments

lint: types ## ruff, its formatter, types, the notebooks' hygiene, and whether the map is current
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	$(PY) book/tools/notebooks.py check
	$(PY) book/tools/map.py --check
	$(PY) book/tools/verdicts.py --check
	$(PY) book/tools/reading.py --check

repository: ## URL=https://github.com/me/course writes the address everywhere; URL= takes it out
	$(PYTHON) book/tools/repository.py "$(URL)"

clean: ## remove what was built; .venv stays
	rm -rf _build _vendor book/_api .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
