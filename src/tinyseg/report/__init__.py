"""What a person looks at: pictures of what was found, and a page of figures and errors.

overlay.py       a frame with what was found on it        lettering.py  names beside objects
plan_picture.py  the views of a plan over their frame
html/            one page that opens offline: gather.py chooses frames and figures, page.py writes
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
