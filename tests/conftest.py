"""Every signature's shapes and types are checked in every test.

Where a test does not say what runs a network, torch does: to export one takes seconds.
"""

import os

from jaxtyping import install_import_hook

install_import_hook("tinyseg", "beartype.beartype")

os.environ["TINYSEG_BACKEND"] = "torch"
