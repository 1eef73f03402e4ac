"""Predictions and labels -> what a network's scores mean."""

from dataclasses import dataclass
from pathlib import Path

from tinyseg.calibrate import Calibration, Judged, fit, log_loss, right_or_wrong, write_calibration
from tinyseg.data import Place
from tinyseg.errors import PredictionsError
from tinyseg.files import check_output
from tinyseg.tasks.opening import open_given, place_of, read_all_labels
from tinyseg.watch import OnError, OnProgress, OnRemark, Watch


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibration, and the scores' log loss without it and with it, on the frames it is from."""

    calibration: Calibration
    before: float
    after: float


def calibrate(
    predictions: Path | str,
    data: Path | str | Place,
    out: Path | str | None = None,
    *,
    on_error: OnError | str = OnError.stop,
    on_progress: OnProgress | None = None,
    on_remark: OnRemark | None = None,
) -> Calibrated:
    """Fit scores to how often they are right, on frames that the network did not learn from.

    `out` is the JSON file that `predict` and `export` take. Raises PredictionsError where a frame
    has no predictions, or there is nothing to fit.
    """
    target = None if out is None else Path(out)
    check_output(target)
    watch = Watch(on_error, on_progress, on_remark)
    (given,), dataset = open_given([predictions], place_of(data), watch, classes=tuple)
    found = {frame.name: frame.instances for frame in given.frames}
    parts = []
    with watch.stage("matching", len(dataset.items)) as stage:
        for labels in read_all_labels(dataset.items, watch, stage):
            if labels.name not in found:
                rule = "no predictions of a frame"
                raise PredictionsError(rule, path=predictions, got=labels.name)
            parts.append(right_or_wrong(found[labels.name], labels))
    judged = Judged.concatenate(parts)
    calibration = fit(judged)
    if target is not None:
        write_calibration(target, calibration)
    watch.report()
    return Calibrated(calibration, log_loss(judged), log_loss(judged, calibration))
