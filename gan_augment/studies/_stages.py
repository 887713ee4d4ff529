"""The stages of a study: ordinary augmentation, synthetic images on top of the best of it, then the controls."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from torch import Tensor

from ..evaluation import BuildClassifier, tempered_brier
from ..mixing import LabelPolicy
from ._arms import Arm, Job, TrainSettings
from ._data import StudyData
from ._files import Outcome, SplitImages, read_split, write_images
from ._pools import StudyPools
from ._result import OVERSAMPLED
from ._runner import Runner
from ._settings import Settings
from ._sources import Fitting, LoadedSource


@dataclass
class StudyRun:
    """A study in progress: its data, the arms that it has trained, and their outcomes for each seed."""

    folder: Path
    data: StudyData
    parts: list[tuple[Tensor, Tensor]]  # rows of the training and validation images of each split
    settings: Settings
    policies: dict[str, LabelPolicy]  # by name, like arms and outcomes
    source: LoadedSource | Fitting
    build: BuildClassifier | None
    runner: Runner
    progress: bool
    splits: list[SplitImages] = field(init=False)
    pools: StudyPools = field(init=False)
    arms: dict[str, Arm] = field(default_factory=dict)
    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        settings, images = self.settings, self.data.images
        write_images(self.folder, images.images, images.classes, self.data.test_rows, self.parts)
        self.splits = [read_split(self.folder, index) for index in range(settings.splits)]
        self.train_settings = TrainSettings(
            num_classes=self.data.num_classes,
            steps=settings.steps,
            batch_size=settings.batch_size,
            lr=settings.lr,
            seed=settings.seed,
            precision=settings.precision,
            build=self.build,
        )
        self.pools = StudyPools(self.folder, settings, self.train_settings, self.source, self.progress)

    def run_stages(self) -> tuple[Arm, Arm]:
        """Runs all stages, and returns the baseline and the choice."""
        settings = self.settings
        self.pools.fit_generators(self.splits)
        ordinary = [Arm(name, "ordinary", name) for name in settings.augment if name != "none"]
        self._train([Arm("no augmentation", "none", "none"), *ordinary])
        baseline = self._best([arm for arm in self.arms.values() if arm.augment in settings.augment])
        augment, balance = baseline.augment, settings.mode == "balance"
        if balance:
            controls = [
                Arm(OVERSAMPLED, "oversampled", augment, balanced=True),
                Arm("class weights", "class weights", augment),
            ]
            self._train(controls)
            baseline = self._best([baseline, *controls])
        self.pools.make_pools(self.splits, augment)
        synthetic = self._synthetic_arms(augment)
        self._train(synthetic)
        choice = self._best(synthetic)
        filled_up = Arm("filled up", "filled up", augment, filters=choice.filters)
        repeated = Arm(f"oversampled {choice.ratio:g}", "oversampled", augment, choice.ratio)
        self._train([filled_up if balance else repeated])
        return baseline, choice

    def validation_score(self, arm: Arm) -> float:
        """Returns the Brier score of an arm on the validation images; see :class:`ArmResult`."""
        logits = [outcome.validation for outcome in self.outcomes[arm.name]]
        seeds = range(self.settings.seeds)
        labels = [self.splits[seed % self.settings.splits].validation_labels for seed in seeds]
        return tempered_brier(logits, labels, self.settings.metric == "balanced accuracy")

    def _train(self, arms: list[Arm]) -> None:
        """Trains arms with every seed."""
        seeds, splits = range(self.settings.seeds), self.settings.splits
        jobs = [Job(self.folder, arm, seed, seed % splits, self.train_settings) for arm in arms for seed in seeds]
        outcomes = iter(self.runner(jobs))
        for arm in arms:
            self.arms[arm.name] = arm
            self.outcomes[arm.name] = [next(outcomes) for _ in seeds]

    def _best(self, arms: list[Arm]) -> Arm:
        """Returns the arm that is best on the validation images; a single arm needs none."""
        return arms[0] if len(arms) == 1 else min(arms, key=self.validation_score)

    def _synthetic_arms(self, augment: str) -> list[Arm]:
        """Returns the synthetic arms to choose from, balanced in mode ``"balance"``.

        If only rare classes had synthetic images, a classifier could recognise them by that.
        """
        arms, ratios, balance = [], self.settings.ratios, self.settings.mode == "balance"
        for (labels, policy), filters, ratio in product(self.policies.items(), self.pools.filters, ratios):
            words = [f"synthetic {ratio:g}", *filters, *([labels] if len(self.policies) > 1 else [])]
            arms.append(Arm(", ".join(words), "synthetic", augment, ratio, policy, labels, filters, balance))
        return arms
