"""Recipe -> network, and its weights: the only room that knows both.

network.py recipe -> detector with fresh weights weights.py files of ours and of torchvision: write,
read, refuse; small ones in half precision export.py a run -> a small file to give away, with notes
shared.py torchvision's COCO networks under our class list transfer.py what a run starts from, by
name or path: another network, the backbone's ImageNet weights
"""

from tinyseg.networks.export import (
    Exported,
    Given,
    export_weights,
    given_to_export,
    write_weights,
)
from tinyseg.networks.network import build_detector, keep_as_predicted
from tinyseg.networks.shared import load_shared
from tinyseg.networks.transfer import (
    IMAGENET_PACKAGES,
    TransferReport,
    load_imagenet,
    load_timm,
    start_from,
    transfer_weights,
)
from tinyseg.networks.weights import (
    load_detector,
    load_state,
    load_torchvision,
    save_weights,
)

__all__ = [
    "IMAGENET_PACKAGES",
    "Exported",
    "Given",
    "TransferReport",
    "build_detector",
    "export_weights",
    "given_to_export",
    "keep_as_predicted",
    "load_detector",
    "load_imagenet",
    "load_shared",
    "load_state",
    "load_timm",
    "load_torchvision",
    "save_weights",
    "start_from",
    "transfer_weights",
    "write_weights",
]
