"""Estimates how long a study takes, from a few measured steps of each classifier."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch

from ..evaluation import Classifier, predict_logits
from ._arms import Arm, TrainSettings, one_thread, train
from ._folder import SplitImages
from ._settings import Settings

TIMED_STEPS, TIMED_IMAGES = 2, 64


@dataclass(frozen=True)
class Cost:
    """Seconds that one process needs for a training step, and for predicting all validation and test images."""

    step: float
    predictions: float

    def training(self, steps: float) -> float:
        """Returns the seconds of one training run with its predictions."""
        return steps * self.step + self.predictions


def measure_costs(settings: Settings, train_settings: TrainSettings, split: SplitImages) -> dict[str, Cost]:
    """Trains each classifier for two steps, and predicts a few images."""
    costs = {}
    for classifier in settings.classifiers:
        trials = settings.trials(classifier)
        hyperparameters, ends = replace(trials[len(trials) // 2], steps=1.0), list[float]()
        note = partial(_note_time, ends, settings.device)
        short, step = replace(train_settings, steps=1 + TIMED_STEPS), 0.0  # the first step is slower
        augments = (settings.tuning_augment, settings.augment[-1])  # often a fast and a slow one
        with one_thread():
            for augment in augments:
                arm = Arm("estimate", "ordinary", augment, classifier, hyperparameters)
                model = train(short, arm, split.train, split.train_labels, 0, on_step=note)
                step += (ends[-1] - ends[-1 - TIMED_STEPS]) / TIMED_STEPS / len(augments)
            some = split.test[torch.arange(TIMED_IMAGES) % len(split.test)]
            started = time.perf_counter()
            predict_logits(model, some)
        image = (time.perf_counter() - started) / TIMED_IMAGES
        costs[classifier.name] = Cost(step, image * (len(split.test) + len(split.validation)))
    return costs


def _note_time(ends: list[float], device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    ends.append(time.perf_counter())


def estimated_seconds(
    settings: Settings, costs: Mapping[str, Cost], finished: Mapping[str, int], tuned: Mapping[str, float]
) -> float:
    """Estimates the seconds of all remaining training runs in one process, if the slowest classifier wins.

    ``finished`` is the number of finished training runs of each classifier. ``tuned`` is the factor that multiplies the
    steps of a classifier once it is chosen. Until then, the mean factor of its trials is used.
    """

    def training(classifier: Classifier) -> float:
        mean = statistics.fmean(trial.steps for trial in settings.trials(classifier))
        return costs[classifier.name].training(tuned.get(classifier.name, mean) * settings.steps)

    left = {each: settings.num_real_trainings(each) - finished[each.name] for each in settings.classifiers}
    mixed = settings.num_mixed_trainings + sum(min(number, 0) for number in left.values())
    choosing = sum(max(number, 0) * training(each) for each, number in left.items())
    return choosing + max(mixed, 0) * max(map(training, settings.classifiers))


def estimate_sentence(trainings: int, fittings: int, seconds: float) -> str:
    """Returns a sentence with the maximum number of training runs, the number of fittings, and a rough time."""
    fits = f"fits {fittings} generator{'s' if fittings > 1 else ''} and " if fittings else ""
    return f"The study {fits}trains up to {trainings} classifiers, which takes about {rounded(seconds)}."


def rounded(seconds: float) -> str:
    """Returns a rough time in words.

    Example:
        >>> rounded(40), rounded(700), rounded(9000)
        ('40 seconds', '12 minutes', '2.5 hours')
    """
    if seconds < 90:
        return f"{max(round(seconds, -1), 10):.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
