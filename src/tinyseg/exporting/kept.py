"""Exported files that are there already, in the cache folder.

In: a weights file, a run's folder or torchvision's checkpoint. Out: the ONNX file that was made of
it, by this version of the code. Without torch.
"""

import hashlib
from pathlib import Path

from tinyseg.downloads import cache_folder
from tinyseg.errors import WeightsError
from tinyseg.exporting.files import ExportedFile, read_exported
from tinyseg.stored import file_sha256

SOURCE = "source_sha256"
"""The note that says of which weights file a network is."""


def kept_export(weights: Path) -> tuple[Path, ExportedFile] | None:
    """The ONNX file in the cache folder, None where there is none. One beside the weights may have
    been made for another use: it is taken where it is named."""
    sha256 = file_sha256(weights)
    path = kept_path(sha256)
    try:
        found = read_exported(path)
    except WeightsError:  # not there, or damaged: that is no harm here
        return None
    return (path, found) if found.notes.get(SOURCE) == sha256 else None


def kept_path(sha256: str) -> Path:
    """Where the ONNX file of the weights with this checksum is kept; what another version of the
    code made has another place."""
    digest = hashlib.sha256()
    rooms = Path(__file__).parents[1] / "model", Path(__file__).parent
    for file in (one for room in rooms for one in sorted(room.glob("*.py"))):
        digest.update(file.read_bytes())
    return cache_folder() / "exported" / f"{sha256[:32]}-{digest.hexdigest()[:12]}.onnx"
