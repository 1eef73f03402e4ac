"""Learning rate of each step: a linear warm-up, then half a cosine or steps down.

The cosine is SGDR's single cycle (Loshchilov and Hutter 2017, equation 5) that ends at a hundredth;
the steps are the tenths of Mask R-CNN's schedule (He et al. 2017, section 3.1).
"""

import math
from collections.abc import Callable

from tinyseg.recipes import Train

LAST = 0.01
"""Share of the learning rate that the cosine ends at."""


def learning_rate(step: int, rules: Train) -> float:
    """The rate of step 0 ... steps - 1."""
    if step < rules.warm_up:
        return rules.learning_rate * (step + 1) / rules.warm_up
    return rules.learning_rate * SHAPES[rules.schedule](step, rules)


def _cosine(step: int, rules: Train) -> float:
    done = (step - rules.warm_up) / max(rules.steps - rules.warm_up, 1)
    return LAST + (1 - LAST) * 0.5 * (1 + math.cos(math.pi * done))


def _stairs(step: int, rules: Train) -> float:
    """A tenth after each of the stated shares of the run."""
    return 0.1 ** sum(step >= share * rules.steps for share in rules.drops)


SHAPES: dict[str, Callable[[int, Train], float]] = {"cosine": _cosine, "steps": _stairs}
