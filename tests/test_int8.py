"""Exported networks in 8 bits: close to what they were, refused where they lose too much."""

import json
from pathlib import Path

import numpy as np
import pytest
from _exported import pictures, written
from typer.testing import CliRunner

from tinyseg import quantise
from tinyseg.cli import app
from tinyseg.data import Item
from tinyseg.errors import DataError, WeightsError
from tinyseg.exporting.files import read_exported
from tinyseg.frame import FrameLabels, Instances
from tinyseg.image import write_jpeg
from tinyseg.masks import CropMasks
from tinyseg.networks import Given, given_to_export
from tinyseg.predict import Predictor, choose_backend, load_member
from tinyseg.quantise import Worth, write_int8

for package in ("openvino", "onnx", "onnxscript", "nncf"):
    pytest.importorskip(package)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Given:
    """A small network to export; its graph was made before."""
    import onnx

    model = onnx.load(written("lite").onnx)
    monkeypatch.setattr(quantise, "to_onnx", lambda detector: model)
    return given_to_export(written("lite").weights)


def labelled(path: Path, labels: FrameLabels) -> Item:
    return Item(path.stem, path, lambda: labels)


def items(folder: Path, least: float) -> list[Item]:
    """Two pictures, labelled with what the network finds on them from this score on."""
    exact = Predictor([written("lite").member])
    made = []
    for place, image in enumerate(pictures(2, (128, 192), seed=5)):
        path = folder / f"{place}.jpg"
        write_jpeg(path, image)
        found = exact(image)
        sure = found.select(found.scores >= least)
        named = Instances.from_labels(sure.masks, sure.labels)
        labels = FrameLabels(str(place), (128, 192), named, CropMasks.empty())
        made.append(labelled(path, labels))
    return made


def test_8_bits_find_nearly_the_same_and_say_so(given: Given, tmp_path: Path) -> None:
    told: list[str] = []
    frames = items(tmp_path, 0.5)
    path = tmp_path / "out.xml"
    exported, worth = write_int8(given, path, frames, most_loss=1.0, advance=told.append)
    assert told == ["0", "1", "0", "1"]
    assert worth.instances > 20
    assert worth.exact_ap > 0.95
    assert 0.3 < worth.int8_ap < worth.exact_ap
    notes = json.loads(read_exported(path).notes["int8"])
    assert (notes["frames"], round(worth.int8_ap, 5)) == (2, notes["ap_int8"])
    assert exported.size_bytes < written("lite").onnx.stat().st_size * 2
    member = load_member(path, backend=choose_backend("openvino", threads=1))
    assert len(member.network.detect(pictures(1, (64, 64)))[0]) > 20


def test_too_great_a_loss_is_refused_and_leaves_nothing(given: Given, tmp_path: Path) -> None:
    frames, path = items(tmp_path, 0.5), tmp_path / "out.xml"
    with pytest.raises(WeightsError, match=r"lose more than 0 of .* in 32 bits, .* in 8"):
        write_int8(given, path, frames, most_loss=0.0)
    with pytest.raises(DataError, match="no instance is labelled"):
        write_int8(given, path, items(tmp_path, 2.0))
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("--out", "a.onnx", "--int8", "--data", "."), "8 bits are for OpenVINO"),
        (("--out", "a.xml", "--int8"), "--int8 and --data belong together"),
        (("--out", "a.xml", "--data", "."), "--int8 and --data belong together"),
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
    frames = items(tmp_path, 0.5)

    def done(given: Given, target: Path, some: list[Item], **rest: object) -> tuple[object, Worth]:
        from tinyseg.networks import Exported

        assert [item.name for item in some] == ["0"]
        return Exported(given.recipe, "0" * 64, 1, 1), Worth(1, 9, 0.5, 0.4)

    monkeypatch.setattr(quantise, "write_int8", done)
    import tinyseg.cli.export as verb

    class Opened:
        items = frames

    monkeypatch.setattr(verb, "open_with", lambda *words, **named: Opened)
    call = ["export", str(written("lite").weights), "--out", str(tmp_path / "a.xml"), "--int8"]
    ended = CliRunner().invoke(app, [*call, "--data", str(tmp_path), "--frames", "1"])
    assert ended.exit_code == 0, ended.output
    assert "1 frames, 9 instances: 0.500 in 32 bits, 0.400 in 8" in " ".join(ended.output.split())


def test_views_are_few_and_of_all_frames(given: Given) -> None:
    network = quantise._Recorded(written("lite").member.network)
    for seed in range(3):
        network.detect(pictures(6, (64, 64), seed=seed))
    assert len(network.views) == 3 * quantise.VIEWS_OF_A_FRAME
    assert not np.array_equal(network.views[0], network.views[1])
