"""A trained run -> one file to give away, or to run elsewhere; where instances stand."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from tinyseg.calibration import read_calibration
from tinyseg.data import TRAIN, Item, Place, class_ids
from tinyseg.errors import DataError, OutputError, WeightsError
from tinyseg.exporting import is_exported, write_onnx, write_openvino
from tinyseg.fields import read_text
from tinyseg.files import check_output, write_whole
from tinyseg.networks import Exported, Given, given_to_export, write_weights
from tinyseg.quantise import Worth, write_int8
from tinyseg.stored import PRIOR, Notes, find_weights
from tinyseg.tasks.eight_bits import EightBits
from tinyseg.tasks.opening import open_with, place_of, read_all_labels
from tinyseg.views import LocationPrior, learn_prior, prior_to_json
from tinyseg.watch import OnError, OnProgress, OnRemark, Watch

WRITERS: dict[str, Callable[[Given, Path], Exported]] = {
    ".safetensors": write_weights,
    ".onnx": write_onnx,
    ".xml": write_openvino,
}
"""By the file's ending: half precision, or exact numbers for ONNX Runtime and OpenVINO."""


@dataclass(frozen=True, slots=True)
class WrittenWeights:
    """A file, what it says of itself, and what 8 bits and a learned prior came to, else None."""

    path: Path
    exported: Exported
    notes: Notes
    worth: Worth | None
    prior: LocationPrior | None


def export(
    weights: Path | str | None,
    out: Path | str,
    *,
    settings: Sequence[str] = (),
    calibration: Path | None = None,
    licence: str | None = None,
    card: Path | Mapping[str, str] | None = None,
    data: Path | str | Place | None = None,
    learn_prior: bool = False,
    camera: str | None = None,
    int8: EightBits | None = None,
    on_error: OnError | str = OnError.stop,
    on_progress: OnProgress | None = None,
    on_remark: OnRemark | None = None,
) -> WrittenWeights:
    """Write a network with all that prediction needs: .safetensors in half precision, .onnx or .xml
    (OpenVINO) with exact numbers.

    `weights` is a run, a file or a name; None is the package's own. `settings` say how it is used
    by default ("predict.plan=focus"); `calibration` is what `calibrate` wrote; `licence` and `card`
    go into the file. With `learn_prior` the location prior is learned from the frames of `data`, in
    place of the weights' own; `camera` is that of all frames, where names do not tell it. `int8`
    takes the ranges of numbers from `data`. Of a set with splits the training split is taken.
    Raises WeightsError, RecipeError or DataError.

    >>> written = tinyseg.export("tinyseg-lite", "own.safetensors", licence="as the package's")
    >>> written.exported.recipe.classes[0]
    'car'
    """
    out = Path(out)
    if out.suffix.lower() not in WRITERS:
        expected = " | ".join(f"{out.stem}{ending}" for ending in WRITERS)
        raise DataError("a file's ending says its format", expected=expected, got=out.name)
    beside = out.with_suffix(".bin")
    if out.suffix.lower() == ".xml" and beside.exists() and not out.exists():
        rule = "is there, and no .xml that it belongs to: an .xml's numbers go into such a file"
        raise OutputError(rule, path=beside, expected="another name, or no such file")
    if int8 is not None and out.suffix.lower() != ".xml":
        raise DataError("8 bits are for OpenVINO", where="int8", expected=".xml", got=out.name)
    if (int8 is not None or learn_prior) != (data is not None):
        rule = "8 bits and a location prior come from a data set, and it is for them alone"
        raise DataError(rule, where="data", got="none" if data is None else place_of(data).path)
    check_output(out)
    text = None if calibration is None else read_calibration(calibration).model_dump_json()
    notes = Notes(text, licence, read_card(card) if isinstance(card, Path) else card or {})
    watch = Watch(on_error, on_progress, on_remark)
    with watch.fetching(str(weights)) as tell:
        source = find_weights(None if weights is None else str(weights), on_progress=tell)
    if is_exported(source):
        rule = "an exported network is not exported again"
        raise WeightsError(rule, path=source, expected="the run or weights that it was made of")
    given = given_to_export(source, settings=settings, notes=notes)
    prior, worth, items = None, None, list[Item]()
    if data is not None:
        items += open_with(place_of(data), given.recipe.classes, kind=TRAIN, watch=watch).items
    if learn_prior:
        prior = _learn(items, camera, watch)
        given = replace(given, header=dict(given.header) | {PRIOR: prior_to_json(prior)})
    if int8 is None:
        written = WRITERS[out.suffix.lower()](given, out)
    else:
        some = items[:: -(-len(items) // int8.frames)]
        with watch.stage("in 32 bits, then in 8", 2 * len(some)) as stage:
            most = int8.most_loss
            written, worth = write_int8(given, out, some, most_loss=most, advance=stage.advance)
    watch.report()
    return WrittenWeights(out, written, Notes.of(given.header, source), worth, prior)


def write_prior(
    data: Path | str | Place,
    out: Path | str,
    *,
    camera: str | None = None,
    on_error: OnError | str = OnError.stop,
    on_progress: OnProgress | None = None,
    on_remark: OnRemark | None = None,
) -> LocationPrior:
    """Learn where instances of all the set's classes stand, for each camera and frame size, and
    write it as JSON: for networks that bring no prior of their own.

    >>> prior = tinyseg.write_prior("scenes", "prior.json", on_remark=print)
    >>> [one.camera for one in prior.cameras]
    ['5', '6']
    """
    check_output(Path(out))
    place, watch = place_of(data), Watch(on_error, on_progress, on_remark)
    classes = tuple(class_ids(place.path, place.format))
    prior = _learn(open_with(place, classes, kind=TRAIN, watch=watch).items, camera, watch)
    write_whole(Path(out), prior_to_json(prior).encode())
    watch.report()
    return prior


def _learn(items: Sequence[Item], camera: str | None, watch: Watch) -> LocationPrior:
    with watch.stage("reading labels", len(items)) as stage:
        return learn_prior(read_all_labels(items, watch, stage), camera=camera)


def read_card(path: Path) -> dict[str, str]:
    """The fields of a model card; raises DataError for anything but texts and numbers by name."""
    try:
        tree = yaml.safe_load(read_text(path))
    except (ValueError, yaml.YAMLError):
        raise DataError("the card is not YAML", path=path) from None
    plain = isinstance(tree, dict) and all(
        isinstance(key, str) and isinstance(value, str | int | float) for key, value in tree.items()
    )
    if not plain:
        raise DataError("a card is YAML: a text or a number by name", path=path)
    return {key: str(value).strip() for key, value in tree.items()}
