"""Every signature's shapes and types are checked in every test."""

from jaxtyping import install_import_hook

install_import_hook("tinyseg", "beartype.beartype")
