"""What every section of a recipe has in common: unknown keys are refused, values are frozen."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from tinyseg.errors import RecipeError


class KeyUnknownError(RecipeError, ValueError):
    """A key that its section does not have; a ValueError too, so that its place is known."""


class Section(BaseModel):
    """A part of a recipe."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _keys_are_known(cls, tree: Any) -> Any:
        for key in tree if isinstance(tree, Mapping) else ():
            if key not in cls.model_fields:
                raise KeyUnknownError("unknown key", expected=", ".join(cls.model_fields), got=key)
        return tree
