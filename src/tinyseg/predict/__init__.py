"""Frames in, their instances out: through the views of a plan, networks, and a merger.

predictor.py    Predictor: one frame, or several together
batches.py      which views go through a network together, in bounded memory
backends.py     torch, or an exported graph in a runtime
members.py      a network with its weight and calibration    ensemble.py   several in one file
detector_network.py  our own detector as a `tinyseg.network.Network`
plan_choice.py  what a file or the command line says -> a plan
sources.py      paths, lists and videos -> frames            ahead.py      work done in a thread
stream.py       many frames: decoding, networks and merging at the same time
results.py      a folder of finished frames, which a later call goes on with
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
