"""What an exported file says about itself, read without any runtime; damage is found before one.

    network.onnx                    ONNX: the notes are the model's metadata
    network.xml, network.bin        OpenVINO: they are the xml's rt_info, under `tinyseg`

The notes are texts by name: the form and its version, the recipe (classes and the way of looking
included), what stood beside the weights (prior, calibration, licence, card), and a checksum over
all that is in the files. Refused: files of another make, another version, or with a byte changed.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tinyseg.errors import WeightsError

FORMATS = {".onnx": "tinyseg-onnx/1", ".xml": "tinyseg-openvino/1"}
"""The form and version of exported files, by ending."""

CHECKSUM = "checksum"
SEAL, OPEN_SEAL = b"tinyseg-sha256:", b"tinyseg-sha256:" + b"0" * 64
"""What stands before the checksum, and where it is not filled in yet."""

Notes = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """An exported file: its ending, its notes, and its bytes (`weights` where they lie apart)."""

    ending: str
    notes: Notes
    model: bytes
    weights: bytes | None


def is_exported(path: Path) -> bool:
    """Whether the path has the ending of an exported file."""
    return path.suffix.lower() in FORMATS


def read_exported(path: Path) -> ExportedFile:
    """The file, whole and unchanged; raises WeightsError for any other."""
    ending = path.suffix.lower()
    model = _bytes_of(path)
    weights = None if ending == ".onnx" else _bytes_of(path.with_suffix(".bin"))
    try:
        if ending == ".onnx":
            entries = [dict(_fields(part)) for place, part in _fields(model) if place == METADATA]
            notes = {one.get(1, b"").decode(): one.get(2, b"").decode() for one in entries}
        else:
            told = ElementTree.fromstring(model).find("rt_info/tinyseg")
            notes = {one.tag: one.get("value", "") for one in ([] if told is None else told)}
    except (ValueError, ElementTree.ParseError):
        raise WeightsError(f"damaged, or no {ending[1:]} file", path=path) from None
    wanted, found = FORMATS[ending], notes.get("format")
    if found is None:
        rule = "not a file that `tinyseg export` wrote; networks of others take an adapter"
        raise WeightsError(rule, path=path, expected=wanted)
    if found != wanted:
        rule = "written by another version of `tinyseg export`"
        raise WeightsError(rule, path=path, expected=wanted, got=found)
    seal = notes.get(CHECKSUM, "").encode()
    if model.count(seal) != 1 or seal != _seal(model.replace(seal, OPEN_SEAL), weights):
        raise WeightsError("damaged: the file is not as it was written", path=path)
    return ExportedFile(ending, notes, model, weights)


def sealed(model: bytes, weights: bytes | None = None) -> bytes:
    """The model's bytes with the checksum filled in; its notes have OPEN_SEAL for it."""
    return model.replace(OPEN_SEAL, _seal(model, weights))


def _seal(model: bytes, weights: bytes | None) -> bytes:
    digest = hashlib.sha256(model)
    digest.update(weights or b"")
    return SEAL + digest.hexdigest().encode()


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise WeightsError("no such weights file", path=path) from None
    except OSError as error:
        raise WeightsError("cannot be read", path=path, got=error.strerror) from error


METADATA = 14
"""The place of ModelProto.metadata_props in onnx.proto; of its entries, key is 1 and value 2."""


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The numbers and contents of a protocol buffer's fields that have a length."""
    at, view = 0, memoryview(message)
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            _, at = _varint(message, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        elif kind == 2:
            length, at = _varint(message, at)
            if at + length > len(message):
                raise ValueError("a field goes on behind the end")
            yield tag >> 3, bytes(view[at : at + length])
            at += length
        else:
            raise ValueError("no such kind of field")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number of as many bytes as it needs, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        value, at = value | (byte & 127) << shift, at + 1
        if byte < 128:
            return value, at
    raise ValueError("a number without an end")
