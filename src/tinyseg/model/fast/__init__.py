"""What makes the detector quick and small in memory; nothing in it changes a result.

sublinear.py        parts of the forward pass made again in the backward pass, not kept
planning.py         which parts, by bytes          activations.py    the bytes of each, counted
folding.py          batch norms folded into the convolutions before them
sparse_gradient.py  convolutions whose backward pass visits few places
"""
