"""tinyseg: finds and segments the tiny instances of a driving scene, and every larger one too.

    import tinyseg

    model = tinyseg.load()
    found = model("photo.jpg")
    found.save("found.jpg")

Public names are loaded when they are first used, so that `import tinyseg` costs nothing.
"""

import lazy_loader

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
