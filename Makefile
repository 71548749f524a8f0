# One command for each thing people do here; `make` alone lists them.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory
.PHONY: help lab test fuzz lint audit format frontend demo bench train-default clean

PY := .venv/bin/python

help: ## List these commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1@/p' Makefile | tr '@' '\t' | expand -t 22

lab: ## Install everything and open the first notebook (VIDLAB_NO_BROWSER=1: print its address)
	@sh scripts/venv.sh all
	@exec .venv/bin/vidlab lab notebooks/01_explore.ipynb

test: ## Install what tests need, then run every check and every test (ARGS="-k video": pytest's)
	@sh scripts/venv.sh dev
	@exec $(PY) scripts/check.py $(if $(ARGS),-- $(ARGS))

fuzz: ## Read thousands of damaged files, for half an hour (CASES=6000; SEED is in tests/fuzz)
	@sh scripts/venv.sh dev
	@exec $(PY) tests/fuzz/mutate.py --cases $(or $(CASES),6000)

lint: ## Run the checks that are not tests: ruff, mypy, layers, front end
	@sh scripts/venv.sh dev
	@exec $(PY) scripts/check.py lint format types layers frontend

audit: ## Compare what is installed with a list of versions that have a known hole
	@sh scripts/venv.sh dev
	@exec $(PY) scripts/audit.py

format: ## Put every file into the common style
	@sh scripts/venv.sh dev
	@$(PY) -m ruff check --fix-only --quiet .
	@exec $(PY) -m ruff format .

frontend: ## Build the widgets' JavaScript from frontend/src
	@sh scripts/venv.sh dev
	@exec $(PY) scripts/check.py build

demo: ## Compare models on one clip without a browser (VIDEO=clip.mp4); writes demo/
	@sh scripts/venv.sh all
	@exec $(PY) scripts/demo.py $(if $(VIDEO),"$(VIDEO)")

bench: ## Measure speed and memory
	@sh scripts/venv.sh dev
	@$(PY) benchmarks/streaming.py
	@exec $(PY) benchmarks/end_to_end.py

# Training on a CPU takes and gives back large tensors all the time. These settings keep glibc from
# returning them to the system, and let torch ask for huge pages: twice the speed.
QUICK_MEMORY := MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000 \
	THP_MEM_ALLOC_ENABLE=1

train-default: ## Train the models that ship with vidlab anew, for hours; goes on where it stopped
	@sh scripts/venv.sh all
	@$(QUICK_MEMORY) $(PY) scripts/train_default.py
	@exec $(PY) scripts/ship_default.py

clean: ## Remove what these commands made here, .venv included
	rm -rf .venv .cache .import_linter_cache .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -rf build demo dist node_modules tests/_artifacts
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
