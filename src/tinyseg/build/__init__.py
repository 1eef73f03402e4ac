"""Recipe -> network, and its weights: the only room that knows both.

network.py    recipe -> detector with fresh weights
weights.py    files of ours and of torchvision: write, read, refuse
imagenet.py   the backbone's ImageNet weights
transfer.py   start from another network    start.py   what a run starts from, by name or path
"""

from tinyseg.build.imagenet import IMAGENET_PACKAGES, load_imagenet, load_timm
from tinyseg.build.network import build_detector
from tinyseg.build.start import start_from
from tinyseg.build.transfer import TransferReport, transfer_weights
from tinyseg.build.weights import (
    FORMAT,
    WEIGHTS_NAME,
    load_detector,
    load_state,
    load_torchvision,
    put_prior,
    read_weights_prior,
    save_weights,
)

__all__ = [
    "FORMAT",
    "IMAGENET_PACKAGES",
    "WEIGHTS_NAME",
    "TransferReport",
    "build_detector",
    "load_detector",
    "load_imagenet",
    "load_state",
    "load_timm",
    "load_torchvision",
    "put_prior",
    "read_weights_prior",
    "save_weights",
    "start_from",
    "transfer_weights",
]
