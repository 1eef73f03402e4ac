"""Training: step -> views -> batches -> weights; a run that was cut off goes on, bit for bit.

loop.py         train: the run, a flat loop, which Ctrl-C and SIGTERM end
learner.py      weights, their average, optimizer, learning rate, and the one step
checkpoint.py   what a run goes on from, and no way to lose it
log.py          what it writes down             launch.py     devices, processes, bfloat16
sampler.py      step -> views, without a state; objects that a view cannot teach join the ignore
                region here              chance.py   randomness from (seed, step, purpose)
  balance.py    how often each frame comes      mosaic.py, copy_paste.py
batches.py      views -> batches, ahead of time
label_scan.py   labels in sum before step 1: what there is to learn, the location prior
validation.py   scores on frames that are not learnt
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
