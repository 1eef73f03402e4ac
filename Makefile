# Two commands are all a newcomer needs: `make demo` and `make test`.
# Each target makes .venv when it is missing and installs what it needs.

PYTHON ?= python3
BIN := .venv/bin
DEMO := demo-out
DATA ?= ../shared/data
REAL ?= $(DATA)/wad
RUNS ?= runs

# Compiled modules are kept, also where the environment says otherwise: tests start hundreds of
# processes, each of which would compile the package anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: weights folds table faults layouts kill-storm serve-storm cluster-storm container-test docs demo test check bench fuzz wheel-test clean

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,imagenet]'
	@touch $@

test: check  ## style, types, then all tests: two files at a time, a thread each
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile

check: .venv/installed  ## style and types only
	$(BIN)/ruff check src tests benchmarks docs training
	$(BIN)/ruff format --check src tests benchmarks docs training
	$(BIN)/mypy

docs: .venv/installed  ## the documents as a site, into site/ (`make test` builds it too)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

demo: .venv/installed  ## rendered street scenes -> predictions, scores, overlays, report, submission
	rm -rf $(DEMO)
	$(BIN)/tinyseg synth --out $(DEMO)/scenes --frames 4 --seed 2
	$(BIN)/tinyseg predict $(DEMO)/scenes/train_color --out $(DEMO)/found --overlay
	$(BIN)/tinyseg evaluate $(DEMO)/found --data $(DEMO)/scenes --json $(DEMO)/scores.json
	$(BIN)/tinyseg show --data $(DEMO)/scenes --out $(DEMO)/labels
	$(BIN)/tinyseg report $(DEMO)/found --data $(DEMO)/scenes --out $(DEMO)/report.html
	$(BIN)/tinyseg submit $(DEMO)/found --out $(DEMO)/submission.csv
	@echo
	@echo "4 rendered frames of 3384 x 2710 were looked at by the package's own weights. Now open"
	@echo "  $(DEMO)/report.html             what is right, what is wrong, and every frame down to its pixels"
	@echo "  $(DEMO)/found/*_overlay.jpg     what was found"
	@echo "  $(DEMO)/labels/*_overlay.jpg    what is there"
	@echo "  $(DEMO)/scores.json, $(DEMO)/submission.csv, $(DEMO)/found/predictions.json"

weights: .venv/installed  ## the package's weights from the data folders of DATA: 14 hours on one core
	PATH=$(abspath $(BIN)):$$PATH training/tinyseg_lite.sh $(DATA) $(RUNS)

folds: .venv/installed  ## and what plans are worth on frames that were left out of training
	PATH=$(abspath $(BIN)):$$PATH training/tinyseg_lite.sh $(DATA) $(RUNS) folds

table: .venv/installed  ## the slides' table with the lite network: four hours
	PATH=$(abspath $(BIN)):$$PATH training/tinyseg_lite.sh $(DATA) $(RUNS) table

bench: .venv/installed  ## the figures of docs/benchmarks.md, side by side
	$(BIN)/python benchmarks/label_map.py --data $(REAL)
	$(BIN)/python benchmarks/masks_to_rle.py
	$(BIN)/python benchmarks/polygons.py
	$(BIN)/python benchmarks/train_step.py
	$(BIN)/python benchmarks/roi_align.py
	$(BIN)/python benchmarks/learning.py
	$(BIN)/python benchmarks/evaluate.py
	$(BIN)/python benchmarks/submission.py
	$(BIN)/python benchmarks/predict_time.py --data $(REAL) --list $(REAL)/val.txt

fuzz: .venv/installed  ## run lengths, polygons, labels, damaged submissions: many more than tests take
	TINYSEG_FUZZ_COUNT=1000000 $(BIN)/pytest tests/test_runs.py -k fuzz -s
	TINYSEG_FUZZ_COUNT=100000 $(BIN)/pytest tests/test_polygons.py tests/test_record_fuzz.py -k fuzz -s
	JAXTYPING_DISABLE=1 TINYSEG_FUZZ_COUNT=100000 $(BIN)/pytest tests/test_agreement.py -k fuzz -s
	TINYSEG_CORRUPTIONS=40 $(BIN)/pytest tests/test_submission_check.py -k damage -s
	TINYSEG_PICTURES=100000 $(BIN)/pytest tests/test_picture_fuzz.py -s

faults: .venv/installed  ## every kind of fault of a data set, planted 20 times, and clean sets
	TINYSEG_FAULTS=20 $(BIN)/pytest tests/test_doctor.py -k 'planted or clean_sets or generators'

layouts: .venv/installed  ## 23 users' layouts through every verb, and into every format and back
	TINYSEG_LAYOUTS=1 $(BIN)/pytest tests/test_layouts.py -s

kill-storm: .venv/installed  ## 40 killed runs, 100 kills while saving, 1,440 damaged checkpoints, torchrun
	TINYSEG_KILLS=20 $(BIN)/pytest tests/test_checkpoint.py -k 'kills or damaged' -s
	TINYSEG_KILLS=20 $(BIN)/pytest tests/test_run.py -k 'killed or torchrun' -s

serve-storm: .venv/installed  ## 256 frames at once, 10,000 hostile requests, 20 killed workers: hours
	$(BIN)/python benchmarks/serve_storm.py load
	$(BIN)/python benchmarks/serve_storm.py hostile --requests 10000
	$(BIN)/python benchmarks/serve_storm.py kills
	$(BIN)/python benchmarks/serve_storm.py page

container-test: .venv/installed  ## the Dockerfile's steps without docker
	tests/container.sh $(abspath $(BIN))

cluster-storm: .venv/installed  ## a cluster of this machine, 30 of its processes killed on the way
	TINYSEG_KILLS=30 OMP_NUM_THREADS=1 $(BIN)/pytest tests/test_cluster.py -k killed -s
	TINYSEG_KILLS=30 OMP_NUM_THREADS=1 $(BIN)/pytest tests/test_cluster_s3.py -s

wheel-test: .venv/installed  ## build the wheel and run it in an environment of its own
	rm -rf dist .venv-wheel
	$(BIN)/python -m build --wheel
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/pip install --quiet --constraint constraints.txt dist/*.whl
	cd /tmp && $(CURDIR)/.venv-wheel/bin/tinyseg --help
	cd /tmp && $(CURDIR)/.venv-wheel/bin/tinyseg synth --out $(CURDIR)/.venv-wheel/scenes --frames 1
	cd /tmp && $(CURDIR)/.venv-wheel/bin/tinyseg predict $(CURDIR)/.venv-wheel/scenes/train_color \
		--out $(CURDIR)/.venv-wheel/found

clean:
	rm -rf .venv .venv-wheel $(DEMO) build dist site .mypy_cache .pytest_cache .ruff_cache
