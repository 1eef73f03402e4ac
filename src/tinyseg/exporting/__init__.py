"""The network for other runtimes: ONNX Runtime and OpenVINO, with or without this package.

network.py      the detector in the form that is exported: sizes in tensors, no lists of images
operators.py    suppression and RoIAlign: in torch as they are here, in ONNX as its own operators
graph.py        detector -> one ONNX graph, picture to masks
files.py        what an exported file says about itself; reads it without a runtime
int8.py         large sums in 8 bits, for OpenVINO
write.py        a run -> an exported file, with its notes
kept.py         exported files that were made before
extras.py       packages that only some need, named where they are missing
runtimes.py     an exported file as a Network
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
