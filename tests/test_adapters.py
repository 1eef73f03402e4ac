"""Other libraries' networks: every form of answer, files of the YOLO-seg form, focus and tiles."""

import re
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from _things import (
    as_bitmaps,
    as_segments,
    as_supervision,
    as_torchvision,
    as_ultralytics,
    picture,
)
from torch import nn
from typer.testing import CliRunner

import tinyseg
from tinyseg import masks as mask_ops
from tinyseg.adapters import Adapted, YoloSeg, adapted, load_yolo_seg, read_record
from tinyseg.adapters.records import crop_masks
from tinyseg.cli import app
from tinyseg.errors import DataError, RecipeError, WeightsError
from tinyseg.foreign import focus_plan
from tinyseg.frame import Instances
from tinyseg.image import write_png
from tinyseg.network import Limits, Network
from tinyseg.predict import load_adapted, member_of
from tinyseg.predictions import read_predictions
from tinyseg.views import FrameInfo, Plan, Tiles, learn_prior

NAMES = {1: "person", 3: "car"}
BOXES = (4, 6, 20, 14), (40, 20, 46, 26)
FORMS: dict[str, Callable[[Any], Any]] = {
    "torchvision": as_torchvision,
    "supervision": as_supervision,
    "Ultralytics": as_ultralytics,
    "transformers, a map": as_segments,
    "transformers, bitmaps": as_bitmaps,
}


# Answers


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_instances(form: str) -> None:
    image = picture((32, 64), *BOXES)
    network = Adapted(FORMS[form], NAMES)
    assert network.classes == ("person", "car")
    (found, none) = network.detect(np.stack([image, picture((32, 64))]))
    assert found.boxes.tolist() == [list(box) for box in BOXES]
    assert found.labels.tolist() == [1, 1]
    assert found.scores.tolist() == pytest.approx([0.9, 0.9])
    truth = mask_ops.filled(np.array(BOXES, np.float64))
    np.testing.assert_allclose(np.diag(mask_ops.iou(found.masks, truth)), 1.0)
    assert len(none) == 0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("hw", [(32, 64), (100, 40), (64, 64), (256, 128)])
def test_a_network_of_one_input_size_sees_pictures_of_any(form: str, hw: tuple[int, int]) -> None:
    sizes: list[tuple[int, ...]] = []

    def call(image: Any) -> Any:
        sizes.append(image.shape)
        return FORMS[form](image)

    box = (hw[1] // 4, hw[0] // 4, hw[1] // 2, hw[0] // 2)
    network = Adapted(call, NAMES, input_hw=(64, 64))
    (found,) = network.detect(picture(hw, box)[None])
    assert sizes == [(64, 64, 3)]
    pixel = max(hw) / 64
    np.testing.assert_allclose(found.boxes[0], box, atol=pixel)
    truth = mask_ops.filled(np.array([box], np.float64))
    assert mask_ops.iou(found.masks, truth)[0, 0] > 1 - 2.5 * pixel * 2 / min(
        box[2] - box[0], box[3] - box[1]
    )


def test_classes_that_are_not_named_are_left_out() -> None:
    record = as_torchvision(picture((32, 64), *BOXES))
    record["labels"] = torch.tensor([0, 3])
    record["scores"] = torch.tensor([0.3, 0.8])
    assert read_record(record, (32, 64), NAMES).boxes.tolist() == [list(BOXES[1])]
    assert read_record(record, (32, 64), ["a", "b", "c", "d"]).labels.tolist() == [3, 0]


def test_boxes_without_masks_stand_for_them() -> None:
    record = as_supervision(picture((32, 64), *BOXES))
    record.mask = None
    found = read_record(record, (32, 64), NAMES)
    assert mask_ops.area(found.masks).tolist() == [128, 36]


def test_soft_masks_keep_where_the_outline_lies() -> None:
    soft = np.zeros((1, 8, 8), np.float32)
    soft[0, 2:5, 2:6], soft[0, 5, 2:6] = 1.0, 0.4
    masks = crop_masks(soft)
    assert masks.boxes.tolist() == [[1, 1, 7, 6]]
    assert masks.grid(0)[4].tolist() == [0, 102, 102, 102, 102, 0]
    assert mask_ops.area(masks).tolist() == [12]


def test_answers_of_no_known_form_are_refused() -> None:
    with pytest.raises(DataError, match=r"a network's answer \(expected Instances, or .* got str"):
        read_record("two cars", (32, 64), NAMES)
    record = as_torchvision(picture((16, 64), BOXES[0]))
    with pytest.raises(DataError, match=r"masks are of the picture's size .* got \(16, 64\)"):
        read_record(record, (32, 64), NAMES)
    with pytest.raises(DataError, match="give target_sizes"):
        read_record(as_segments(picture((16, 64), BOXES[0])), (32, 64), NAMES)


class Rcnn(nn.Module):
    """A network that is called as torchvision's are."""

    def forward(self, images: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        (one,) = images
        assert one.dtype == torch.float32
        assert one.max() <= 1
        pixels = (one.permute(1, 2, 0) * 255).round().to(torch.uint8)
        return [as_torchvision(pixels.numpy())]


def test_torchvisions_modules_names_and_blue_first() -> None:
    image = picture((32, 64), *BOXES)
    assert len(adapted(Rcnn(), NAMES).detect(image[None])[0]) == 2
    assert adapted(as_torchvision).classes[:2] == ("0", "1")

    class Named:
        names = ("bus", "tram")

        def __call__(self, image: Any) -> Instances:
            return Instances.empty()

    assert adapted(Named()).classes == ("bus", "tram")
    seen: list[int] = []
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 200

    def call(given: Any) -> Instances:
        seen.extend(given[0, 0].tolist())
        return Instances.empty()

    adapted(call, NAMES, bgr=True).detect(red[None])
    assert seen == [0, 0, 200]


# Files of the YOLO-seg form


def outputs(form: str) -> list[np.ndarray]:
    """One car (class 1 of 2) at 8 ... 24 x 8 ... 16 of 64 pixels, twice, and prototypes in which
    the first is high in the left half of the picture and low in the right."""
    prototypes = np.zeros((1, 32, 16, 16), np.float32)
    prototypes[0, 0, :, :4], prototypes[0, 0, :, 4:] = 10, -10
    rows = np.zeros((1, 38, 100), np.float32)
    for place, score in ((7, 0.9), (8, 0.6)):
        rows[0, :4, place] = 16, 12, 16, 8
        rows[0, 5, place] = score
        rows[0, 6, place] = 1.0
    if form == "transposed":
        return [prototypes.transpose(0, 2, 3, 1), rows.transpose(0, 2, 1)]
    if form == "shares":
        rows[0, :4] /= 64
        return [rows, prototypes]
    if form == "suppressed":
        kept = np.zeros((1, 50, 38), np.float32)
        kept[0, 0, :7] = 8, 8, 24, 16, 0.9, 1, 1.0
        return [kept, prototypes]
    return [rows, prototypes]


@pytest.mark.parametrize("form", ["plain", "transposed", "shares", "suppressed"])
def test_a_yolo_seg_network_finds_boxes_and_masks(form: str) -> None:
    given: list[np.ndarray] = []

    def run(pixels: np.ndarray) -> Sequence[np.ndarray]:
        given.append(pixels)
        return outputs(form)

    names = ["person", "car", "bus"] if form == "suppressed" else ["person", "car"]
    network = YoloSeg(run, names, input_hw=(64, 64))
    (found,) = network.detect(np.full((1, 64, 64, 3), 255, np.uint8))
    assert given[0].shape == (1, 3, 64, 64)
    assert given[0].max() == 1
    np.testing.assert_allclose(found.boxes, [[8, 8, 24, 16]])
    assert (found.labels.tolist(), found.scores.tolist()) == ([1], pytest.approx([0.9]))
    half = mask_ops.filled(np.array([[8.0, 8.0, 16.0, 16.0]]))
    assert mask_ops.iou(found.masks, half)[0, 0] > 0.85
    # A picture twice as wide as high is seen at half its size, between two bars.
    (found,) = network.detect(np.zeros((1, 64, 128, 3), np.uint8))
    assert len(found) == 0, "it lies in a bar"
    assert given[1][0, 0, 0, 0] == pytest.approx(114 / 255)
    assert given[1][0, 0, 32, 0] == 0


def test_a_yolo_seg_network_without_names_counts_its_classes() -> None:
    assert YoloSeg(lambda pixels: outputs("plain"), None, input_hw=(64, 64)).classes == ("0", "1")


def test_networks_of_another_form_are_refused() -> None:
    network = YoloSeg(lambda pixels: outputs("plain")[:1], ["a"], input_hw=(64, 64))
    with pytest.raises(WeightsError, match=r"not a network of the YOLO-seg form .* got \(1, 38,"):
        network.detect(np.zeros((1, 64, 64, 3), np.uint8))


class Session:
    """What onnxruntime's InferenceSession is asked."""

    told: ClassVar = {"names": "{0: 'person', 1: 'car'}", "imgsz": "[64, 64]"}
    shape: tuple[Any, ...] = (1, 3, "height", "width")

    def __init__(self, path: str, providers: list[str]) -> None:
        if not Path(path).read_bytes():
            raise RuntimeError("protobuf parsing failed")

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="images", shape=self.shape)]

    def get_modelmeta(self) -> SimpleNamespace:
        return SimpleNamespace(custom_metadata_map=self.told)

    def run(self, names: None, given: dict[str, np.ndarray]) -> list[np.ndarray]:
        assert given["images"].shape == (1, 3, 64, 64)
        return outputs("plain")


@pytest.fixture
def onnx_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    runtime = SimpleNamespace(
        InferenceSession=Session, get_available_providers=lambda: ["CPUExecutionProvider"]
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
    file = tmp_path / "yolo.onnx"
    file.write_bytes(b"network")
    return file


def test_onnx_files_bring_their_names_and_size(
    onnx_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = load_yolo_seg(onnx_file)
    assert network.classes == ("person", "car")
    assert network.limits == Limits((64, 64))
    monkeypatch.setattr(Session, "shape", (1, 3, 96, 128))
    monkeypatch.setattr(Session, "told", {})
    named = load_yolo_seg(onnx_file, ["a", "b"])
    assert (named.classes, named.limits.input_hw) == (("a", "b"), (96, 128))
    onnx_file.write_bytes(b"")
    with pytest.raises(WeightsError, match=r"yolo.onnx: not an ONNX network$"):
        load_yolo_seg(onnx_file)


def test_files_that_cannot_be_opened_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WeightsError, match="no such weights file"):
        load_yolo_seg(tmp_path / "yolo.onnx")
    for name, package in (
        ("y.onnx", "onnxruntime"),
        ("y.xml", "openvino"),
        ("y.tflite", "ai-edge-litert"),
    ):
        (tmp_path / name).write_bytes(b"")
        for module in ("onnxruntime", "openvino", "ai_edge_litert", "ai_edge_litert.interpreter"):
            monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(WeightsError, match=f"{name}: this file needs the package {package}"):
            load_yolo_seg(tmp_path / name)
    (tmp_path / "y.pt").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"expected .onnx | .xml | .tflite, got .pt"):
        load_yolo_seg(tmp_path / "y.pt")


def test_openvino_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    side = [SimpleNamespace(is_static=True, get_length=lambda n=n: n) for n in (1, 3, 64, 64)]
    model = SimpleNamespace(input=lambda place: SimpleNamespace(partial_shape=side))
    core = SimpleNamespace(
        read_model=lambda path: model,
        compile_model=lambda model, device: lambda given: dict(enumerate(outputs("plain"))),
    )
    monkeypatch.setitem(sys.modules, "openvino", SimpleNamespace(Core=lambda: core))
    (tmp_path / "y.xml").write_text("<net/>")
    (tmp_path / "metadata.yaml").write_text("names: {0: person, 1: car}\n")
    network = load_yolo_seg(tmp_path / "y.xml")
    assert network.classes == ("person", "car")
    assert len(network.detect(np.zeros((1, 64, 64, 3), np.uint8))[0]) == 1


def test_litert_files_are_quantised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "y.tflite"
    with zipfile.ZipFile(file, "w") as notes:
        notes.writestr("metadata.json", "{'names': {0: 'person', 1: 'car'}}")
    steps = [0.01, 0.1]
    plain = [outputs("shares")[0].transpose(0, 2, 1), outputs("transposed")[0]]

    class Interpreter:
        def __init__(self, model_path: str) -> None:
            self.given: np.ndarray | None = None

        def allocate_tensors(self) -> None: ...

        def invoke(self) -> None: ...

        def get_input_details(self) -> list[dict[str, Any]]:
            told = {"index": 0, "dtype": np.int8, "quantization": (1 / 255, -128)}
            return [{**told, "shape": np.array([1, 64, 64, 3])}]

        def get_output_details(self) -> list[dict[str, Any]]:
            return [{"index": i + 1, "quantization": (step, 3)} for i, step in enumerate(steps)]

        def set_tensor(self, index: int, values: np.ndarray) -> None:
            assert values.dtype == np.int8
            assert values.shape == (1, 64, 64, 3)
            assert values.max() == 127

        def get_tensor(self, index: int) -> np.ndarray:
            return np.rint(plain[index - 1] / steps[index - 1] + 3).astype(np.int8)

    runtime = SimpleNamespace(Interpreter=Interpreter)
    monkeypatch.setitem(sys.modules, "ai_edge_litert", SimpleNamespace(interpreter=runtime))
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", runtime)
    network = load_yolo_seg(file)
    assert network.classes == ("person", "car")
    (found,) = network.detect(np.full((1, 64, 64, 3), 255, np.uint8))
    np.testing.assert_allclose(found.boxes, [[8, 8, 24, 16]], atol=1)


# Focus and tiles

FAR = [(x, 300, x + 8, 306) for x in range(30, 1200, 90)]
"""Small things in a row of a picture of 700 x 1300 pixels."""
LARGE = (200, 400, 460, 640)


@pytest.mark.parametrize("form", FORMS)
def test_focus_and_tiles_find_what_is_small_with_anybodys_network(form: str) -> None:
    """Its input is 128 x 128 pixels: in the whole frame the small things are less than a pixel."""
    image = picture((700, 1300), *FAR, LARGE)
    words = {"classes": NAMES, "input_hw": (128, 128)}
    alone = Adapted(FORMS[form], NAMES, input_hw=(128, 128)).detect(image[None])[0]
    assert len(alone) < 3
    tiled = tinyseg.tiles(image, FORMS[form], classes=NAMES, input_hw=(128, 128))
    focused = tinyseg.focus(image, FORMS[form], **words)  # type: ignore[arg-type]
    for found in (tiled, focused):
        assert found.names == ("person", "car")
        assert found.hw == (700, 1300)
        small = {tuple(round(v) for v in box) for box in found.boxes.tolist() if box[1] < 350}
        assert small >= set(FAR)
        large = found.boxes[found.areas > 10_000]
        np.testing.assert_allclose(large, [LARGE], atol=20)


def test_things_on_a_border_of_tiles_are_one() -> None:
    image = picture((200, 300), (120, 90, 180, 110))
    found = tinyseg.tiles(image, as_torchvision, classes=NAMES, size=150, overlap=20, whole=False)
    assert [round(v) for v in found.boxes[0]] == [120, 90, 180, 110]
    assert len(found) == 1


def test_a_focus_costs_six_tenths_of_tiles_unless_told() -> None:
    member = member_of(Adapted(as_torchvision, NAMES, input_hw=(640, 640)))
    hw = (2710, 3384)
    tiles = len(Tiles(640).first(FrameInfo(hw)))
    plan = focus_plan(member, hw)
    assert 1 + plan.most == pytest.approx(0.6 * (1 + tiles), abs=1)
    assert (plan.view, plan.zoom, plan.answers_for) == ((640, 640), 1.0, (0.0, 320.0))
    assert (plan.short_side, plan.longest_side) == (640, 640)
    assert focus_plan(member, hw, budget_mp=1.0, zoom=2.0).answers_for == (0.0, 160.0)
    free = focus_plan(member_of(Adapted(as_torchvision, NAMES)), hw)
    assert (free.view, free.short_side) == ((640, 1280), 1800)


def test_a_model_of_anybodys_network_takes_lists_and_priors() -> None:
    image = picture((700, 1300), *FAR)
    model = tinyseg.model_of(as_supervision, Plan.of(Tiles(256)), classes=NAMES)
    found = model([image, image])
    assert [len(one) for one in found] == [len(FAR)] * 2
    for word in ("whole", "tiles"):
        assert tinyseg.model_of(as_supervision, word, classes=NAMES).names == ("person", "car")
    labels = tinyseg.FrameLabels(
        "a_Camera_5", (700, 1300), found[0].instances, tinyseg.CropMasks.empty()
    )
    prior = learn_prior([labels])
    words = {"classes": NAMES, "input_hw": (128, 128), "budget_mp": 0.4, "zoom": 2.0}
    known = tinyseg.focus(image, as_supervision, prior=prior, camera="5", **words)  # type: ignore[arg-type]
    assert len(known) == len(FAR)
    with pytest.warns(UserWarning, match="camera 6"):
        tinyseg.focus(image, as_supervision, prior=prior, camera="6", **words)  # type: ignore[arg-type]


def test_a_network_is_taken_as_it_is() -> None:
    class Own(Network):
        classes = ("car",)

        def detect(self, images: np.ndarray) -> list[Instances]:
            return [Instances.empty() for _ in images]

    assert len(tinyseg.focus(picture((64, 64)), Own())) == 0
    assert Own().view_bytes((10, 10)) > 0
    with pytest.raises(DataError, match="says itself what its classes"):
        tinyseg.focus(picture((64, 64)), Own(), classes=["car"])


def test_files_of_others_predict_from_the_command_line(onnx_file: Path, tmp_path: Path) -> None:
    frame = tmp_path / "f.png"
    write_png(frame, picture((64, 64)))
    out = tmp_path / "out"
    words = [str(frame), "--weights", str(onnx_file), "--adapter", "yolo-seg", "--out", str(out)]
    ensemble = tmp_path / "e.yaml"
    more = ["--plan", "focus", "--budget", "1MP", "--save-ensemble", str(ensemble)]
    result = CliRunner().invoke(app, ["predict", *words, *more], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found = read_predictions(out / "predictions.json")
    assert found.classes == ("person", "car")
    np.testing.assert_allclose(found.frames[0].instances.boxes[0], [8, 8, 24, 16], atol=1)
    again = ["predict", str(frame), "--weights", str(ensemble), "--out", str(out)]
    result = CliRunner().invoke(app, again, catch_exceptions=False)
    assert "1 of them finished before" in " ".join(result.output.split())
    for bad, rule in (
        (["--adapter", "yolo-seg"], "an adapter belongs to weights"),
        ([*words[1:3], "--adapter", "yolo"], "no adapter of this name"),
        (["--weights", str(ensemble), "--adapter", "yolo-seg"], "names its adapters itself"),
    ):
        refused = CliRunner().invoke(app, ["predict", str(frame), *bad])
        assert rule in str(refused.exception)
    with pytest.raises(RecipeError, match="expected yolo-seg, got yolo"):
        load_adapted(onnx_file, "yolo")


def test_the_pages_code_runs_as_it_stands(
    onnx_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[1] / "docs" / "from-sahi.md").read_text()
    code, file_code = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    write_png(tmp_path / "frame.png", picture((700, 900), *FAR[:9]))

    def detect(image: Any) -> Any:
        answer = as_torchvision(image)
        return {**answer, "labels": torch.full_like(answer["labels"], 2)}

    names: dict[str, Any] = {"detect": detect}
    exec(compile(code, "from-sahi.md", "exec"), names)
    exec(compile(file_code, "from-sahi.md", "exec"), of_file := dict[str, Any]())
    assert isinstance(of_file["found"], tinyseg.Detections)
    assert names["focused"].class_names == ["car"] * 9
    assert len(names["tiled"]) == len(names["second"]) == 9
    (line,) = re.findall(r"```sh\n(.*?)\n```", page)
    options = CliRunner().invoke(app, ["predict", "--help"]).output
    assert all(w in options for w in line.split() if w.startswith("--"))
