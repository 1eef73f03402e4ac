"""What the verbs of the command line do, as functions: each opens what it needs and joins rooms.

opening.py      data sets and predictions, in whatever format they are
data_sets.py    convert, examine
runs.py         train, resume; forecast.py what a step of training will hold
folders.py      predict_folder; predict_job, on a cluster
scores.py       evaluate, compare        calibration.py  calibrate
pages.py        write_report             drawings.py     show, show_plan
challenge.py    submit, check_submission
weights.py      export, write_prior; eight_bits.py what 8 bits may cost

All take `on_progress`, which is called with how far a stage is, and `on_remark`, which gets
sentences for the user; without it these are Python warnings.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
