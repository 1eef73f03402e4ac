"""The doctor's parts by hand, its verb, and inputs that nobody planned."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from _clean_sets import Planted, clean, picture
from _spoiled_files import write_list
from _spoiled_labels import with_val
from PIL import Image
from test_doctor import look, loud, told
from typer.testing import CliRunner

from tinyseg.cli import app
from tinyseg.doctor import Fault, Findings, Place, Severity, examination_of, examine, kinds
from tinyseg.doctor.advice import advise
from tinyseg.doctor.findings import EXAMPLES, Collector
from tinyseg.doctor.labels import Objects, group_gap
from tinyseg.doctor.pictures import thumbnail_of
from tinyseg.doctor.sources import survey_read
from tinyseg.doctor.statistics import (
    Population,
    count_up,
    fitted,
    has_anchor,
    resolutions_of,
    rows_of_small,
    shrunk_at,
    tile_cover,
)
from tinyseg.doctor.twins import moment_of
from tinyseg.errors import DataError, TinysegError
from tinyseg.labels import WAD_CLASSES
from tinyseg.model.assign import match
from tinyseg.model.proposals import anchor_boxes
from tinyseg.model.rules import ProposalRules
from tinyseg.model.similarity import similarity
from tinyseg.recipes import find_recipe, with_settings


def verb(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["doctor", *map(str, words)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def test_the_verb_says_what_is_wrong_and_ends_with_one(tmp_path: Path) -> None:
    made = clean(tmp_path / "set", "wad", np.random.default_rng(0))
    status, text = verb(made.root, "--recipe", "lite")
    assert status == 0
    assert "lite: zoom 0.5" in text
    made.picture(made.names[2]).write_bytes(b"")
    status, text = verb(made.root, "--json", tmp_path / "found.json")
    assert status == 1
    assert f"1 x empty picture files (picture-empty)\n      {made.names[2]}\n" in text
    written = json.loads((tmp_path / "found.json").read_bytes())
    assert written["counts"]["error"] == 1
    (group,) = (g for g in written["groups"] if g["severity"] == "error")
    assert (group["code"], group["count"]) == ("picture-empty", 1)
    assert group["examples"] == [{"place": made.names[2], "detail": ""}]


def test_the_verb_with_a_validation_list(tmp_path: Path) -> None:
    made = clean(tmp_path / "set", "wad", np.random.default_rng(0))
    for name, part in (("train", made.names[:4]), ("val", made.names[3:])):
        (tmp_path / name).write_text("\n".join(part))
    status, text = verb(made.root, "--list", tmp_path / "train", "--val-list", tmp_path / "val")
    assert status == 1
    assert "1 x frames that are in both sets" in text
    assert "val " in text


def test_a_path_that_is_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not recognised"):
        verb(tmp_path)
    with pytest.raises(DataError, match="unknown format"):
        examination_of(Place(tmp_path, format="dicom"), None, WAD_CLASSES)


def test_brackets_in_names_are_no_markup(tmp_path: Path) -> None:
    made = clean(tmp_path / "set", "wad", np.random.default_rng(0))
    write_list(made, [*made.names, "[bold]odd[/bold]"])
    assert made.listed is not None
    assert "[bold]odd[/bold]" in verb(made.root, "--list", made.listed)[1]


def test_fast_decodes_no_picture(tmp_path: Path) -> None:
    made = clean(tmp_path / "set", "wad", np.random.default_rng(0))
    path = made.picture(made.names[0])
    path.write_bytes(path.read_bytes()[:-40])
    assert set(loud(look(made))) == {kinds.PICTURE_CUT}
    findings = look(made, fast=True)
    assert loud(findings) == {}
    assert findings.fast


def test_a_check_that_breaks_is_one_frames_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = clean(tmp_path / "set", "wad", np.random.default_rng(0))

    def broken(path: Path, place: str, *, fast: bool) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr("tinyseg.doctor.examination.look_at_picture", broken)
    found = loud(look(made))
    assert len(found[kinds.CHECK_FAILED]) == len(made.names)
    assert "RuntimeError: out of luck" in found[kinds.CHECK_FAILED][0]


def test_validation_places_say_so(tmp_path: Path) -> None:
    made = clean(tmp_path / "set", "wad", np.random.default_rng(0))
    other = with_val(made, np.random.default_rng(1))
    other.label(other.names[0]).write_bytes(b"")
    assert loud(look(made)) == {
        kinds.LABEL_EMPTY: [f"val: {other.names[0]}: {other.label(other.names[0]).name}"]
    }


def test_a_turned_picture_has_the_size_that_viewers_show(tmp_path: Path) -> None:
    made = clean(tmp_path / "set", "coco", np.random.default_rng(0))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(np.random.default_rng(2))).rotate(90, expand=True).save(
        made.picture(made.names[0]), exif=exif
    )
    for fast in (False, True):
        findings = look(made, fast=fast)
        assert loud(findings) == {}
        assert len(told(findings)[kinds.PICTURE_ROTATED]) == 1


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("format", ["wad", "cityscapes", "coco"])
def test_whatever_lies_there_nothing_is_raised(tmp_path: Path, format: str, seed: int) -> None:
    """Random bytes changed, cut, exchanged; JSON values replaced by others of any type."""
    rng = np.random.default_rng([seed, *format.encode()])
    made = clean(tmp_path / "set", format, rng)
    for path in [p for p in sorted(made.root.rglob("*")) if p.is_file()][:: 1 + seed % 3]:
        spoil(path, rng)
    try:
        findings = look(made)
    except TinysegError:  # a .json of which not even the format is left
        return
    assert kinds.CHECK_FAILED not in told(findings), told(findings)[kinds.CHECK_FAILED]
    json.dumps(findings.to_json(), allow_nan=False)


def spoil(path: Path, rng: np.random.Generator) -> None:
    data = bytearray(path.read_bytes())
    if path.suffix == ".json":
        document = json.loads(data)
        for _ in range(8):
            spoil_json(document, rng)
        path.write_text(json.dumps(document))
        return
    for at in rng.integers(len(data), size=int(rng.integers(1, 9))).tolist():
        data[at] = int(rng.integers(256))
    path.write_bytes(bytes(data[: int(len(data) * rng.choice([1.0, 1.0, 0.5]))]))


def spoil_json(place: object, rng: np.random.Generator) -> None:
    """Walks down at random and replaces what is there."""
    values: tuple[object, ...] = (
        None,
        -1,
        0,
        1e300,
        float("nan"),
        "x",
        [],
        {},
        True,
        2**70,
        [[1, 2]],
        "0" * 50,
    )
    for _ in range(int(rng.integers(1, 6))):
        if not isinstance(place, list | dict) or not place:
            return
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = keys[int(rng.integers(len(keys)))]
        if rng.random() < 0.3:
            place[key] = values[int(rng.integers(len(values)))]
            return
        place = place[key]


def test_other_formats_are_looked_at_through_their_reader(tmp_path: Path) -> None:
    made = clean(tmp_path / "set", "wad", np.random.default_rng(0))
    made.picture(made.names[0]).unlink()
    shutil.copy(made.picture(made.names[1]), made.label(made.names[1]))
    survey = survey_read(made.root, WAD_CLASSES, None, format="wad", images=None)
    assert survey.halves[made.names[0]].kind is kinds.HALF_MISSING
    (fault,) = survey.sources[made.names[1]].labels().faults
    assert fault.kind is kinds.LABEL_REFUSED
    whole = survey.sources[made.names[2]].labels()
    assert (len(whole.objects), whole.faults) == (4, ())
    assert whole.digest != survey.sources[made.names[3]].labels().digest


def test_examples_are_bounded_and_counts_are_not() -> None:
    collector = Collector()
    for index in range(100):
        collector.add(Fault(kinds.FRAME_EMPTY, str(index)))
    collector.add(Fault(kinds.LABEL_CUT, "x"))
    first, second = collector.groups()
    assert (first.kind, first.count) == (kinds.LABEL_CUT, 1)
    assert (second.count, len(second.examples)) == (100, EXAMPLES)


def test_gap_between_parts() -> None:
    grid = np.zeros((10, 60), np.uint8)
    grid[2:6, :4] = 255
    assert group_gap(grid) == 0
    grid[2:6, 10:14] = 255  # a pole of 6 px before something of 4: near
    assert group_gap(grid) == 0
    grid[2:6, 56:] = 255  # 42 px from the next part
    assert group_gap(grid) == 42
    grid[0, 30] = 255  # a speck between them changes nothing
    assert group_gap(grid) == 42
    grid[2:6, 48:52] = 255  # two and two
    assert group_gap(grid) == 34


def test_thumbnails_tell_pictures_apart() -> None:
    one, other = (thumbnail_of(picture(np.random.default_rng(seed))) for seed in (0, 1))
    assert one is not None
    assert other is not None
    assert float(one.astype(float) @ one) == pytest.approx(1, abs=1e-4)
    assert float(one.astype(float) @ other) < 0.9
    assert thumbnail_of(np.full((40, 50, 3), 77, np.uint8)) is None


@pytest.mark.parametrize(
    ("name", "moment"),
    [
        ("170908_061522285_Camera_5", ("170908", 6 * 3600 + 15 * 60 + 22.285)),
        ("a/170908_000000001_Camera_6.jpg", ("170908", 0.001)),
        ("aachen_000001_000019", ("aachen_000001", 19 / 17)),
        ("000000000139.jpg", None),
        ("synth_000001_Camera_5", None),
    ],
)
def test_moments_of_names(name: str, moment: tuple[str, float] | None) -> None:
    assert moment_of(name) == (moment if moment is None else pytest.approx(moment))


def people(*boxes: tuple[float, float, float, float]) -> Population:
    """Cars on a frame of 100 x 200."""
    rows = np.array(boxes, np.float64).reshape(-1, 4)
    areas = (rows[:, 2:] - rows[:, :2]).prod(axis=1).astype(np.int64)
    objects = Objects(np.zeros(len(rows), np.int64), rows, areas)
    return Population(objects, np.tile([100.0, 200.0], (len(rows), 1)))


def test_histogram_by_hand() -> None:
    counts = count_up(people((0, 0, 3, 3), (0, 95, 4, 99), (10, 40, 42, 72)), ("car", "bus"))
    assert counts.sum() == 3
    assert counts[0, 0, 0] == counts[0, 1, 19] == counts[0, 4, 11] == 1


def test_what_is_left_at_a_resolution() -> None:
    some = people((0, 0, 6, 6), (0, 0, 20, 20))
    rows = {one.resolution: one.below for one in shrunk_at(some, resolutions_of(None))}
    # 100 x 200 at most 1800 x 2400: twelve times.
    assert rows["1800 / 2400"] == (0, 0, 0)
    assert rows["native"] == (0, 0.5, 0.5)
    assert fitted(50, 80)(np.array([[100.0, 200.0]])).tolist() == [0.4]
    names = [one.name for one in resolutions_of(find_recipe("tis_r50"))]
    assert names[3:] == ["tis_r50: 1500 / 2400", "tis_r50: 1800 / 2400"]


def test_rows_of_the_small_ones() -> None:
    assert rows_of_small(people((0, 0, 6, 6))) is None
    many = people(*[(x, 40, x + 5, 50) for x in range(40)], (0, 0, 100, 100))
    assert rows_of_small(many) == pytest.approx((0.4, 0.5))


@pytest.mark.parametrize("name", ["mask_rcnn_r50", "lite", "tis_r50"])
def test_anchors_equal_the_models_own_matching(name: str) -> None:
    """Against all anchors of a padded frame, by the function that training uses."""
    rng = np.random.default_rng(3)
    low = rng.uniform(60, 180, (60, 2))
    boxes = np.concatenate([low, low + np.exp(rng.uniform(1.5, 5.0, (60, 2)))], axis=1)
    rules: ProposalRules = find_recipe(name).network.proposals
    grids = tuple((384 // stride, 384 // stride) for stride in (4, 8, 16, 32, 64))
    sizes, ratios = tuple(rules.anchor_sizes), tuple(rules.aspect_ratios)
    anchors = torch.cat(anchor_boxes(grids, (384, 384), sizes, ratios, torch.device("cpu")))
    expected = [
        bool((matched(anchors, box[None], rules) >= 0).any())
        for box in torch.from_numpy(boxes).float()
    ]
    assert has_anchor(boxes, rules).tolist() == expected
    assert 5 < sum(expected) < 60
    assert has_anchor(np.zeros((0, 4)), rules).shape == (0,)


def matched(anchors: torch.Tensor, box: torch.Tensor, rules: ProposalRules) -> torch.Tensor:
    return match(
        anchors,
        box,
        positive_iou=rules.positive_iou,
        negative_iou=rules.negative_iou,
        best_for_each=False,
        similarity=similarity(rules.similarity, rules.nwd_scale),
    )


def test_tiles_by_hand() -> None:
    """A frame of 1000 x 1000 and tiles of 640, 160 shared: four, at 0 and 360."""
    boxes = ((0, 0, 50, 50), (300, 0, 700, 50), (0, 0, 700, 700))
    rows = np.array(boxes, np.float64)
    objects = Objects(np.zeros(3, np.int64), rows, np.ones(3, np.int64))
    some = Population(objects, np.full((3, 2), 1000.0))
    plain = next(one for one in tile_cover(some, (0.4, 0.5)) if (one.size, one.zoom) == (640, 1))
    assert (plain.tiles, plain.in_band) == (4, 2)
    assert plain.megapixels == pytest.approx(1.6384)
    assert plain.whole == pytest.approx(1 / 3)
    assert plain.below_16 == 0


def test_advice_follows_from_the_figures(tmp_path: Path) -> None:
    made = clean(tmp_path / "set", "wad", np.random.default_rng(0))
    findings = look(made)
    assert any("mask_rcnn" in one or "tis" in one or "lite" in one for one in findings.advice)
    statistics = findings.statistics
    lost = replace(statistics.shrunk[1], below=(0.2, 0.5, 0.9))
    native = replace(statistics.shrunk[2], below=(0.0, 0.1, 0.3))
    shrunk = (statistics.shrunk[0], lost, native)
    first, *_ = advise(replace(statistics, shrunk=shrunk), None)
    assert first.startswith("Whole frames at 1800 / 2400 show 50% of the instances below 8 pixels")
    assert "tiles" in first
    empty = replace(statistics, counts=np.zeros_like(statistics.counts))
    assert advise(empty, None) == ()


def test_a_set_without_frames_has_findings(tmp_path: Path) -> None:
    for folder in ("train_color", "train_label"):
        (tmp_path / folder).mkdir()
    findings: Findings = examine(examination_of(Place(tmp_path), None, WAD_CLASSES), WAD_CLASSES)
    assert findings.count(Severity.error) == 1
    assert findings.advice == ()


def test_a_changed_recipe_stands_in_place_of_its_preset(tmp_path: Path) -> None:
    """Both have one name, by which their anchors are compared with the others'."""
    made: Planted = clean(tmp_path / "set", "wad", np.random.default_rng(0))
    plan = examination_of(Place(made.root), None, WAD_CLASSES)
    sizes = "network.proposals.anchor_sizes=[300,400,500,600,700]"
    changed = with_settings(find_recipe("lite"), [sizes])
    found = examine(plan, WAD_CLASSES, recipe=changed).statistics.anchors
    own = [one.resolution for one in found if one.recipe == "lite"]
    assert len(own) == len(set(own)) > 0
    assert max(one.all or 0.0 for one in found if one.recipe == "lite") < 0.1


def test_every_name_is_told_once(tmp_path: Path) -> None:
    made: Planted = clean(tmp_path / "set", "wad", np.random.default_rng(0))
    names: list[str] = []
    plan = examination_of(Place(made.root), None, WAD_CLASSES)
    examine(plan, WAD_CLASSES, threads=3, on_frame=names.append)
    assert names == sorted(made.names)
    assert len(plan) == len(names)
