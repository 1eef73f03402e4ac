#!/bin/sh
# The package's weights from the data folders, and the figures of its model card.
#
#     training/tinyseg_lite.sh DATA OUT          the weights: OUT/tinyseg-lite.safetensors
#     training/tinyseg_lite.sh DATA OUT folds    three runs that each leave frames of train.txt out,
#                                                and what plans are worth on what they left out
#     training/tinyseg_lite.sh DATA OUT table    the slides' table, two seeds, and another backbone
#
# DATA holds wad/, coco/ and cityscapes/. A run that was cut off goes on where it was; what is there
# is not made again. About 3 hours on one core of an AMD EPYC; folds take 40 minutes more, the table
# an hour.
set -eu
data=$(realpath "$1"); mkdir -p "$2"; out=$(realpath "$2"); what=${3:-weights}
here=$(dirname "$(realpath "$0")")

tiny="--set network.proposals.similarity=larger --set network.proposals.nwd_scale=8 \
    --set network.proposals.anchor_sizes=[8,18,40,88,194]"

# Chosen on the folds (NOTES.md): a zoom of 1.4 for what is small, and 2 for what is tiny.
plan="{parts: [\
{focus: {budget_mp: 7, zoom: 1.4, view: [640, 1280], answers_for: [0, 80], largest_zoom: 1}}, \
{focus: {budget_mp: 4, zoom: 2, view: [512, 1024], answers_for: [0, 48], largest_zoom: 1}}]}"

lists() {  # each tenth picture of COCO is kept to look at
    ls "$data"/coco/train2017 "$data"/coco/val2017 | grep jpg | sort | awk 'NR % 10 != 1' > "$out/coco.txt"
    (cd "$data/cityscapes/leftImg8bit" && ls */*/*.png | xargs -n 1 basename -s _leftImg8bit.png) > "$out/cityscapes.txt"
    [ -d "$out/scenes" ] || tinyseg synth --out "$out/scenes" --count 24 --seed 5
}

learn() {  # learn RUN WORDS...
    run=$1; shift
    if [ -d "$run/checkpoints" ]; then tinyseg train --resume "$run"
    else tinyseg train --out "$run" --set train.picture_every=0 "$@"; fi
}

everyday="--data $data/coco --list $out/coco.txt --share 0.85 --zoom 1 \
    --data $data/cityscapes --list $out/cityscapes.txt --share 0.15 --zoom 0.5"
mosaic="view: 448, grid: [1, 3], weights: [3, 2, 1]"

pre_train() {  # COCO and Cityscapes in mosaics, so that their objects have the sizes of WAD's
    sources="sampling.sources=[{kind: mosaic, $mosaic}]"
    # First without CA and PA, whose steps take half as long again.
    learn "$out/pre" --recipe lite --init imagenet $everyday --set "$sources" \
        --set train.steps=2400 --set train.ema=0.998 $tiny
    learn "$out/pre_tis" --recipe tis_lite --init "$out/pre" $everyday --set "$sources" \
        --set train.steps=2400 --set train.ema=0.998 --set train.seed=1 \
        --set network.boxes.sampled=128
}

fine_tune() {  # fine_tune RUN LIST STEPS SEED EMA: two of three views from streets
    tiles="{kind: tile, share: 2, data: [0, 1, 2], view: 448, zoom: [0.5, 2.5]}"
    learn "$1" --recipe tis_lite --init "$out/pre_tis" \
        --data "$data/wad" --list "$2" --share 0.8 --zoom 1 \
        --data "$data/cityscapes" --list "$out/cityscapes.txt" --share 0.12 --zoom 0.5 \
        --data "$out/scenes" --list "$out/scenes/train.txt" --share 0.08 --zoom 1 \
        --data "$data/coco" --list "$out/coco.txt" --share 0.8 --zoom 1 \
        --set "sampling.sources=[$tiles, {kind: mosaic, share: 1, data: [1, 3], $mosaic}]" \
        --set sampling.repeat=0.5 --set sampling.copy_paste.share=0.25 \
        --set train.steps="$3" --set train.seed="$4" --set train.ema="$5" \
        --set train.learning_rate=0.0003 --set network.boxes.sampled=128 \
        --set network.proposals.kept=[500,600]
    # The run's own prior counts the rendered scenes too, which name the same cameras.
    tinyseg prior --data "$data/wad" --list "$2" --into "$1"
}

lists
pre_train
case $what in
weights)
    fine_tune "$out/final" "$data/wad/train.txt" 3300 7 0.999
    tinyseg export "$out/final" --out "$out/tinyseg-lite.safetensors" --card "$here/card.yaml" \
        --licence "$(cat "$here/../src/tinyseg/weights/LICENCE")" \
        --set "predict.plan=$plan" --set predict.largest_zoom=1 --set predict.min_score=0.02
    ;;
folds)
    words=""
    for k in 1 2 3; do
        grep -v -x -F -f "$here/fold$k.txt" "$data/wad/train.txt" > "$out/train$k.txt"
        fine_tune "$out/fold$k" "$out/train$k.txt" 500 $k 0.995
        words="$words --fold $out/fold$k=$here/fold$k.txt"
    done
    echo "$plan" > "$out/plan.yaml"
    python "$here/../benchmarks/plans.py" --data "$data/wad" $words --plan "$out/plan.yaml" \
        --out "$out/folds"
    ;;
table)
    learn "$out/other" --recipe lite --init imagenet --set network.backbone=tf_efficientnet_lite1 \
        --data "$data/wad" --list "$data/wad/train.txt" --share 0.5 --zoom 1 \
        --data "$data/cityscapes" --list "$out/cityscapes.txt" --share 0.1 --zoom 0.5 \
        --data "$data/coco" --list "$out/coco.txt" --share 0.4 --zoom 1 \
        --set "sampling.sources=[{kind: tile, data: [0], view: 448, zoom: [0.5, 2.5]}, {kind: mosaic, share: 2, data: [1, 2], $mosaic}]" \
        --set train.steps=500 --set train.warm_up=60 --set train.ema=0.997 \
        --set network.boxes.sampled=128 $tiny
    tinyseg ablate --data "$data/wad" --list "$data/wad/train.txt" --val-list "$data/wad/val.txt" \
        --init "$out/pre" --other "$out/other" --out "$out/table" --recipe lite --tile 448 \
        --seeds 2 --budget 7 --set train.steps=250 --set train.warm_up=40 --set train.ema=0.99 \
        --set train.picture_every=0 --set network.boxes.sampled=128 $tiny
    ;;
esac
