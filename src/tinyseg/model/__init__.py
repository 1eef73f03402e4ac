"""The detector: Mask R-CNN in small modules. Knows no files and no recipes.

detector.py     Detector: images in, losses or instances out; read it first
backbones.py    any timm network, a map for each stride
  pyramid_pooling.py  context at four scales on the top stage (PSPNet)
pyramid.py      feature pyramid
  context.py    context attention (CA)      path_aggregation.py  path aggregation (PA)
proposals.py    where objects may be        box_head.py, mask_head.py  their class, box and mask
roi_pool.py     a pyramid's features in a box
targets.py      what a view teaches, and the five losses
assign.py       which box learns which object, which learns nothing because it lies on the ignore
  region, and a box relative to another; similarity.py how alike two boxes are;
  unlabelled.py classes that a data set does not label
rules.py        what a recipe may choose of all this
fast/           speed and memory, apart from the rest
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
