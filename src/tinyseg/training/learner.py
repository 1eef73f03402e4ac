"""What changes in a run: the weights, their average, the optimizer's memory; and the one step.

    losses -> gradients, averaged over processes and rounds -> clipped -> AdamW -> average

AdamW is Loshchilov and Hutter's (2019). All of it can be taken down as a Checkpoint and put back
bit for bit. A loss or gradient that is not finite, in any process, raises before the step.

The average of the weights is an exponential moving one (Polyak averaging, with the usual warm-up):

    average <- d * average + (1 - d) * weights,   d = min(decay, (1 + updates) / (10 + updates))

so that early weights, far from the end, do not linger. Buffers are constant in training (batch
norms keep their statistics) and are not averaged. The averages live in the weights' own precision.

The learning rate of a step is a linear warm-up, then half a cosine or steps down. The cosine is
SGDR's single cycle (Loshchilov and Hutter 2017, equation 5) that ends at a hundredth; the steps are
the tenths of Mask R-CNN's schedule (He et al. 2017, section 3.1).
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from lightning.fabric import Fabric
from torch import Tensor, nn

from tinyseg.errors import TrainingError
from tinyseg.model import Detector, Losses, Target
from tinyseg.networks import load_state
from tinyseg.recipes import Recipe, Train
from tinyseg.training.batches import Batch
from tinyseg.training.chance import rng
from tinyseg.training.checkpoint import Checkpoint
from tinyseg.training.launch import mean_over_processes, shared_count

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


class WeightAverage:
    """Averages of a module's parameters, by name."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self._weights = dict(module.named_parameters())
        self.averages = {name: p.detach().clone() for name, p in self._weights.items()}

    @torch.no_grad()
    def update(self, updates: int) -> None:
        """Take the weights in; `updates` counts the earlier calls."""
        decay = min(self.decay, (1 + updates) / (10 + updates))
        weights = [p.detach() for p in self._weights.values()]
        torch._foreach_lerp_(list(self.averages.values()), weights, 1 - decay)

    @torch.no_grad()
    def load(self, averages: Mapping[str, Tensor]) -> None:
        """Averages of an earlier run of the same network."""
        for name, own in self.averages.items():
            own.copy_(averages[name])


MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW remembers of each parameter."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was taken: mean losses over all processes; `stop`: one of them asks to."""

    losses: dict[str, float]
    gradient_norm: float
    learning_rate: float
    stop: bool


class NotFiniteError(TrainingError):
    """A loss or gradient that is not finite; the step was not taken."""


class LossVector(nn.Module):
    """The detector's losses as one tensor, which is what passes between processes."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(
        self, images: UInt8[Tensor, "b 3 h w"], targets: list[Target]
    ) -> Float[Tensor, " losses"]:
        """In the order of `Losses`."""
        return torch.stack(list(self.detector(images, targets).parts().values()))


class Learner:
    """A detector that learns, on this process' device."""

    def __init__(self, detector: Detector, recipe: Recipe, fabric: Fabric) -> None:
        self.detector, self.recipe, self.fabric = detector, recipe, fabric
        rules = recipe.train
        detector.to(fabric.device).train()
        detector.mixed, detector.normalise = rules.mixed is True, shared_count(fabric)
        self.average = WeightAverage(detector, rules.ema) if rules.ema else None
        groups = parameter_groups(detector, rules)
        self._optimizer = torch.optim.AdamW(groups, lr=rules.learning_rate, fused=True)
        self._model = fabric.setup_module(LossVector(detector))
        self._names = [field for field in Losses.__dataclass_fields__]

    def take_step(self, step: int, parts: Iterable[Batch], *, stop: bool) -> Taken:
        """One update of the weights from the batches of its rounds."""
        rules = self.recipe.train
        seed_step(rules.seed, step, self.fabric.global_rank)
        rate = learning_rate(step, rules)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad(set_to_none=True)
        losses = self._gradients(list(parts))
        norm = torch.nn.utils.clip_grad_norm_(self.detector.parameters(), rules.clip_norm)
        wish = losses.new_tensor([float(stop)])
        *values, asked = mean_over_processes(self.fabric, torch.cat([losses, wish])).tolist()
        named = dict(zip(self._names, values, strict=True))
        if not math.isfinite(sum(values)) or not math.isfinite(float(norm)):
            rule = "loss or gradient is not finite; the step was not taken"
            raise NotFiniteError(rule, got=f"losses {named}, gradient norm {float(norm)}")
        self._optimizer.step()
        if self.average is not None:
            self.average.update(step)
        return Taken(named, float(norm), rate, asked > 0)

    def _gradients(self, parts: Sequence[Batch]) -> Float[Tensor, " losses"]:
        """Gradients of the mean loss of the batches; processes exchange them once, at the last."""
        total = torch.zeros(len(self._names), device=self.fabric.device)
        for place, batch in enumerate(parts):
            waits = place + 1 < len(parts)
            with self.fabric.no_backward_sync(self._model, enabled=waits):
                losses = self._model(batch.images, batch.targets) / len(parts)
                self.fabric.backward(losses.sum())
            total = total + losses.detach()
        return total

    def usable(self) -> Detector:
        """A copy of the network to predict with, with averaged weights if they are kept."""
        copy = deepcopy(self.detector).eval()
        copy.mixed = False
        if self.average is not None:
            copy.load_state_dict(self.average.averages, strict=False)
        return copy

    def checkpoint(self, step: int, best: float | None) -> Checkpoint:
        """All of it after `step` steps; the tensors are only valid until the next one."""
        moments = {
            f"{moment}/{name}": _on_cpu(self._optimizer.state[p][moment])
            for name, p in self.detector.named_parameters()
            for moment in MOMENTS
            if p in self._optimizer.state
        }
        weights = {name: _on_cpu(t) for name, t in self.detector.state_dict().items()}
        averages = None
        if self.average is not None:
            averages = {name: _on_cpu(t) for name, t in self.average.averages.items()}
        tree = self.recipe.model_dump(mode="json")
        return Checkpoint(step, weights, averages, moments, tree, best)

    def restore(self, start: Checkpoint, run: Path) -> None:
        """Put a checkpoint back; raises TrainingError if it is not of this recipe's network."""
        load_state(self.detector, start.weights, path=run)
        parameters = dict(self.detector.named_parameters())
        if self.average is not None:
            if start.ema is None or start.ema.keys() != parameters.keys():
                raise TrainingError("the checkpoint has no averages of these weights", path=run)
            self.average.load(start.ema)
        states: dict[str, dict[str, Tensor]] = {}
        for key, value in start.optimizer.items():
            moment, _, name = key.partition("/")
            if moment not in MOMENTS or name not in parameters:
                rule = "the optimizer's state is of another network"
                raise TrainingError(rule, path=run, got=key)
            states.setdefault(name, {})[moment] = _laid_out_like(parameters[name], value)
        for name, state in states.items():
            self._optimizer.state[parameters[name]] = state


def seed_step(seed: int, step: int, rank: int) -> None:
    """Torch's own generators (drop path and the like) follow from seed, step and rank."""
    torch.manual_seed(int(rng(seed, step, f"torch {rank}").integers(2**62)))


def parameter_groups(detector: Detector, rules: Train) -> list[dict[str, object]]:
    """Weights decay; biases and norms do not."""
    learnt = [p for p in detector.parameters() if p.requires_grad]
    return [
        {"params": [p for p in learnt if p.ndim > 1], "weight_decay": rules.weight_decay},
        {"params": [p for p in learnt if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _on_cpu(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous()


def _laid_out_like(parameter: Tensor, value: Tensor) -> Tensor:
    """The value on the parameter's device, in its memory order: the fused step reads both."""
    if value.shape != parameter.shape:  # AdamW's count of steps
        return value.to(parameter.device)
    return torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
