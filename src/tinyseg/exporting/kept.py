"""Exported files that are there already: beside their weights, or in the cache folder.

In: a weights file, a run's folder or torchvision's checkpoint. Out: the ONNX file that was made of
it, by this version of the code. Without torch.
"""

import hashlib
from pathlib import Path

from tinyseg.downloads import cache_folder
from tinyseg.errors import WeightsError
from tinyseg.exporting.files import ExportedFile, read_exported
from tinyseg.stored import file_sha256, weights_file

SOURCE = "source_sha256"
"""The note that says of which weights file a network is."""


def kept_export(weights: Path) -> tuple[Path, ExportedFile] | None:
    """The ONNX file beside the weights or in the cache folder, None where there is none."""
    file, sha256 = weights_file(weights), file_sha256(weights)
    for path in (file.with_suffix(".onnx"), kept_path(sha256)):
        try:
            found = read_exported(path)
        except WeightsError:  # not there, of another make, or damaged: that is no harm here
            continue
        if found.notes.get(SOURCE) == sha256:
            return path, found
    return None


def kept_path(sha256: str) -> Path:
    """Where the ONNX file of the weights with this checksum is kept; what another version of the
    code made has another place."""
    digest = hashlib.sha256()
    rooms = Path(__file__).parents[1] / "model", Path(__file__).parent
    for file in (one for room in rooms for one in sorted(room.glob("*.py"))):
        digest.update(file.read_bytes())
    return cache_folder() / "exported" / f"{sha256[:32]}-{digest.hexdigest()[:12]}.onnx"
