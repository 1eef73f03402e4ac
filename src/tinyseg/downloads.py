"""Weights that others publish, by name: fetched once, checked, kept.

A name in the table -> a file in the cache folder, whose sha256 begins as the publisher's file name
says. It is written beside, checked, then renamed; a cut or foreign file never takes the place.
Refuses, with the way to do it by hand, where there is no network.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from tinyseg.errors import WeightsError
from tinyseg.files import make_folder, whole_file

CACHE_VARIABLE = "TINYSEG_CACHE"
CHUNK_BYTES = 2**20
TIMEOUT_S = 30.0

OnProgress = Callable[[int, int | None], None]
"""Told the bytes that are there and the bytes that will be, None where the server doesn't say."""


@dataclass(frozen=True, slots=True)
class Download:
    """A published file: where it is, and how its sha256 begins."""

    url: str
    sha256_prefix: str

    @property
    def file_name(self) -> str:
        """The publisher's name of the file."""
        return self.url.rsplit("/", 1)[1]

    @property
    def kept_at(self) -> Path:
        """Where in the cache folder it lies, or would lie."""
        return cache_folder() / self.file_name


def _named(url: str) -> Download:
    """A file that carries the first eight digits of its sha256 at the end of its name."""
    return Download(url, url.rsplit("-", 1)[1].split(".")[0])


_TORCHVISION = "https://download.pytorch.org/models"
_TIMM = "https://github.com/rwightman/pytorch-image-models/releases/download"

COCO = {
    "maskrcnn_resnet50_fpn_coco": _named(f"{_TORCHVISION}/maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth"),
    "maskrcnn_resnet50_fpn_v2_coco": _named(
        f"{_TORCHVISION}/maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth"
    ),
}
"""torchvision's Mask R-CNNs trained on COCO."""

IMAGENET = {
    "resnet50": _named(f"{_TIMM}/v0.1-rsb-weights/resnet50_a1_0-14fe96d1.pth"),
    "resnet152": _named(f"{_TIMM}/v0.1-rsb-weights/resnet152_a1h-dc400468.pth"),
    "legacy_seresnet152": _named(f"{_TIMM}/v0.1-cadene/se_resnet152-d17c99b7.pth"),
    "legacy_senet154": _named(f"{_TIMM}/v0.1-weights/legacy_senet154-e9eb9fe6.pth"),
    "tf_efficientnet_lite0": _named(f"{_TIMM}/v0.1-weights/tf_efficientnet_lite0-0aa007d2.pth"),
}
"""timm's backbones trained on ImageNet, by timm's name."""


def cache_folder() -> Path:
    """$TINYSEG_CACHE, or tinyseg in the user's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser()
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "tinyseg"


def fetch(wanted: Download, folder: Path | None = None, *, on_progress: OnProgress) -> Path:
    """The file in the cache folder, downloaded if it is not there yet.

    A file that is there is checked too; a damaged one is fetched again.
    """
    path = wanted.kept_at if folder is None else folder / wanted.file_name
    if path.is_file() and _sha256(path).startswith(wanted.sha256_prefix):
        return path
    make_folder(path.parent)
    try:
        with whole_file(path) as file:
            for chunk in _chunks(wanted, on_progress):
                file.write(chunk)
    except WeightsError as error:
        raise error.at(path=path) from None
    return path


def _chunks(wanted: Download, on_progress: OnProgress) -> Iterator[bytes]:
    """The published file, piece by piece; raises for one that is cut short or another."""
    digest, done = hashlib.sha256(), 0
    with _reaching(wanted):
        answer = urlopen(wanted.url, timeout=TIMEOUT_S)
        length = answer.headers.get("Content-Length")
        total = int(length) if length is not None else None
    with answer:
        while True:
            with _reaching(wanted):
                chunk = answer.read(CHUNK_BYTES)
            if not chunk:
                break
            yield chunk
            digest.update(chunk)
            done += len(chunk)
            on_progress(done, total)
    if total is not None and done != total:
        raise WeightsError("the download was cut short", where=wanted.url, expected=total, got=done)
    found = digest.hexdigest()
    if not found.startswith(wanted.sha256_prefix):
        rule = "the file's sha256 is not the published one"
        expected = f"{wanted.sha256_prefix}..."
        raise WeightsError(rule, where=wanted.url, expected=expected, got=found)


@contextmanager
def _reaching(wanted: Download) -> Iterator[None]:
    """Whatever fails on the way to the server is told with the way by hand."""
    try:
        yield
    except (HTTPException, OSError, ValueError) as error:  # urllib's own are OSErrors
        if isinstance(error, HTTPError):
            error.close()
        rule = f"cannot be downloaded; to do it by hand, get {wanted.url} and put it at this path"
        reason = getattr(error, "reason", error)
        told = reason if isinstance(reason, str) else getattr(reason, "strerror", None)
        raise WeightsError(rule, got=told) from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
