"""Recipe -> network, and its weights: the only room that knows both.

network.py    recipe -> detector with fresh weights
weights.py    files of ours and of torchvision: write, read, refuse
compact.py    half precision, norms without statistics
export.py     a run -> a small file to give away, with notes
named.py      the package's own weights, and published ones by name
shared.py     torchvision's COCO networks under our class list
imagenet.py   the backbone's ImageNet weights
transfer.py   start from another network    start.py   what a run starts from, by name or path
"""

from tinyseg.build.export import (
    CALIBRATION,
    Exported,
    Given,
    Notes,
    export_weights,
    given_to_export,
    read_notes,
    write_weights,
)
from tinyseg.build.imagenet import IMAGENET_PACKAGES, load_imagenet, load_timm
from tinyseg.build.named import OWN, PUBLISHED, find_weights, own_weights
from tinyseg.build.network import build_detector, keep_as_predicted
from tinyseg.build.shared import load_shared
from tinyseg.build.start import start_from
from tinyseg.build.transfer import TransferReport, transfer_weights
from tinyseg.build.weights import (
    FORMAT,
    WEIGHTS_NAME,
    file_sha256,
    load_detector,
    load_state,
    load_torchvision,
    prior_of,
    put_prior,
    read_recipe,
    read_weights_prior,
    recipe_of,
    save_weights,
    weights_file,
)

__all__ = [
    "CALIBRATION",
    "FORMAT",
    "IMAGENET_PACKAGES",
    "OWN",
    "PUBLISHED",
    "WEIGHTS_NAME",
    "Exported",
    "Given",
    "Notes",
    "TransferReport",
    "build_detector",
    "export_weights",
    "file_sha256",
    "find_weights",
    "given_to_export",
    "keep_as_predicted",
    "load_detector",
    "load_imagenet",
    "load_shared",
    "load_state",
    "load_timm",
    "load_torchvision",
    "own_weights",
    "prior_of",
    "put_prior",
    "read_notes",
    "read_recipe",
    "read_weights_prior",
    "recipe_of",
    "save_weights",
    "start_from",
    "transfer_weights",
    "weights_file",
    "write_weights",
]
