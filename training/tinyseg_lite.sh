#!/bin/sh
# The package's weights from the data folders, and the figures of its model card.
#
#     training/tinyseg_lite.sh DATA OUT          the weights: OUT/tinyseg-lite.safetensors
#     training/tinyseg_lite.sh DATA OUT folds    three runs that each leave frames of train.txt out,
#                                                and what plans are worth on what they left out
#     training/tinyseg_lite.sh DATA OUT table    the slides' table, two seeds, and another backbone
#     training/tinyseg_lite.sh DATA OUT minutes  what a step should look at: runs of equal minutes,
#                                                scored on cities left out, two seeds (SEEDS="1 2")
#     training/tinyseg_lite.sh DATA OUT rare     what helps rare classes: 300 steps each from the
#                                                package's weights, scored alike
#
# DATA holds wad/, coco/, coco_street/, coco_extra/ and cityscapes_street/.
# A run that was cut off goes on where it was; what is there is not made again. The weights take about 14 hours on
# one core of an Intel Xeon with AVX-512; on one of an AMD EPYC folds take 45 minutes, the table
# four hours, of which several scales and ensembles take two, minutes and rare two hours and one.
#
# Folds start before the WAD's frames were learnt from: at OUT/streets, or START=FILE. What the
# package shipped then will do: git show 30e9429:src/tinyseg/weights/tinyseg-lite.safetensors > FILE
set -eu
data=$(realpath "$1"); mkdir -p "$2"; out=$(realpath "$2"); what=${3:-weights}
here=$(dirname "$(realpath "$0")")

# Chosen on instances_val.json and train.txt (docs/benchmarks.md): strips, a zoom of 1.4 for what is
# small and 2 for what is tiny, each for at most as many pixels as the whole frame has.
plan="{parts: [\
{focus: {budget_mp: 4.1, budget_share: 1, zoom: 1.4, view: [320, 1280], answers_for: [0, 80], largest_zoom: 1}}, \
{focus: {budget_mp: 2.1, budget_share: 1, zoom: 2, view: [256, 1024], answers_for: [0, 48], largest_zoom: 1}}]}"

scenes() { [ -d "$out/scenes" ] || tinyseg synth --out "$out/scenes" --frames 24 --seed 5; }

learn() {  # learn RUN RECIPE WORDS...
    run=$1; recipe=$here/recipes/$2.yaml; shift 2
    if [ -d "$run/checkpoints" ]; then tinyseg train --resume "$run"
    else tinyseg train --out "$run" --recipe "$recipe" "$@"; fi
}

unpack() { [ -f "$out/street/instances_train.json" ] || "$data/cityscapes_street/unpack.py" "$out/street"; }

coco="--data $data/coco --data $data/coco_street --data $data/coco_extra"
seeds=${SEEDS:-1 2}

compare() {  # compare ROOM NAME WORDS...: train by recipes/ROOM.yaml, and score beside the room's plain run
    room=$1; run=$out/$room/$seed/$2; plain=$out/$room/$seed/plain; shift 2
    learn "$run" "$room" --data "$out/street/instances_train.json" --set train.seed="$seed" "$@"
    val_frames 0 1 | sed "s|^|$out/street/images/|" > "$run/val.txt"
    tinyseg predict "$run/val.txt" --weights "$run" --plan whole --backend torch --threads 1 --out "$run-found"
    against=""; [ "$run" = "$plain" ] || against="--against $run-found"
    tinyseg evaluate "$plain-found" $against --data "$out/street/instances_val.json" --json "$run.json"
}

val_frames() {  # val_frames FIRST STEP: frames of the other cities, in the order of their names
    python -c 'import json, sys
names = sorted(one["file_name"] for one in json.load(open(sys.argv[1]))["images"])
print(*names[int(sys.argv[2])::int(sys.argv[3])], sep="\n")' "$out/street/instances_val.json" "$1" "$2"
}

streets() {  # Cityscapes in strips along the road, COCO in mosaics; then the WAD's frames too
    unpack; scenes
    learn "$out/streets" streets --init imagenet \
        --data "$out/street/instances_train.json" --share 0.66 --view-zoom 1 \
        --data "$data/coco" --share 0.16 --view-zoom 1 \
        --data "$data/coco_street" --share 0.09 --view-zoom 1 \
        --data "$data/coco_extra" --share 0.04 --view-zoom 1 \
        --data "$out/scenes" --share 0.05 --view-zoom 1
    learn_wad "$out/streets_wad" "$out/streets" "$data/wad/train.txt"
}

learn_wad() {  # learn_wad RUN START LIST WORDS...: the WAD's listed frames too
    run=$1; start=$2; frames=$1_wad
    [ -d "$frames" ] || tinyseg convert "$data/wad" --list "$3" --to wad --pictures link --out "$frames"
    shift 3
    learn "$run" streets_wad --init "$start" \
        --data "$out/street/instances_train.json" --share 0.56 --view-zoom 1 \
        --data "$data/coco" --share 0.15 --view-zoom 1 \
        --data "$data/coco_street" --share 0.08 --view-zoom 1 \
        --data "$data/coco_extra" --share 0.04 --view-zoom 1 \
        --data "$out/scenes" --share 0.05 --view-zoom 1 \
        --data "$frames" --share 0.12 --view-zoom 1 "$@"
}

fit_scores() {  # fit_scores WEIGHTS FILE: on 45 frames of other cities, which have no tricycle
    val_frames 1 3 | head -n 45 > "$out/fit.txt"
    sed "s|^|$out/street/images/|" "$out/fit.txt" > "$out/fit_street.txt"
    tinyseg predict "$out/fit_street.txt" --weights "$1" --out "$out/fit_street"
    python - "$out" "$2" <<'CODE'
import sys
from pathlib import Path
import tinyseg
from tinyseg.tasks import calibrate
out, file = map(Path, sys.argv[1:])
labelled = "car,motorcycle,bicycle,person,truck,bus,tricycle"
street = tinyseg.Place(out / "street/instances_val.json", out / "fit.txt", labelled=labelled)
calibrate([out / "fit_street"], [street], file)
CODE
}

uses="--set predict.largest_zoom=1 --set predict.min_score=0.1"

write() {  # write RUN LIST FILE WORDS...: the run's own prior counts the rendered scenes too
    run=$1; list=$2; file=$3; shift 3
    tinyseg export "$run" --out "$file" --learn-prior --data "$data/wad" --list "$list" "$@"
}

case $what in
weights)
    streets
    write "$out/streets_wad" "$data/wad/train.txt" "$out/plain.safetensors" \
        --set "predict.plan=$plan" $uses
    fit_scores "$out/plain.safetensors" "$out/calibration.json"
    write "$out/streets_wad" "$data/wad/train.txt" "$out/tinyseg-lite.safetensors" \
        --card "$here/card.yaml" --licence "$(cat "$here/../src/tinyseg/weights/LICENCE")" \
        --set "predict.plan=$plan" $uses --calibration "$out/calibration.json"
    ;;
folds)
    unpack; scenes
    words=""
    for k in 1 2 3; do
        grep -v -x -F -f "$here/fold$k.txt" "$data/wad/train.txt" > "$out/train$k.txt"
        learn_wad "$out/fold$k" "${START:-$out/streets}" "$out/train$k.txt" \
            --set train.steps=800 --set train.seed="$k" --set train.ema=0.995
        write "$out/fold$k" "$out/train$k.txt" "$out/fold$k.safetensors" $uses
        words="$words --fold $out/fold$k.safetensors=$here/fold$k.txt"
    done
    echo "$plan" > "$out/plan.yaml"
    python "$here/../benchmarks/plans.py" --data "$data/wad" $words --plan "$out/plan.yaml" \
        --only 'whole*,focus' --out "$out/folds"
    ;;
table)  # rows learn from streets and are scored on other cities, after COCO, which knows no street
    unpack
    learn "$out/table_pre" pre_coco --init imagenet $coco
    learn "$out/other" other --init imagenet --data "$out/street/instances_train.json" $coco
    table() {  # table FOLDER WORDS...
        place=$1; shift
        python "$here/ablation.py" --data "$out/street/instances_train.json" \
            --val-data "$out/street/instances_val.json" --frame-size 1280x640 \
            --init "$out/table_pre" --other "$out/other" --out "$place" \
            --recipe "$here/recipes/table.yaml" --tile 640x256 --seeds 2 --budget 1.7 "$@"
    }
    table "$out/table" --only "Mask R-CNN" --only COCO --only "COCO, CA" --only "COCO, CA, PA" \
        --only "COCO, [1800,2400]" --only "COCO, VTR" --only "COCO, PA, VTR" --only "COCO, PA, VTR, FI"
    # Several scales and ensembles look at 6 to 18 megapixels a frame: on every third frame.
    for seed in 0 1; do
        mkdir -p "$out/table_third/seed-$seed/coco--pa--vtr"
        cp -r "$out/table/seed-$seed/coco--pa--vtr/run" "$out/table/seed-$seed/coco--pa--vtr/trained.json" \
            "$out/table_third/seed-$seed/coco--pa--vtr"
    done
    val_frames 0 3 > "$out/third.txt"
    table "$out/table_third" --val-list "$out/third.txt" --only "COCO, PA, VTR" --only "COCO, PA, VTR, FI" \
        --only "+ MS" --only "+ ensemble of 2 seeds" --only "+ another backbone"
    ;;
minutes)  # five minutes of one core of an AMD EPYC each; four views' rate is higher by the root of two
    unpack
    learn "$out/table_pre" pre_coco --init imagenet $coco
    learn "$out/narrow_pre" pre_coco --init imagenet $coco --set network.pyramid_channels=64 --set train.steps=1200
    after_coco() {  # after_coco NAME STEPS WORDS...
        name=$1; steps=$2; shift 2
        compare minutes "$name" --init "$out/table_pre" --set train.steps="$steps" "$@"
    }
    for seed in $seeds; do
        after_coco plain 410
        after_coco thin 415 --set "sampling.sources=[{kind: tile, view: [192, 1024], zoom: [0.55, 2.4]}]"
        after_coco square 418 --set "sampling.sources=[{kind: tile, view: 448, zoom: [0.55, 2.4]}]"
        after_coco mosaic 359 \
            --set "sampling.sources=[{kind: mosaic, view: 448, grid: [2, 2], large: 100, zoom: [0.55, 2.4]}]"
        after_coco four 216 --set train.batch=4 --set train.learning_rate=0.00057
        after_coco regions 324 --set network.boxes.sampled=512
        after_coco unfrozen 384 --set network.frozen_stages=0
        compare minutes narrow --init "$out/narrow_pre" --set train.steps=563 --set network.pyramid_channels=64
    done
    ;;
rare)
    unpack
    often="--set sampling.near=class --set sampling.repeat=0.3"
    # No horizon fits these labels: .42 is what Cityscapes' calibration says of its camera.
    pasted="--set sampling.copy_paste.share=0.5 --set sampling.copy_paste.horizon=0.42"
    for seed in $seeds; do
        compare rare plain --init tinyseg-lite
        compare rare often --init tinyseg-lite $often
        compare rare weighted --init tinyseg-lite $often \
            --set network.class_weights='{truck: 3, bus: 3, motorcycle: 3, bicycle: 2}'
        compare rare pasted --init tinyseg-lite $often $pasted
    done
    ;;
esac
