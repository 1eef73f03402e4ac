"""What a request may ask for: its query, and the forms that its Accept header takes.

In: strings. Out: checked values. Refused, as Problem: names that are not known, values outside
their range, a parameter that comes twice.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from tinyseg.serve.problems import Problem, shortly
from tinyseg.serve.records import Form, Kind, Masks, Where

MOST_BUDGET_MP = 64.0

STREAM = "text/event-stream"

FORMS: dict[str, Kind | Literal["stream"]] = {
    "application/json": "json",
    "image/png": "png",
    "image/jpeg": "jpeg",
    STREAM: "stream",
}


class Asked(BaseModel):
    """The query of a prediction."""

    model_config = ConfigDict(extra="forbid")

    masks: Annotated[
        Masks, Field(description="COCO run lengths, rings of corners, or boxes alone")
    ] = "rle"
    min_score: Annotated[
        float, Field(ge=0, le=1, allow_inf_nan=False, description="leave out what is less sure")
    ] = 0.0
    classes: Annotated[
        str | None,
        Field(min_length=1, max_length=2000, description="class names with commas between"),
    ] = None
    plan: Annotated[
        Literal["whole", "focus", "tiles"] | None,
        Field(description="where to look; the server's own if not given"),
    ] = None
    budget: Annotated[
        str | None,
        Field(
            pattern=r"^\d{1,3}(\.\d{1,3})?(MP|mp)?$",
            description=f"megapixels of views that a focus may spend, at most {MOST_BUDGET_MP:g}",
            examples=["12MP"],
        ),
    ] = None
    camera: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Za-z0-9_]{1,32}$",
            description="whose location prior is taken; else what the file's name says",
        ),
    ] = None

    def where(self) -> Where:
        """The plan and its budget."""
        if self.budget is None:
            return Where(self.plan)
        budget = float(self.budget.lower().removesuffix("mp"))
        if not 0 < budget <= MOST_BUDGET_MP:
            expected = f"above 0, at most {MOST_BUDGET_MP:g}MP"
            raise wrong("budget", "a budget is out of range", expected, self.budget)
        if self.plan in ("whole", "tiles"):
            rule = "a budget belongs to the plan focus"
            raise wrong("budget", rule, "plan=focus", f"plan={self.plan}")
        return Where(self.plan, budget)

    def form(self, kind: Kind, known: Sequence[str]) -> Form:
        """The form of the answer, with class names out of the known ones."""
        if self.classes is None:
            return Form(kind, self.masks, self.min_score)
        names = tuple(name.strip() for name in self.classes.split(","))
        for name in names:
            if name not in known:
                raise wrong("classes", "no such class", ", ".join(known), shortly(name))
        return Form(kind, self.masks, self.min_score, names)


def wrong(name: str, rule: str, expected: object, got: object) -> Problem:
    """The problem of a query's parameter."""
    return Problem("bad-parameter", rule, where=f"query {name}", expected=expected, got=got)


def check_once(items: Iterable[tuple[str, str]]) -> None:
    """Raise Problem where a parameter comes twice: which one is meant is not ours to guess."""
    seen: set[str] = set()
    for name, _ in items:
        if name in seen:
            raise wrong(shortly(name), "a parameter comes once", "one value", "several")
        seen.add(name)


def accepted(header: str | None) -> Kind | Literal["stream"]:
    """The form that an Accept header likes best, JSON where it minds nothing."""
    best: tuple[float, Kind | Literal["stream"]] | None = None
    for word in (header or "*/*")[:1000].split(","):
        media, *rest = (part.strip().lower() for part in word.split(";"))
        fitting = (k for k in FORMS if media in (k, "*/*", f"{k.split('/')[0]}/*"))
        found, weight = FORMS.get(next(fitting, "")), _weight(rest)
        if found is not None and weight > 0 and (best is None or weight > best[0]):
            best = weight, found
    if best is None:
        expected = ", ".join(FORMS)
        rule = "an answer has one of these forms"
        raise Problem("not-acceptable", rule, expected=expected, got=shortly(header))
    return best[1]


def _weight(parameters: Sequence[str]) -> float:
    text = next((p[2:] for p in parameters if p.startswith("q=")), "1")
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0
