"""Other libraries' networks as a `tinyseg.network.Network`, without importing any of them.

callables.py   a function of one picture, whose answer one of the forms below has -> Network
records.py     torchvision's, supervision's, Ultralytics' and transformers' answers -> Instances;
               a picture of any size in a network's one input size
yolo_seg.py    instance segmentation files of the YOLO-seg form (ONNX, OpenVINO, LiteRT) -> Network
"""

from tinyseg.adapters.callables import Adapted, adapted
from tinyseg.adapters.records import letterbox, read_record
from tinyseg.adapters.yolo_seg import YoloSeg, load_yolo_seg

__all__ = ["Adapted", "YoloSeg", "adapted", "letterbox", "load_yolo_seg", "read_record"]
