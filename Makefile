# Two commands are all a newcomer needs: `make demo` and `make test`.
# Each target makes .venv when it is missing and installs what it needs.

PYTHON ?= python3
BIN := .venv/bin
DEMO := demo-out
DATA ?= ../shared/data
REAL ?= $(DATA)/wad
RUNS ?= runs

.PHONY: real-weights faults kill-storm demo test check bench fuzz wheel-test clean

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,imagenet]'
	@touch $@

test: check  ## style, types, then all tests
	$(BIN)/pytest

check: .venv/installed  ## style and types only
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy

demo: .venv/installed  ## scenes -> training -> predictions -> table and overlays, on a CPU
	rm -rf $(DEMO)
	$(BIN)/tinyseg synth --out $(DEMO)/train --count 24 --seed 1
	$(BIN)/tinyseg synth --out $(DEMO)/val --count 4 --seed 2
	$(BIN)/tinyseg train --recipe lite --data $(DEMO)/train --out $(DEMO)/run --set train.steps=300
	$(BIN)/tinyseg predict $(DEMO)/val/train_color --weights $(DEMO)/run --out $(DEMO)/found \
		--tile 640 --overlay
	$(BIN)/tinyseg evaluate $(DEMO)/found --data $(DEMO)/val --json $(DEMO)/scores.json
	$(BIN)/tinyseg show --data $(DEMO)/val --out $(DEMO)/labels
	$(BIN)/tinyseg report $(DEMO)/found --data $(DEMO)/val --out $(DEMO)/report.html
	@echo "look at $(DEMO)/found/*_overlay.jpg (found), $(DEMO)/labels/*_overlay.jpg (true), $(DEMO)/report.html"

# Anchors from 8 pixels, views of 448; COCO in mosaics that have the sizes of WAD's tiles.
TINY := --recipe lite --set train.mixed=true --set network.proposals.similarity=larger \
	--set network.proposals.nwd_scale=8 --set 'network.proposals.anchor_sizes=[8,18,40,88,194]'
TILES := {kind: tile, share: 2, data: [0], view: 448, zoom: [0.6, 2.5]}
MOSAIC := view: 448, grid: [1, 3], weights: [3, 2, 1]}

real-weights: .venv/installed  ## the weights of NOTES.md's table of plans, from DATA: 1.5 hours on a core each
	mkdir -p $(RUNS)
	ls $(DATA)/coco/train2017 $(DATA)/coco/val2017 | grep jpg | sort | awk 'NR % 10 != 1' > $(RUNS)/coco.txt
	cd $(DATA)/cityscapes/leftImg8bit && ls */*/*.png | xargs -n 1 basename -s _leftImg8bit.png > $(abspath $(RUNS))/cityscapes.txt
	$(BIN)/tinyseg train $(TINY) --init imagenet --out $(RUNS)/pre \
		--data $(DATA)/coco --list $(RUNS)/coco.txt --share 0.85 --zoom 1 \
		--data $(DATA)/cityscapes --list $(RUNS)/cityscapes.txt --share 0.15 --zoom 0.5 \
		--set 'sampling.sources=[{kind: mosaic, $(MOSAIC)]' --set train.steps=2400 --set train.ema=0.998
	for run in "A 2300 1" "B 1200 2"; do set -- $$run; \
	$(BIN)/tinyseg train $(TINY) --init $(RUNS)/pre --out $(RUNS)/fine$$1 \
		--data $(REAL) --list $(REAL)/train.txt --share 1 --zoom 1 \
		--data $(DATA)/coco --list $(RUNS)/coco.txt --share 0.8 --zoom 1 \
		--data $(DATA)/cityscapes --list $(RUNS)/cityscapes.txt --share 0.2 --zoom 0.5 \
		--set 'sampling.sources=[$(TILES), {kind: mosaic, share: 1, data: [1, 2], $(MOSAIC)]' \
		--set train.steps=$$2 \
		--set train.seed=$$3 --set train.ema=0.999 --set train.learning_rate=0.0003 || exit 1; done

bench: .venv/installed  ## the README's figures, side by side
	$(BIN)/python benchmarks/label_map.py --data $(REAL)
	$(BIN)/python benchmarks/masks_to_rle.py
	$(BIN)/python benchmarks/train_step.py
	$(BIN)/python benchmarks/roi_align.py
	$(BIN)/python benchmarks/evaluate.py
	$(BIN)/python benchmarks/submission.py

fuzz: .venv/installed  ## run-length codecs and damaged submissions, many more than the tests take
	TINYSEG_FUZZ_COUNT=1000000 $(BIN)/pytest tests/test_runs.py -k fuzz -s
	TINYSEG_CORRUPTIONS=40 $(BIN)/pytest tests/test_submission_check.py -k damage -s

faults: .venv/installed  ## every kind of fault of a data set, planted 20 times, and clean sets
	TINYSEG_FAULTS=20 $(BIN)/pytest tests/test_doctor.py -k 'planted or clean_sets or generators'

kill-storm: .venv/installed  ## 20 killed runs, 100 kills while saving, 200 damaged checkpoints, torchrun
	TINYSEG_KILLS=20 $(BIN)/pytest tests/test_checkpoint.py -k 'kills or damaged' -s
	TINYSEG_KILLS=20 $(BIN)/pytest tests/test_run.py -k 'killed or torchrun' -s

wheel-test: .venv/installed  ## build the wheel and run it in an environment of its own
	rm -rf dist .venv-wheel
	$(BIN)/python -m build --wheel
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/pip install --quiet --constraint constraints.txt dist/*.whl
	cd /tmp && $(CURDIR)/.venv-wheel/bin/tinyseg --help
	cd /tmp && $(CURDIR)/.venv-wheel/bin/tinyseg synth --out $(CURDIR)/.venv-wheel/scenes --count 1

clean:
	rm -rf .venv .venv-wheel $(DEMO) build dist .mypy_cache .pytest_cache .ruff_cache
