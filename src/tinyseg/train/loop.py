"""The run: a flat loop over batches that leaves weights, the recipe and a log of every step.

A run's folder holds `weights.safetensors` (recipe inside), `recipe.yaml` and `log.jsonl`. Weights
are replaced whole every `save_every` steps and at the end, after an interruption too. A loss or
gradient that is not finite stops the run before the step is taken and names its batch.
"""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson
import torch
import yaml

from tinyseg.build import WEIGHTS_NAME, save_weights
from tinyseg.errors import TrainingError
from tinyseg.model.detector import Detector
from tinyseg.recipes import Recipe, Train
from tinyseg.train.batches import Batch, FrameStore, batches


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one step did; times in seconds."""

    step: int
    losses: dict[str, float]
    total: float
    gradient_norm: float
    learning_rate: float
    step_s: float
    data_wait_s: float
    frames: list[str]


def train(
    detector: Detector,
    recipe: Recipe,
    frames: FrameStore,
    out: Path,
    *,
    device: torch.device,
    on_step: Callable[[StepReport], None],
) -> None:
    """Train the detector in place; KeyboardInterrupt passes on once the weights are saved."""
    if not frames.items:
        raise TrainingError("there is no frame to learn from", path=out)
    rules = recipe.train
    _open_folder(out, recipe)
    detector.to(device).train()
    detector.mixed = rules.mixed
    groups = _parameter_groups(detector, rules)
    optimizer = torch.optim.AdamW(groups, lr=rules.learning_rate, fused=True)
    steps = batches(frames, rules, device, first=0, last=rules.steps)
    try:
        with (out / "log.jsonl").open("ab") as log:
            for step in range(rules.steps):
                started = time.perf_counter()
                batch = next(steps)
                waited = time.perf_counter() - started
                losses, norm = take_step(detector, optimizer, batch, rules, step)
                report = StepReport(
                    step=step,
                    losses=losses,
                    total=sum(losses.values()),
                    gradient_norm=norm,
                    learning_rate=optimizer.param_groups[0]["lr"],
                    step_s=time.perf_counter() - started,
                    data_wait_s=waited,
                    frames=batch.names,
                )
                log.write(orjson.dumps(report, option=orjson.OPT_APPEND_NEWLINE))
                on_step(report)
                if (step + 1) % rules.save_every == 0:
                    log.flush()
                    save_weights(out / WEIGHTS_NAME, detector, recipe)
    finally:
        steps.close()
        with suppress(KeyboardInterrupt):  # a second Ctrl-C must not cost the weights
            save_weights(out / WEIGHTS_NAME, detector.eval(), recipe)


def take_step(
    detector: Detector,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    rules: Train,
    step: int,
) -> tuple[dict[str, float], float]:
    """One update of the weights; returns the losses by name and the gradient's norm."""
    torch.manual_seed(rules.seed * 1_000_003 + step)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(step, rules)
    losses = detector(batch.images, batch.targets)
    optimizer.zero_grad(set_to_none=True)
    losses.total().backward()
    norm = float(torch.nn.utils.clip_grad_norm_(detector.parameters(), rules.clip_norm))
    values = {name: float(loss.detach()) for name, loss in losses.parts().items()}
    if not math.isfinite(sum(values.values())) or not math.isfinite(norm):
        rule = "loss or gradient is not finite; the step was not taken"
        got = f"losses {values}, gradient norm {norm}"
        raise TrainingError(rule, where=f"step {step}, frames {batch.names}", got=got)
    optimizer.step()
    return values, norm


def learning_rate(step: int, rules: Train) -> float:
    """Linear warm-up, then half a cosine down to a hundredth."""
    if step < rules.warm_up:
        return rules.learning_rate * (step + 1) / rules.warm_up
    done = (step - rules.warm_up) / max(rules.steps - rules.warm_up, 1)
    return rules.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


def _parameter_groups(detector: Detector, rules: Train) -> list[dict[str, object]]:
    """Weights decay; biases and norms do not."""
    learnt = [p for p in detector.parameters() if p.requires_grad]
    return [
        {"params": [p for p in learnt if p.ndim > 1], "weight_decay": rules.weight_decay},
        {"params": [p for p in learnt if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _open_folder(out: Path, recipe: Recipe) -> None:
    """The run's folder with its recipe; an earlier run's files are not overwritten."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if (out / WEIGHTS_NAME).exists():
            raise TrainingError("the folder holds another run's weights", path=out)
        (out / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    except OSError as error:
        raise TrainingError("the run's folder cannot be written", path=out, got=error) from None
