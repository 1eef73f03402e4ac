"""Prediction of very many frames on a Ray cluster, or on this machine's cores by the same engine.

frames.py   folders, prefixes of object stores, tables of paths -> the frames of a job
worker.py   one worker: networks in memory, frames in, rows out
parts.py    the results: Parquet parts, written once, and read back without Ray
judging.py  the results and labels -> scores, shard by shard
connect.py  which cluster; one of this machine's own is ended behind the work
counts.py   what all workers have told, and the bar
resume.py   what a folder of results holds already, and which frames are missing
job.py      the whole: a job's key, Ray Data's steps, summary

Ray Data does the scheduling, the back-pressure and the checkpoints (extra `ray`). A worker holds
the networks once; frames are read by workers, wherever they run. Each part is written under a
two-phase commit, so that a frame appears once whatever is killed, and the same call again goes on
with what is missing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
