"""The door for Python: `tinyseg.load()` gives a Model, a Model takes pictures.

    model = tinyseg.load()
    found = model("photo.jpg")

In: weights by name or path, and pictures as paths, bytes, RGB arrays or PIL images. Out:
Detections in the pictures' own pixels. Refused: what is no picture, with its place.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from jaxtyping import UInt8

from tinyseg.detections import Detections
from tinyseg.downloads import OnProgress
from tinyseg.errors import DataError
from tinyseg.image import image_from_bytes, read_image
from tinyseg.network import Device
from tinyseg.predict import (
    Member,
    Predictor,
    choose_backend,
    choose_plan,
    find_device,
    load_members,
)
from tinyseg.stored import find_weights
from tinyseg.views import PRIOR_USED, FrameInfo, PlanLike, camera_of

Image = UInt8[np.ndarray, "_height _width 3"]
Picture = Any
"""A path, the bytes of a file, an RGB array (height, width, 3) of uint8, or a PIL image."""


def load(
    weights: str | Path | None = None,
    plan: str | Path | PlanLike | None = None,
    *,
    budget_mp: float | None = None,
    device: str | Device | None = None,
    backend: str | None = None,
    threads: int | None = None,
    on_progress: OnProgress = lambda done, total: None,
) -> "Model":
    """Load a model that finds instances.

    `weights` is a run's folder, a weights file, an ensemble's file, the name of published weights
    (coco-r50), or None for the package's own. `plan` says which views a picture gets: "whole",
    "tiles", "focus", a plan's file, or a Plan, Whole, Tiles or Focus; None for the weights' own.
    `budget_mp` is the budget of a focus, in millions of view pixels. `device` is cpu, cuda, cuda:1
    ...; None takes a GPU if there is one. `backend` is torch, openvino, onnxruntime or auto;
    `threads` are those of a runtime. Raises WeightsError, RecipeError or DownloadError.
    """
    named = None if weights is None else str(weights)
    where = "auto" if device is None else str(device)
    runs = choose_backend(backend, device=where, threads=threads)
    members, own = load_members(find_weights(named, on_progress=on_progress), runs)
    if plan is None or isinstance(plan, str | Path):
        word = None if plan is None else str(plan)
        plan = choose_plan(members[0].predict, own, plan=word, budget_mp=budget_mp)
    return Model(Predictor(members, plan, device=_device(device, members)))


def _device(device: str | Device | None, members: Sequence[Member]) -> Device | None:
    if not isinstance(device, str) or all(member.backend != "torch" for member in members):
        return None if isinstance(device, str) else device
    return find_device(device)


class Model:
    """One or several networks with a plan. Call it with a picture, or with a list of pictures.

    `names` are the class names, in the order of the labels.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.names: tuple[str, ...] = predictor.classes

    def __repr__(self) -> str:
        return f"Model({', '.join(self.names)})"

    def __call__(
        self,
        picture: Picture | Sequence[Picture],
        *,
        camera: str | None = None,
        min_score: float = 0.0,
    ) -> Detections | list[Detections]:
        """Detections of one picture, or a list of them for a list of pictures.

        A picture is a path, the bytes of a file, an RGB array (height, width, 3) of uint8, or a
        PIL image. Detections with a score below `min_score` are left out. `camera` selects the
        location prior; by default it is read from a path's name (..._Camera_5.jpg). A prior that
        does not fit is a warning. Raises ImageError for a file that is no picture, DataError for
        anything else.
        """
        if isinstance(picture, list | tuple):
            return [self._one(one, camera, min_score) for one in picture]
        return self._one(picture, camera, min_score)

    def _one(self, picture: Picture, camera: str | None, min_score: float) -> Detections:
        return detections_on(self.predictor, *as_image(picture), camera).above(min_score)


def detections_on(
    predictor: Predictor, name: str, image: Image, camera: str | None = None
) -> Detections:
    """What is found on a picture of this name, with a warning for what the plan has to remark."""
    own = camera_of(name) if camera is None else camera
    hw = (image.shape[0], image.shape[1])
    for remark in predictor.plan.remarks(FrameInfo(hw, own)):
        if not remark.startswith(PRIOR_USED):
            warnings.warn(f"{name}: {remark}", stacklevel=4)
    return Detections(predictor(image, own), predictor.classes, hw, name, image)


def as_image(picture: Picture) -> tuple[str, Image]:
    """A picture's name ("picture" where it has none) and its RGB pixels, upright.

    Raises ImageError for a file that is no picture, DataError for anything else.
    """
    if isinstance(picture, str | Path):
        path = Path(picture)
        return path.name, read_image(path)
    if isinstance(picture, bytes | bytearray | memoryview):
        return "picture", image_from_bytes(bytes(picture))
    if isinstance(picture, np.ndarray):
        return "picture", _checked_array(picture)
    if _is_pil(picture):
        from PIL import ImageOps

        upright = ImageOps.exif_transpose(picture).convert("RGB")
        name = getattr(picture, "filename", "") or "picture"
        return Path(name).name, np.asarray(upright, np.uint8)
    expected = "a path, bytes, an RGB array or a PIL image"
    raise DataError("this is no picture", expected=expected, got=type(picture).__name__)


def _checked_array(picture: np.ndarray) -> Image:
    grey = picture.ndim == 2
    if picture.dtype != np.uint8 or not (grey or (picture.ndim == 3 and picture.shape[2] == 3)):
        expected = "(height, width, 3) of uint8, red first"
        got = f"{picture.shape} of {picture.dtype}"
        raise DataError("an array is an RGB picture", expected=expected, got=got)
    if min(picture.shape[:2]) < 1:
        raise DataError("a picture has at least one pixel", got=str(picture.shape))
    return np.repeat(picture[:, :, None], 3, axis=2) if grey else picture


def _is_pil(picture: object) -> TypeGuard[Any]:
    return any(
        f"{kind.__module__}.{kind.__name__}" == "PIL.Image.Image" for kind in type(picture).__mro__
    )
