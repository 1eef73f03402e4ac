"""Training: step -> views -> batches -> weights; a run that was cut off goes on, bit for bit.

loop.py         train: the run, a flat loop     learner.py    weights, optimizer, and the one step
checkpoint.py   what a run goes on from, and no way to lose it
stop.py         Ctrl-C and SIGTERM              log.py, board.py  what it writes down
sampler.py      step -> views, without a state; objects that a view cannot teach join the ignore
                region here              chance.py   randomness from (seed, step, purpose)
  balance.py    how often each frame comes      mosaic.py, copy_paste.py, cut_outs.py, augment.py
batches.py      views -> batches, ahead of time
census.py       what there is to learn, before step 1     label_scan.py   labels in sum, the prior
schedule.py     learning rate                   ema.py        averaged weights
precision.py    whether bfloat16 pays here      launch.py     devices and processes
validation.py   scores on frames that are not learnt
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
