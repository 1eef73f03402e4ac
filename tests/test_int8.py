"""Exported networks in 8 bits: close to what they were, refused where they lose too much."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _exported import pictures, written
from jaxtyping import Float
from typer.testing import CliRunner

from tinyseg import quantise
from tinyseg.calibration import Calibration
from tinyseg.cli import app
from tinyseg.data import Item
from tinyseg.errors import DataError, WeightsError
from tinyseg.exporting.files import read_exported
from tinyseg.exporting.int8 import PARTS, folded, in_8_bits
from tinyseg.exporting.runtimes import RuntimeNetwork
from tinyseg.exporting.write import _notes
from tinyseg.frame import FrameLabels, Instances
from tinyseg.image import read_image, write_jpeg
from tinyseg.masks import CropMasks
from tinyseg.networks import Exported, Given, given_to_export
from tinyseg.predict import Predictor, choose_backend, load_member, named_plan
from tinyseg.quantise import Worth, write_int8
from tinyseg.tasks import weights

for package in ("openvino", "onnx", "onnxscript", "nncf"):
    pytest.importorskip(package)

HW = (128, 192)


@cache
def exact() -> Any:
    """A small network, to be quantised."""
    import onnx

    return folded(onnx.load(written("lite").onnx))


@cache
def in_8() -> Any:
    """The same in 8 bits."""
    return in_8_bits(exact(), list(pictures(4, HW, seed=1)))


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Given:
    """The network with its weights; exporting and quantising it again would take long."""
    monkeypatch.setattr(quantise, "to_onnx", lambda detector: detector)
    monkeypatch.setattr(quantise, "folded", lambda graph: exact())
    monkeypatch.setattr(quantise, "in_8_bits", lambda model, views: in_8())
    return given_to_export(written("lite").weights, settings=["predict.plan=whole"])


def labelled(path: Path, labels: FrameLabels) -> Item:
    return Item(path.stem, path, lambda: labels)


def items(folder: Path, least: float) -> list[Item]:
    """Two pictures, labelled with what the network finds on them from this score on."""
    member = written("lite").member
    network = Predictor([member], named_plan("whole", member.predict))
    made = []
    for place, image in enumerate(pictures(2, HW, seed=5)):
        path = folder / f"{place}.jpg"
        write_jpeg(path, image)
        found = network(read_image(path))
        sure = found.select(found.scores >= least)
        named = Instances.from_labels(sure.masks, sure.labels)
        made.append(labelled(path, FrameLabels(str(place), HW, named, CropMasks.empty())))
    return made


def top_map(model: Any) -> Float[np.ndarray, "1 channels rows columns"]:
    """The pyramid's finest map of a picture that no range was set by."""
    import openvino

    output = [one for op in model.get_ops() for one in op.outputs() if "map0" in one.names]
    cut = openvino.Model([output[0].node], model.get_parameters())
    found = openvino.Core().compile_model(cut, "CPU")(pictures(1, HW, seed=9))
    return np.array(found[0])


def test_8_bits_compute_nearly_the_same_in_the_parts_that_are_named() -> None:
    wanted, found = top_map(exact()), top_map(in_8())
    assert not np.array_equal(wanted, found)
    assert np.corrcoef(wanted.ravel(), found.ravel())[0, 1] > 0.7  # made weights forgive little
    rounded = [op for op in in_8().get_ops() if op.type_info.name == "FakeQuantize"]
    readers = {
        "/".join(one.get_node().get_friendly_name().split("/")[:2])
        for op in rounded
        for one in op.output(0).get_target_inputs()
    }
    assert {part for part in PARTS if any(name.startswith(part) for name in readers)} == {
        *(*PARTS[:3], PARTS[4])  # its box head has no layers that read the maps
    }
    assert all(name.startswith(PARTS) for name in readers), readers


def test_the_file_says_what_8_bits_cost(given: Given, tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "out.xml"
    frames = items(tmp_path, 0.5)
    exported, worth = write_int8(given, path, frames, most_loss=1.0, advance=told.append)
    assert told == ["0", "1", "0", "1"]
    assert worth.instances > 10
    assert worth.exact_ap > 0.95
    assert worth.int8_ap < worth.exact_ap
    notes = json.loads(read_exported(path).notes["int8"])
    assert (notes["frames"], round(worth.int8_ap, 5)) == (2, notes["ap_int8"])
    assert exported.size_bytes < written("lite").onnx.stat().st_size * 2
    member = load_member(path, backend=choose_backend("openvino", threads=1))
    assert len(member.network.detect(pictures(1, (64, 64)))[0]) > 20


def test_views_in_which_nothing_is_found_set_no_ranges(
    given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranged: list[np.ndarray] = []
    sees, detect = [True], RuntimeNetwork.detect

    def in_light(network: RuntimeNetwork, images: Any) -> list[Instances]:
        found = detect(network, images)
        light = [sees[0] and image.mean() > 1 for image in images]
        return [one if lit else Instances.empty() for one, lit in zip(found, light, strict=True)]

    def note_views(model: Any, views: Sequence[np.ndarray]) -> Any:
        ranged.extend(views)
        return in_8()

    monkeypatch.setattr(RuntimeNetwork, "detect", in_light)
    monkeypatch.setattr(quantise, "in_8_bits", note_views)
    frames = items(tmp_path, 0.5)
    write_jpeg(tmp_path / "dark.jpg", np.zeros((*HW, 3), np.uint8))
    nothing = FrameLabels("dark", HW, Instances.empty(), CropMasks.empty())
    frames.append(labelled(tmp_path / "dark.jpg", nothing))
    write_int8(given, tmp_path / "out.xml", frames, most_loss=1.0)
    assert len(ranged) == 2
    assert all(view.mean() > 1 for view in ranged)
    sees[0] = False
    with pytest.raises(DataError, match="it finds nothing in these frames"):
        write_int8(given, tmp_path / "other.xml", frames, most_loss=1.0)
    assert not (tmp_path / "other.xml").exists()


def test_no_loss_can_be_seen_where_nothing_is_right(
    given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = quantise._ap
    monkeypatch.setattr(quantise, "_ap", lambda *words: 0.01 * real(*words))
    with pytest.raises(WeightsError, match=r"too little right .* above 0.01 in 32 bits, got 0.0"):
        write_int8(given, tmp_path / "out.xml", items(tmp_path, 0.5), most_loss=0.01)
    assert not list(tmp_path.glob("out*"))


def test_notes_do_not_depend_on_the_order_they_came_in(given: Given) -> None:
    header = {"prior": "a", "card": "b"}
    back = dict(reversed(header.items()))
    notes = [list(_notes(replace(given, header=one), ".onnx").items()) for one in (header, back)]
    assert notes[0] == notes[1]


def test_the_loss_is_seen_through_the_networks_own_calibration(
    given: Given, tmp_path: Path
) -> None:
    frames = items(tmp_path, 0.5)
    labelled = [one.read_labels().instances.labels for one in frames]
    most = int(np.bincount(np.concatenate(labelled)).argmax())
    last = Calibration(classes={given.recipe.classes[most]: -20.0})  # after all other classes
    noted = replace(given, header=dict(given.header) | {"calibration": last.model_dump_json()})
    aps = [write_int8(one, tmp_path / "a.xml", frames, most_loss=1.0)[1] for one in (given, noted)]
    assert aps[1].exact_ap < aps[0].exact_ap - 0.05


def test_too_great_a_loss_is_refused_and_leaves_nothing(given: Given, tmp_path: Path) -> None:
    frames, path = items(tmp_path, 0.5), tmp_path / "out.xml"
    with pytest.raises(WeightsError, match=r"lose more than 0 of .* in 32 bits, .* in 8"):
        write_int8(given, path, frames, most_loss=0.0)
    with pytest.raises(DataError, match="no instance is labelled"):
        write_int8(given, path, items(tmp_path, 2.0), most_loss=0.0)
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("--out", "a.onnx", "--int8", "--data", "."), "8 bits are for OpenVINO"),
        (("--out", "a.xml", "--int8"), "a data set, and it is for them alone"),
        (("--out", "a.xml", "--data", "."), "a data set, and it is for them alone"),
    ],
)
def test_words_that_do_not_fit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], match: str
) -> None:
    monkeypatch.chdir(tmp_path)
    call = ["export", "tinyseg-lite", *words]
    with pytest.raises(DataError, match=match):
        CliRunner().invoke(app, call, catch_exceptions=False)
    assert not list(tmp_path.iterdir())


def test_the_verb_tells_what_8_bits_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = FrameLabels("0", HW, Instances.empty(), CropMasks.empty())
    frames = [labelled(tmp_path / f"{place}.jpg", nothing) for place in range(2)]

    def done(given: Given, target: Path, some: list[Item], **rest: object) -> tuple[object, Worth]:
        assert [item.name for item in some] == ["0"]
        return Exported(given.recipe, "0" * 64, 1, 1), Worth(1, 9, 0.5, 0.4)

    class Opened:
        items = frames

    monkeypatch.setattr(weights, "write_int8", done)
    monkeypatch.setattr(weights, "open_with", lambda *words, **named: Opened)
    call = ["export", "tinyseg-lite", "--out", str(tmp_path / "a.xml"), "--int8"]
    ended = CliRunner().invoke(app, [*call, "--data", str(tmp_path), "--frames", "1"])
    assert ended.exit_code == 0, ended.output
    assert "1 frames, 9 instances: 0.500 in 32 bits, 0.400 in 8" in " ".join(ended.output.split())


def test_views_are_few_and_of_all_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantise, "MOST_SIDE", 70)
    network = quantise._Recorded(written("lite").member.network)
    for seed in range(3):
        network.detect(pictures(6, (64, 64), seed=seed))
    assert len(network.views) == 3 * quantise.VIEWS_OF_A_FRAME
    assert not np.array_equal(network.views[0], network.views[1])
    assert {view.shape for view in network.views} == {(64, 64, 3)}
    network.detect(pictures(1, (64, 96)))
    assert network.views[-1].shape == (64, 70, 3)
