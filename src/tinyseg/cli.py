"""The command line: one thin command a verb. Work is done in the rooms; here words become calls.

Results go to standard output, everything else to standard error. Bad input ends with exit status
2 and one line that names file, place and rule; Ctrl-C with 130, and what was finished is kept.
"""

import glob as globbing
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import orjson
import torch
import typer

from tinyseg.build import build_detector, load_imagenet
from tinyseg.data import DataSet, Item, frame_key, open_data
from tinyseg.data.synthetic import write_wad
from tinyseg.errors import DataError, TinysegError
from tinyseg.evaluate.score import score
from tinyseg.evaluate.table import scores_table, scores_to_json
from tinyseg.frame import FrameLabels, Instances
from tinyseg.image import read_image, write_jpeg
from tinyseg.labels import WAD_CLASSES
from tinyseg.masks import CropMasks
from tinyseg.predict import load_predictor
from tinyseg.predictions import FramePredictions, Predictions, read_predictions, write_predictions
from tinyseg.progress import Bar, console, progress_bar
from tinyseg.recipes import find_recipe, with_settings
from tinyseg.report.overlay import draw_overlay
from tinyseg.train.batches import FrameStore
from tinyseg.train.loop import StepReport
from tinyseg.train.loop import train as run_training

app = typer.Typer(
    name="tinyseg",
    help="Find and segment the tiny instances of a driving scene, and every larger one too.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    add_completion=False,
)

PICTURES = {".jpg", ".jpeg", ".png"}
PREDICTIONS_NAME = "predictions.json"
OVERLAY_CUT = 0.3


class OnError(StrEnum):
    """What to do with a frame that cannot be read."""

    stop = "stop"
    skip = "skip"


DataOption = Annotated[Path, typer.Option("--data", help="The data set: a folder, or a COCO JSON.")]
ListOption = Annotated[
    Path | None, typer.Option("--list", help="Only the frames named in this file, one a line.")
]
FormatOption = Annotated[
    str | None, typer.Option("--format", help="wad, coco or cityscapes; recognised if not given.")
]
OnErrorOption = Annotated[
    OnError, typer.Option("--on-error", help="Stop at a bad file, or skip it and report the count.")
]
DeviceOption = Annotated[
    str, typer.Option("--device", help="cpu, cuda, cuda:1 ...; auto takes a GPU if there is one.")
]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", min=1, help="Threads of the network on a CPU.")
]


class Skipped:
    """Counts what was left out, and says so once at the end."""

    def __init__(self, on_error: OnError) -> None:
        self.on_error = on_error
        self.errors: dict[str, TinysegError] = {}

    def __call__(self, name: str, error: TinysegError) -> None:
        """Keep the error in mind, or raise it where the user wants to stop."""
        if self.on_error is OnError.stop:
            raise error
        self.errors.setdefault(name, error)

    def report(self) -> None:
        """The number of frames left out, with the first reasons."""
        for error in list(self.errors.values())[:5]:
            console.print(f"[yellow]skipped[/] {error}", highlight=False)
        if self.errors:
            console.print(f"[yellow]{len(self.errors)} frames skipped[/]")


@app.command()
def synth(
    out: Annotated[Path, typer.Option(help="Folder to write, in the WAD's own layout.")],
    count: Annotated[int, typer.Option(min=1, help="Frames.")] = 20,
    seed: Annotated[int, typer.Option(help="The same seed gives the same frames.")] = 0,
    first: Annotated[int, typer.Option(min=0, help="Index of the first frame.")] = 0,
    size: Annotated[str, typer.Option(help="Width x height in pixels.")] = "3384x2710",
    zoom: Annotated[float, typer.Option(min=0.1, help="Narrower field of view.")] = 1.0,
) -> None:
    """Render street scenes with exact labels.

    Example: tinyseg synth --out scenes --count 40 --seed 1
    """
    width, height = _parse_size(size)
    with progress_bar("rendering", count) as bar:
        write_wad(
            out,
            count=count,
            seed=seed,
            first=first,
            height=height,
            width=width,
            zoom=zoom,
            progress=lambda _: bar.advance(),
        )
    console.print(f"{count} frames in {out}")


@app.command()
def train(
    data: DataOption,
    out: Annotated[Path, typer.Option(help="The run's folder: weights, recipe, log.")],
    recipe: Annotated[str, typer.Option(help="Preset of network and training.")] = "lite",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a key: train.steps=500")
    ] = None,
    listed: ListOption = None,
    format: FormatOption = None,
    on_error: OnErrorOption = OnError.stop,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
) -> None:
    """Train a network on a data set.

    Example: tinyseg train --data wad --list train.txt --out runs/a --set train.steps=500
    """
    chosen = with_settings(find_recipe(recipe), settings or [])
    where = _device(device, threads)
    dataset = _open(data, format, listed, chosen.classes)
    skipped = Skipped(on_error)
    torch.manual_seed(chosen.train.seed)
    detector = build_detector(chosen)
    start = "ImageNet weights" if load_imagenet(detector, chosen) else "random weights"
    size = sum(p.numel() for p in detector.parameters()) / 1e6
    console.print(f"{chosen.name}: {size:.2f} M parameters, {start}, {len(dataset.items)} frames")
    frames = FrameStore(dataset.items, on_skip=lambda item, error: skipped(item.name, error))
    with progress_bar("training", chosen.train.steps) as bar:
        run_training(
            detector, chosen, frames, out, device=where, on_step=lambda s: bar.advance(_note(s))
        )
    skipped.report()
    console.print(f"weights and log in {out}")


@app.command()
def predict(
    images: Annotated[list[str], typer.Argument(help="Pictures, folders, or quoted globs.")],
    weights: Annotated[Path, typer.Option(help="A weights file, or a run's folder.")],
    out: Annotated[Path, typer.Option(help=f"Folder for {PREDICTIONS_NAME} and overlays.")],
    tile: Annotated[
        int | None, typer.Option(min=64, help="Also look at native tiles of this side.")
    ] = None,
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Draw a picture of each frame.")
    ] = False,
    on_error: OnErrorOption = OnError.stop,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
) -> None:
    """Find the instances of pictures: COCO-style JSON with scores from 0.01, and overlays.

    Example: tinyseg predict 'frames/*.jpg' --weights runs/a --out found --tile 640 --overlay
    """
    paths = list(_find_pictures(images))
    predictor = load_predictor(weights, device=_device(device, threads), tile=tile)
    out.mkdir(parents=True, exist_ok=True)
    done: list[FramePredictions] = []
    skipped = Skipped(on_error)
    try:
        with progress_bar("predicting", len(paths)) as bar:
            for path in paths:
                try:
                    image = read_image(path)
                except TinysegError as error:
                    skipped(path.name, error)
                    continue
                found = predictor(image)
                done.append(FramePredictions(path.stem, path.name, image.shape[:2], found))
                if overlay:
                    picture = draw_overlay(image, found, predictor.classes, min_score=OVERLAY_CUT)
                    write_jpeg(out / f"{path.stem}_overlay.jpg", picture)
                bar.advance(f"{path.name}: {len(found)}")
    finally:  # an interruption or a bad file does not cost the frames before it
        write_predictions(out / PREDICTIONS_NAME, Predictions(predictor.classes, tuple(done)))
        console.print(f"{len(done)} frames in {out / PREDICTIONS_NAME}")
    if overlay:
        console.print(f"overlays show scores from {OVERLAY_CUT}")
    skipped.report()


@app.command()
def evaluate(
    predictions: Annotated[Path, typer.Argument(help="What `tinyseg predict` wrote.")],
    data: DataOption,
    listed: ListOption = None,
    format: FormatOption = None,
    json: Annotated[Path | None, typer.Option(help="Also write the scores to this file.")] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Frames without predictions count as empty.")
    ] = False,
    on_error: OnErrorOption = OnError.stop,
) -> None:
    """Score predictions: AP by size and class, COCO's rules, ignore regions honoured.

    Example: tinyseg evaluate found/predictions.json --data wad --list val.txt --json scores.json
    """
    given = read_predictions(_predictions_file(predictions))
    dataset = _open(data, format, listed, WAD_CLASSES)
    given = _named_alike(given, dataset)
    skipped = Skipped(on_error)
    with progress_bar("reading labels", len(dataset.items)) as bar:
        truth = list(_labels(dataset.items, skipped, bar))
    scores = score(given, truth, classes=dataset.classes, allow_missing=allow_missing)
    if json is not None:
        json.write_bytes(orjson.dumps(scores_to_json(scores), option=orjson.OPT_INDENT_2))
    typer.echo(_rendered(scores_table(scores)))
    skipped.report()


@app.command()
def show(
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")],
    predictions: Annotated[
        Path | None, typer.Option(help="Show these instead of the labels.")
    ] = None,
    listed: ListOption = None,
    format: FormatOption = None,
    count: Annotated[int, typer.Option(min=1, help="At most this many frames.")] = 8,
    min_score: Annotated[float, typer.Option(help="Lowest score shown.")] = OVERLAY_CUT,
    on_error: OnErrorOption = OnError.stop,
) -> None:
    """Draw labels or predictions over the frames, with a strip that magnifies the horizon.

    Example: tinyseg show --data wad --list val.txt --predictions found/predictions.json --out seen
    """
    given = None if predictions is None else read_predictions(_predictions_file(predictions))
    classes = WAD_CLASSES if given is None else given.classes
    dataset = _open(data, format, listed, classes)
    frames = () if given is None else _named_alike(given, dataset).frames
    by_name = {frame.name: frame.instances for frame in frames}
    items = dataset.items[:count]
    out.mkdir(parents=True, exist_ok=True)
    skipped = Skipped(on_error)
    with progress_bar("drawing", len(items)) as bar:
        for item in items:
            try:
                frame = item.read()
            except TinysegError as error:
                skipped(item.name, error)
                continue
            shown = frame.instances if given is None else by_name.get(item.name, Instances.empty())
            ignore: CropMasks = frame.ignore
            picture = draw_overlay(frame.image, shown, classes, ignore=ignore, min_score=min_score)
            write_jpeg(out / f"{Path(item.name).stem}_overlay.jpg", picture)
            bar.advance(item.name)
    console.print(f"{len(items) - len(skipped.errors)} pictures in {out}, scores from {min_score}")
    skipped.report()


def main() -> None:
    """Entry point: errors of ours become one line and exit status 2."""
    try:
        app(standalone_mode=False)
    except TinysegError as error:
        console.print(f"[red]error:[/] {error}", highlight=False)
        sys.exit(2)
    except KeyboardInterrupt:
        console.print("interrupted; what was finished is saved")
        sys.exit(130)
    except typer.Abort:
        sys.exit(130)
    except Exception as error:
        # Typer carries its own copy of click, whose usage errors know how to show themselves.
        if not hasattr(error, "show"):
            raise
        error.show()
        sys.exit(int(getattr(error, "exit_code", 2)))


def _open(data: Path, format: str | None, listed: Path | None, classes: Sequence[str]) -> DataSet:
    dataset = open_data(data, format=format, classes=classes, listed=listed)
    if dataset.missing:
        some = ", ".join(dataset.missing[:3])
        console.print(f"[yellow]{len(dataset.missing)} listed frames are not there[/] ({some} ...)")
    return dataset


def _labels(items: Sequence[Item], skipped: Skipped, bar: Bar) -> Iterator[FrameLabels]:
    for item in items:
        try:
            labels = item.read_labels()
        except TinysegError as error:
            skipped(item.name, error)
            continue
        bar.advance()
        yield labels


def _device(name: str, threads: int | None) -> torch.device:
    if threads is not None:
        torch.set_num_threads(threads)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise DataError("no such device", where="--device", got=f"{name}: {reason}") from None
    return device


def _find_pictures(words: Sequence[str]) -> Iterator[Path]:
    """The picture files that paths, folders and globs name, each once, in order."""
    seen: dict[Path, None] = {}
    for word in words:
        if os.path.isdir(word):
            found = sorted(p for p in Path(word).iterdir() if p.suffix.lower() in PICTURES)
        elif os.path.exists(word):
            found = [Path(word)]
        else:
            found = [Path(p) for p in sorted(globbing.glob(word, recursive=True))]
        if not found:
            raise DataError("no picture of this name", path=word, expected="a file, folder or glob")
        seen.update(dict.fromkeys(found))
    by_stem: dict[str, Path] = {}
    for path in seen:
        if path.stem in by_stem:
            rule = "pictures of one call need names of their own"
            raise DataError(rule, path=path, got=f"the same name as {by_stem[path.stem]}")
        by_stem[path.stem] = path
    yield from seen


def _named_alike(predictions: Predictions, dataset: DataSet) -> Predictions:
    """The predictions with the data set's frame names: a file's name, stem or item name will do."""
    names = {frame_key(item.name): item.name for item in dataset.items}
    frames = [replace(f, name=names.get(frame_key(f.name), f.name)) for f in predictions.frames]
    return replace(predictions, frames=tuple(frames))


def _predictions_file(path: Path) -> Path:
    return path / PREDICTIONS_NAME if path.is_dir() else path


def _parse_size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) >= 64 and int(height) >= 64):
        raise DataError("a size is WIDTHxHEIGHT, at least 64x64", where="--size", got=text)
    return int(width), int(height)


def _note(report: StepReport) -> str:
    return f"loss {report.total:.3f}, waiting {report.data_wait_s / report.step_s:.0%}"


def _rendered(table: object) -> str:
    with console.capture() as captured:
        console.print(table)
    return captured.get()
