"""Exported networks: they find what torch finds, and files that are not whole are refused."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from _exported import check_same, pictures, small_network, written
from PIL import Image
from test_imports import NETWORK, loaded_by
from typer.testing import CliRunner

from tinyseg import masks as mask_ops
from tinyseg.cli import app
from tinyseg.errors import (
    DataError,
    DeviceError,
    OutputError,
    PredictionsError,
    TinysegError,
    WeightsError,
)
from tinyseg.exporting import graph, runtimes, write
from tinyseg.exporting.files import OPEN_SEAL, ExportedFile, read_exported, sealed
from tinyseg.exporting.network import Choose, Dense, Prepare
from tinyseg.exporting.runtimes import open_exported
from tinyseg.frame import Instances
from tinyseg.image import write_jpeg
from tinyseg.network import Network
from tinyseg.predict import Backend, backends, choose_backend, load_member
from tinyseg.predict.detector_network import DetectorNetwork
from tinyseg.predict.members import common_classes
from tinyseg.predictions import Predictions, read_predictions

RUNTIMES = ("openvino", "onnxruntime")
SIZES = [(200, 300), (64, 64), (31, 70), (1, 1), (257, 129)]
for package in (*RUNTIMES, "onnx", "onnxscript"):
    pytest.importorskip(package)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("recipe", ["tis_lite", "lite"])
def test_a_runtime_finds_what_torch_finds(recipe: str, runtime: str) -> None:
    given, counts = written(recipe), []
    network, ours = open_exported(given.onnx, runtime, threads=1), given.member.network
    for hw in SIZES:
        images = pictures(2, hw)
        pairs = list(zip(network.detect(images), ours.detect(images), strict=True))
        counts += [len(wanted) for _, wanted in pairs]
        for found, wanted in pairs:
            check_same(found, wanted)
    assert max(counts) == 300 if recipe == "lite" else min(counts) == 0 < max(counts)


def test_large_pictures_have_graphs_of_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sizes in turn, several pictures at once and none: as by the graph for all sizes."""
    network = open_exported(written("lite").onnx, "openvino", threads=1)
    batches = [pictures(3, hw)[:count] for hw in SIZES[:2] for count in (2, 0, 3)]
    wanted = [network.detect(images) for images in (*batches, *batches)]
    monkeypatch.setattr(runtimes, "LARGE", 1)
    found = [network.detect(images) for images in (*batches, *batches)]
    assert [len(one) for one in found] == [2, 0, 3] * 4
    assert any(len(one) for batch in wanted for one in batch)
    for ours, theirs in zip(found, wanted, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            check_same(one, other)


@pytest.mark.parametrize("hw", SIZES)
def test_the_exported_form_finds_what_the_detector_finds(hw: tuple[int, int]) -> None:
    """Of torchvision's own network, whose RoIs are not aligned and whose strides are its own."""
    detector, recipe = small_network("mask_rcnn_r50")
    images = pictures(2, hw)
    wanted = DetectorNetwork(detector, recipe).detect(images)
    prepare, dense, choose = Prepare(detector), Dense(detector), Choose(detector)
    with torch.no_grad():
        pixels, size = prepare(torch.from_numpy(images))
        found = [part.numpy() for part in choose(size, dense(pixels))]
    for ours, theirs in zip(runtimes.by_image(found, 2), wanted, strict=True):
        check_same(ours, theirs)


def test_what_is_fixed_to_one_size_is_refused() -> None:
    detector = small_network("lite")[0]
    detector.rules = replace(detector.rules, pad_to=16)
    with pytest.raises(WeightsError, match=r"pads pictures to a multiple of 32 \(got 16\)"):
        Dense(detector)


def test_a_file_with_a_byte_changed_is_refused(tmp_path: Path) -> None:
    whole = written("lite").onnx.read_bytes()
    path = tmp_path / "network.onnx"
    places = np.random.default_rng(0).integers(0, len(whole), 40)
    for place in [0, len(whole) - 1, *places.tolist()]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 8]) + whole[place + 1 :])
        with pytest.raises(WeightsError, match=r"network\.onnx: (damaged|not a file|written by)"):
            read_exported(path)
    for length in (0, 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(WeightsError, match=r"network\.onnx: (damaged|not a file)"):
            read_exported(path)


def test_a_file_of_another_version_or_maker_is_refused(tmp_path: Path) -> None:
    import onnx

    model = onnx.load(written("lite").onnx)
    notes = {one.key: one.value for one in model.metadata_props}
    later = {**notes, "format": "tinyseg-onnx/2", "checksum": OPEN_SEAL.decode()}
    path = tmp_path / "network.onnx"
    onnx.helper.set_model_props(model, later)
    path.write_bytes(sealed(model.SerializeToString()))
    with pytest.raises(WeightsError, match=r"another version .*tinyseg-onnx/1, got .*/2"):
        load_member(path)
    onnx.helper.set_model_props(model, {})
    path.write_bytes(model.SerializeToString())
    with pytest.raises(WeightsError, match="networks of others take an adapter"):
        load_member(path)
    with pytest.raises(WeightsError, match="no such weights file"):
        load_member(tmp_path / "other.onnx")


def test_openvinos_form_is_two_files_that_belong_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _made_before(monkeypatch)
    path = tmp_path / "network.xml"
    told = _run("export", written("lite").weights, "--out", path)
    assert f"{path}: {path.stat().st_size + path.with_suffix('.bin').stat().st_size} bytes" in told
    assert sorted(file.name for file in tmp_path.iterdir()) == ["network.bin", "network.xml"]
    member = load_member(path, backend=choose_backend("openvino", threads=1))
    images = pictures(1, (64, 96))
    check_same(member.network.detect(images)[0], written("lite").member.network.detect(images)[0])
    with pytest.raises(WeightsError, match=r"ONNX Runtime runs \.onnx files"):
        open_exported(path, "onnxruntime")
    with pytest.raises(DataError, match="runs in OpenVINO or ONNX Runtime"):
        load_member(path)
    weights = bytearray(path.with_suffix(".bin").read_bytes())
    weights[100] ^= 1
    path.with_suffix(".bin").write_bytes(weights)
    with pytest.raises(WeightsError, match="damaged"):
        read_exported(path)


def test_networks_of_other_classes_are_no_ensemble() -> None:
    runs = choose_backend("onnxruntime", threads=1)
    members = [load_member(written(name).onnx, backend=runs) for name in ("lite", "tis_lite")]
    assert len(common_classes(members)) == 7
    members[1].network.classes = ("car",)
    with pytest.raises(TinysegError, match="have one class list"):
        common_classes(members)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two pictures; networks that are made ready lie in a cache of their own."""
    monkeypatch.setenv("TINYSEG_CACHE", str(tmp_path / "cache"))
    _made_before(monkeypatch)
    (tmp_path / "in").mkdir()
    for place, hw in enumerate([(200, 300), (160, 96)]):
        write_jpeg(tmp_path / f"in/{place}.jpg", pictures(1, hw, seed=place)[0])
    return tmp_path / "in"


def _made_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exporting lite's network again takes seconds: the graph of before is taken."""
    import onnx

    model = onnx.load(written("lite").onnx)
    monkeypatch.setattr(write, "to_onnx", lambda detector: model)


def _run(*words: object) -> str:
    """A verb's words; raises what it raises."""
    told = [str(word) for word in words]
    ended = CliRunner().invoke(app, told, catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return " ".join(ended.output.split())


def _predict(scene: Path, out: str, *words: object, weights: Path | None = None) -> str:
    given = ("--weights", weights or written("lite").weights, "--threads", 1)
    return _run("predict", scene, *given, "--out", scene.parent / out, *words)


def _found(scene: Path, out: str) -> Predictions:
    return read_predictions(scene.parent / out / "predictions.json")


def test_backends_find_the_same_through_the_whole_plan(scene: Path) -> None:
    (scene / "0.jpg").unlink()  # merging hundreds of made instances takes long
    _predict(scene, "torch", "--flip", "--backend", "torch")
    wanted = _found(scene, "torch")
    for runtime in RUNTIMES:
        told = _predict(scene, runtime, "--flip", "--backend", runtime)
        assert ("making the network ready" in told) == (runtime == RUNTIMES[0])
        for ours, theirs in zip(_found(scene, runtime).frames, wanted.frames, strict=True):
            check_alike(ours.instances, theirs.instances)
        assert f'"backend": "{runtime}"' in (scene.parent / runtime / "run.json").read_text()


def check_alike(found: Instances, wanted: Instances) -> None:
    """Merged masks, in pixels: one of 50 may differ where rounding changed what was merged."""
    for ours, theirs in ((found, wanted), (wanted, found)):
        best = mask_ops.iou(ours.masks, theirs.masks).max(axis=1, initial=0)
        assert (best < 0.99).sum() <= len(best) // 50
        assert len(best) > 100


def test_another_backend_is_another_run(scene: Path) -> None:
    _predict(scene, "out", "--backend", "onnxruntime")
    assert "2 of them finished before" in _predict(scene, "out")  # goes on with what it was
    assert "2 of them finished before" in _predict(scene, "out", "--backend", "onnxruntime")
    assert "2 of them finished before" in _predict(scene, "out", "--backend", "auto")
    match = r"another backend \(onnxruntime there, openvino asked for\)"
    with pytest.raises(PredictionsError, match=match):
        _predict(scene, "out", "--backend", "openvino")
    with pytest.raises(PredictionsError, match="another backend"):
        _predict(scene, "out", "--backend", "torch")


def test_a_file_beside_the_weights_is_taken_where_it_is_named_alone(scene: Path) -> None:
    """It may have been exported for another use."""
    weights = scene.parent / "own.safetensors"
    shutil.copy(written("lite").weights / "weights.safetensors", weights)
    fewer = ("--set", "predict.detections=3", "--out", scene.parent / "own.onnx")
    _run("export", weights, *fewer)
    _predict(scene, "torch", "--backend", "torch", weights=weights)
    _predict(scene, "auto", "--backend", "onnxruntime", weights=weights)
    for ours, theirs in zip(
        _found(scene, "auto").frames, _found(scene, "torch").frames, strict=True
    ):
        check_alike(ours.instances, theirs.instances)


def test_more_detections_than_an_exported_network_keeps(
    scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[int | None]()
    real = runtimes.RUNTIMES["openvino"]

    def note(file: ExportedFile, threads: int | None) -> runtimes.Run:
        seen.append(threads)
        return real(file, threads)

    monkeypatch.setitem(runtimes.RUNTIMES, "openvino", note)
    monkeypatch.setattr(backends, "has_gpu", lambda: False)
    auto = ("--backend", "auto", "--detections")
    assert "stays in torch" not in _predict(scene, "few", *auto, 200)
    assert seen == [1]
    assert '"backend": "openvino"' in (scene.parent / "few/run.json").read_text()
    assert "stays in torch: an exported network keeps 300" in _predict(scene, "more", *auto, 400)
    assert '"backend": "torch"' in (scene.parent / "more/run.json").read_text()


def test_a_clusters_workers_keep_as_many(scene: Path) -> None:
    pytest.importorskip("ray")
    from _jobs import engine

    runs = Backend("openvino", 1, auto=True)
    for detections, backend in ((200, "openvino"), (400, "torch")):
        job = engine(written("lite").weights, backend=runs, detections=detections)
        assert [member.backend for member in job.predictor().members] == [backend]


def test_what_cannot_be_exported_is_told_apart(tmp_path: Path) -> None:
    onnx, weights = written("lite").onnx, written("lite").weights
    with pytest.raises(WeightsError, match="is not exported again"):
        _run("export", onnx, "--out", tmp_path / "again.xml")
    (tmp_path / "own.bin").write_bytes(b"dear")
    with pytest.raises(OutputError, match=r"own\.bin: is there, and no \.xml"):
        _run("export", weights, "--out", tmp_path / "own.xml")
    assert (tmp_path / "own.bin").read_bytes() == b"dear"
    broken = tmp_path / "cut.safetensors"
    broken.write_bytes((weights / "weights.safetensors").read_bytes()[:-50])
    told = list[str]()
    with pytest.raises(WeightsError, match="damaged"):
        load_member(broken, backend=Backend("openvino", 1, auto=True, tell=told.append))
    assert not [remark for remark in told if "stays" in remark]


def test_a_failure_on_one_frame_follows_on_error(
    scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = runtimes.RUNTIMES["openvino"]

    def failing(file: object, threads: int | None) -> runtimes.Run:
        run = real(file, threads)  # type: ignore[arg-type]

        def sometimes(images: np.ndarray) -> list[np.ndarray]:
            if images.shape[2] > images.shape[1]:
                raise RuntimeError("out of tea")
            return list(run(images))

        return sometimes

    monkeypatch.setitem(runtimes.RUNTIMES, "openvino", failing)
    words = ("--backend", "openvino", "--plan", "whole")
    with pytest.raises(DeviceError, match=r"^0: openvino failed on pictures .* pixels"):
        _predict(scene, "out", *words)
    told = _predict(scene, "out", *words, "--on-error", "skip")
    assert "1 frames skipped" in told
    assert [frame.name for frame in _found(scene, "out").frames] == ["1"]


def test_auto_takes_openvino_where_it_is_and_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINYSEG_BACKEND")
    monkeypatch.setattr(backends, "has_gpu", lambda: False)
    assert choose_backend().name == "openvino"
    assert choose_backend("auto", device="cpu").name == "openvino"
    assert choose_backend("auto", device="cpu:0").name == "openvino"
    assert choose_backend(device="cuda").name == "torch"
    monkeypatch.setattr(backends, "has_gpu", lambda: True)
    assert choose_backend().name == "torch"
    monkeypatch.setattr(backends, "has_gpu", lambda: False)
    monkeypatch.setattr(backends, "is_there", lambda *names: False)
    assert choose_backend().name == "torch"
    assert choose_backend().for_exported(Path("a.onnx")) == "onnxruntime"
    monkeypatch.setenv("TINYSEG_BACKEND", "onnxruntime")
    assert choose_backend().name == "onnxruntime"
    with pytest.raises(DataError, match=r"backend: no such backend .*got tensorrt"):
        choose_backend("tensorrt")
    with pytest.raises(DataError, match=r"device: .* a GPU takes torch"):
        choose_backend("openvino", device="cuda:0")


@pytest.mark.parametrize(
    ("package", "extra"),
    [("openvino", "openvino"), ("onnxruntime", "onnx"), ("onnxscript", "onnx")],
)
def test_a_missing_package_names_its_extra(
    scene: Path, monkeypatch: pytest.MonkeyPatch, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(write, "to_onnx", graph.to_onnx)
    backend = package if package in RUNTIMES else "openvino"
    match = rf"needs the package {package} \(expected pip install 'tinyseg\[{extra}\]'\)"
    with pytest.raises(WeightsError, match=match):
        _predict(scene, "out", "--backend", backend)
    assert not (scene.parent / "out").exists()


def test_a_network_that_cannot_be_exported_stays_in_torch_and_is_told(
    scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(detector: object) -> None:
        raise WeightsError("has no such form")

    monkeypatch.setattr(write, "to_onnx", refused)
    monkeypatch.setattr(backends, "has_gpu", lambda: False)
    assert "stays in torch: has no such form" in _predict(scene, "out", "--backend", "auto")
    assert '"backend": "torch"' in (scene.parent / "out/run.json").read_text()
    with pytest.raises(WeightsError, match="has no such form"):
        _predict(scene, "other", "--backend", "openvino")


def test_an_exported_file_alone_predicts(scene: Path) -> None:
    """Its plan, classes and limits are its own."""
    alone = scene.parent / "alone.onnx"
    shutil.copy(written("lite").onnx, alone)
    _predict(scene, "out", "--backend", "onnxruntime", weights=alone)
    _predict(scene, "torch", "--backend", "torch")
    for ours, theirs in zip(
        _found(scene, "out").frames, _found(scene, "torch").frames, strict=True
    ):
        check_alike(ours.instances, theirs.instances)
    with pytest.raises(DataError, match="keeps 300 instances of a view"):
        _predict(scene, "more", "--backend", "onnxruntime", "--detections", 400, weights=alone)
    with pytest.raises(DataError, match="the backend openvino or onnxruntime"):
        _predict(scene, "more", "--backend", "torch", weights=alone)


def test_prediction_in_a_runtime_loads_no_torch(scene: Path) -> None:
    words = ["predict", str(scene / "0.jpg"), "--weights", str(written("lite").onnx)]
    words += ["--backend", "onnxruntime", "--threads", "1", "--out", str(scene.parent / "out")]
    code = f"from tinyseg.cli import app\napp({words}, standalone_mode=False)\n"
    loaded = loaded_by(code)
    assert "onnxruntime" in loaded
    assert not loaded & NETWORK


EXAMPLE = Path(__file__).parents[1] / "docs/onnx_example.py"


def test_the_example_finds_the_same_without_this_package(tmp_path: Path) -> None:
    """Its masks too, but for our own cells' 256 steps."""
    photo, script = tmp_path / "photo.png", tmp_path / "example.py"
    image = pictures(1, (96, 150), seed=3)[0]
    Image.fromarray(image).save(photo)
    blocked = "import sys\nsys.modules.update(dict.fromkeys(('tinyseg', 'torch', 'cv2')))\n"
    script.write_text(blocked + EXAMPLE.read_text())
    words = [sys.executable, str(script), str(written("lite").onnx), str(photo)]
    told = subprocess.run(words, capture_output=True, text=True, check=True)
    found = json.loads(told.stdout)
    network = open_exported(written("lite").onnx, "onnxruntime", threads=1)
    wanted = network.detect(image[None])[0]
    assert len(found) == len(wanted) > 50
    assert [one["category"] for one in found] == [network.classes[k] for k in wanted.labels]
    for one, box in zip(found, wanted.boxes, strict=True):
        np.testing.assert_allclose(one["bbox"], [*box[:2], *(box[2:] - box[:2])], atol=1e-3)
    assert {tuple(one["segmentation"]["size"]) for one in found} == {(96, 150)}
    ours = mask_ops.from_coco_counts([one["segmentation"]["counts"] for one in found], (96, 150))
    both = np.diag(mask_ops.intersections(ours, wanted.masks)).sum()
    either = mask_ops.area(ours).sum() + mask_ops.area(wanted.masks).sum() - both
    assert both > 0.98 * either > 10_000


def test_a_runtimes_network_is_a_network() -> None:
    network = open_exported(written("lite").onnx, "onnxruntime", threads=1)
    assert isinstance(network, Network)
    assert network.detect(pictures(1, (40, 40))[:0]) == []
