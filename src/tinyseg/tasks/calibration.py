"""Predictions and labels -> what a network's scores mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyseg.calibration import (
    Calibration,
    Judged,
    calibrated,
    calibration_error,
    fit,
    log_loss,
    right_or_wrong,
    write_calibration,
)
from tinyseg.data import Place
from tinyseg.errors import PredictionsError
from tinyseg.files import check_output
from tinyseg.tasks.opening import open_given, place_of, read_all_labels
from tinyseg.watch import OnError, OnProgress, OnRemark, Watch


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibration, and how well scores say what is right without it and with it, on the frames
    it is from: log loss, and expected calibration error."""

    calibration: Calibration
    before: float
    after: float
    error_before: float
    error_after: float


def calibrate(
    predictions: Path | str | Sequence[Path | str],
    data: Path | str | Place | Sequence[Path | str | Place],
    out: Path | str | None = None,
    *,
    on_error: OnError | str = OnError.stop,
    on_progress: OnProgress | None = None,
    on_remark: OnRemark | None = None,
) -> Calibrated:
    """Fit scores to how often they are right, on frames that the network did not learn from.

    `predictions` and `data` may be lists, predictions of one network for each data set. `out` is
    the JSON file that `predict` and `export` take. Raises PredictionsError where a frame has no
    predictions, where classes differ, or there is nothing to fit.

    >>> fitted = tinyseg.calibrate("guesses.json", "scenes", "calibration.json").calibration
    >>> fitted.wrong > 0
    True
    """
    target = None if out is None else Path(out)
    check_output(target)
    watch = Watch(on_error, on_progress, on_remark)
    files = [predictions] if isinstance(predictions, Path | str) else predictions
    places = [data] if isinstance(data, Path | str | Place) else data
    if len(files) != len(places):
        rule = "there are predictions for each data set, in the same order"
        raise PredictionsError(rule, expected=len(places), got=len(files))
    found = [_judged(*each, watch) for each in zip(files, places, strict=True)]
    classes = found[0][1]
    if any(names != classes for _, names in found):
        rule = "a calibration is of one network, whose predictions have the same classes"
        raise PredictionsError(rule, got=" | ".join(", ".join(names) for _, names in found))
    judged = Judged.concatenate(one for one, _ in found)
    calibration = fit(judged, classes)
    if target is not None:
        write_calibration(target, calibration)
    watch.report()
    fitted = calibrated(judged, calibration, classes)
    losses = log_loss(judged), log_loss(fitted)
    return Calibrated(calibration, *losses, calibration_error(judged), calibration_error(fitted))


def _judged(
    predictions: Path | str, data: Path | str | Place, watch: Watch
) -> tuple[Judged, tuple[str, ...]]:
    """What is right of the predictions of a data set, and the names of their classes."""
    (given,), dataset = open_given([predictions], place_of(data), watch, classes=tuple)
    found = {frame.name: frame.instances for frame in given.frames}
    parts = []
    with watch.stage("matching", len(dataset.items)) as stage:
        for labels in read_all_labels(dataset.items, watch, stage):
            if labels.name not in found:
                rule = "no predictions of a frame"
                raise PredictionsError(rule, path=predictions, got=labels.name)
            parts.append(right_or_wrong(found[labels.name], labels))
    return Judged.concatenate(parts), given.classes
