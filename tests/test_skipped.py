"""One broken object under --on-error skip: it is left out and counted, its frame is not."""

from pathlib import Path

import orjson
import pytest
from test_coco_data import SQUARE, annotation, document, write
from typer.testing import CliRunner

from tinyseg.cli import app
from tinyseg.data import Place, open_data
from tinyseg.errors import DataError, TinysegError
from tinyseg.predictions import FramePredictions, Predictions, write_predictions
from tinyseg.tasks.opening import open_with
from tinyseg.training.batches import FrameStore
from tinyseg.training.label_scan import scan_labels, take_census
from tinyseg.watch import OnError, Watch

CLASSES = ("car", "motorcycle")


@pytest.fixture
def spoiled(tmp_path: Path) -> Path:
    """Two frames with two objects each; one object of the first is broken, and one is of no
    image."""
    rows = [annotation(1), annotation(2, [[1, 2]]), annotation(3, image_id=2), annotation(4)]
    rows[3]["image_id"] = 77
    return write(tmp_path / "data", document(*rows, annotation(5, category_id=4, image_id=2)))


@pytest.fixture
def found(tmp_path: Path, spoiled: Path) -> Path:
    """Predictions that are the labels that can be read."""
    items = open_data(spoiled, classes=CLASSES, on_fault=lambda fault: None).items
    labels = [item.read_labels() for item in items]
    frames = tuple(FramePredictions(o.name, o.name, o.hw, o.instances) for o in labels)
    path = tmp_path / "found.json"
    write_predictions(path, Predictions(CLASSES, frames))
    return path


def words_of(verb: str, data: Path, found: Path, out: Path) -> list[str]:
    given = {
        "evaluate": [str(found), "--data", str(data), "--json", str(out)],
        "against": [str(found), "--against", str(found), "--data", str(data), "--resamples", "5"],
        "report": [str(found), "--data", str(data), "--out", str(out), "--resamples", "5"],
        "show": ["--data", str(data), "--out", str(out)],
        "convert": [str(data), "--out", str(out), "--to", "labelme"],
        "prior": ["--learn-prior", "--data", str(data), "--out", f"{out}.json", "--camera", "x"],
    }
    verbs = {"against": "evaluate", "prior": "export"}
    return [verbs.get(verb, verb), *given[verb]]


@pytest.mark.parametrize("verb", ["evaluate", "against", "report", "show", "convert", "prior"])
def test_verbs_leave_out_the_object_alone(
    spoiled: Path, found: Path, tmp_path: Path, verb: str
) -> None:
    words = words_of(verb, spoiled, found, tmp_path / "out")
    with pytest.raises(DataError, match="annotation 4: 'image_id' leads nowhere"):
        CliRunner().invoke(app, words, catch_exceptions=False)
    told = CliRunner().invoke(app, [*words, "--on-error", "skip"], catch_exceptions=False)
    assert told.exit_code == 0, told.output
    assert "2 objects skipped" in told.output
    assert "frames skipped" not in told.output
    assert "annotation 2: polygon 0: a polygon is a list" in " ".join(told.output.split())
    if verb == "evaluate":
        scores = orjson.loads((tmp_path / "out").read_bytes())
        assert scores["averages"]["ap"] == 1.0
        assert scores["instances"] == 3


def learnable(data: Path, watch: Watch) -> tuple[int, int]:
    """Objects in the census and in the decoded frames of a training run."""
    items = open_with(Place(data), CLASSES, watch=watch).items
    census = take_census(items, CLASSES, on_skip=lambda item, error: watch(item.name, error))
    store = FrameStore(items, on_skip=lambda item, error: watch(item.name, error))
    for _ in range(2):  # read anew, told once
        scan_labels(items, CLASSES, data.parent / "none/scan.json")
    return int(census.instances.sum()), sum(len(store[i].instances) for i in range(2))


def test_training_leaves_out_the_object_alone(spoiled: Path) -> None:
    watch = Watch(OnError.skip)
    assert learnable(spoiled, watch) == (3, 3)
    assert (len(watch.objects), watch.frames) == (2, {})
    with pytest.raises(DataError, match="annotation 4"):
        learnable(spoiled, Watch(OnError.stop))


def test_the_first_fault_stops_by_default(spoiled: Path) -> None:
    content = document(annotation(1), annotation(2, [[1, 2]]), annotation(3, [*SQUARE, None]))
    data = write(spoiled.parents[1], content)
    item = open_data(data, classes=CLASSES).items[0]
    with pytest.raises(DataError, match="annotation 2"):
        item.read()
    heard: list[TinysegError] = []
    assert len(item.read(heard.append).instances) == 1
    assert [fault.code for fault in heard] == ["polygon-short", "polygon-short"]
