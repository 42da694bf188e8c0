# Every target makes .venv if it is missing. Another Python: PYTHON=python3.12 make demo.
# Folder with data sets: ODESWEEP_DATA=/path make demo (see README).
PYTHON ?= python3
BIN := .venv/bin
RESULTS ?= results
OUT ?= figures
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.PHONY: demo test check test-slow test-exhaustive test-slurm test-slurm-slow test-all bench gpu
.PHONY: figures docs clean

.venv/.train: pyproject.toml constraints.txt
	@echo "making .venv (torch is large: some minutes) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[ray,report]'
	@touch $@

.venv/.dev: pyproject.toml constraints.txt
	@echo "making .venv with everything (torch is large: some minutes) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch .venv/.train $@

# Test accuracy of the demo's nets: under the solver of training, and under twice its steps.
DEMO_QUERY := SELECT solver_name AS trained_with, solver_steps AS steps, count(DISTINCT seed) AS nets, \
  round(avg(accuracy) FILTER (test_solver_steps = solver_steps), 2) AS tested_alike, \
  round(avg(accuracy) FILTER (test_solver_steps = 2 * solver_steps), 2) AS twice_the_steps \
  FROM runs JOIN evaluations USING (trial_id) \
  WHERE test_solver = solver_name AND data_name = 'spheres' GROUP BY ALL ORDER BY ALL

# One shell runs the whole recipe, so that it can print the time that it took.
# make demo OPEN=--open shows the report in the browser.
demo: .venv/.train  ## the smallest study, from grid to figure
	@$(BIN)/odesweep run demo --executor ray --results demo/results; \
	$(BIN)/odereport figures ott2021 --plan demo --results demo/results --out demo/figures; \
	if why=$$($(BIN)/odesweep data check demo-images 2>&1); then \
	    $(BIN)/odesweep run demo-images --executor ray --results demo/results; \
	    $(BIN)/odereport figures ott2021/figure4 --plan demo-images --results demo/results \
	        --out demo/figures; \
	else echo "demo-images (real images) is left out: $${why#odesweep: }"; fi; \
	$(BIN)/odereport report --results demo/results --out demo $(OPEN) > /dev/null || test $$? = 1; \
	echo; echo "made in $$SECONDS s from demo/results. Accuracy of the nets, over their seeds:"; \
	$(BIN)/odesweep query "$(DEMO_QUERY)" --results demo/results; \
	echo "Look first at demo/figures/ott2021_figure4-demo.png: this table as a picture. A net that"; \
	echo "trained with few steps is right only under those steps; with many, under finer ones too."; \
	echo "  demo/figures/ott2021_figure1-demo.png    why: paths of a coarse net jump across each other"; \
	echo "  demo/figures/ott2021_figure2-demo.png    where its points end under half the step size"; \
	echo "  demo/report.html#demo                    all of it, to click on and to explore"; \
	echo "Try next:"; \
	echo "  make demo                                # trains nothing twice"; \
	echo "  $(BIN)/odesweep run demo +seed=3 --results demo/results  # train one more seed"; \
	echo "  $(BIN)/odereport serve --results demo/results            # a page that follows a sweep"

test: .venv/.dev  ## the tests; at most 10 minutes on two cores
	$(BIN)/pytest -n 2

check: .venv/.dev  ## format, lint, types, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(MAKE) test

test-slurm: .venv/.dev  ## tests on a real SLURM that they start; as root, after slurm/devcluster/install.sh
	$(BIN)/pytest -m 'slurm and not slow' -n 2 --dist worksteal tests/slurm

test-slurm-slow: .venv/.dev  ## the same SLURM: real time limits, and five longer chaos runs
	$(BIN)/pytest -m 'slurm and slow' -n 2 --dist worksteal tests/slurm

test-slow: .venv/.dev  ## only the slow tests: crashes under Ray, trials on real images
	$(BIN)/pytest -m 'slow and not slurm' -n 2

test-exhaustive: .venv/.dev  ## one training step of every combination of a study; long fuzzing
	$(BIN)/pytest -m exhaustive -n 2

test-all: test test-slow test-exhaustive test-slurm test-slurm-slow  ## everything

bench: .venv/.dev  ## speed compared with other tools, in one run
	$(BIN)/python -m benchmarks

gpu: .venv/.train  ## on a GPU: checks, speed and a short sweep, in ten minutes
	$(BIN)/python -m benchmarks.gpu

figures: .venv/.train  ## every figure that RESULTS has data for, into OUT
	$(BIN)/odereport figures --results $(RESULTS) --out $(OUT)

docs: .venv/.dev  ## the pages of docs/ that are written by code
	$(BIN)/python docs/make_models.py
	$(BIN)/python docs/make_api.py
	$(BIN)/odereport site --results docs/results --out docs/results

clean:  ## remove what demo, tests and tools leave behind; keeps .venv and results
	rm -rf demo/results demo/results.state demo/figures demo/report.html
	rm -rf .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
