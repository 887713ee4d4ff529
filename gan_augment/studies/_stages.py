"""The stages of a study: ordinary augmentation, then synthetic images under the best of it, then the controls."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ..evaluation import BuildClassifier, tempered_brier
from ..mixing import LabelPolicy
from ._arms import Arm, Job, TrainSettings
from ._data import StudyData
from ._files import Images, Outcome, forget_images, read_images, write_images
from ._jobs import Runner
from ._pools import Pools
from ._result import EVEN
from ._settings import Settings
from ._sources import Fitting, Given


class Stages:
    """One study, as far as it is.

    Args:
        folder (Path): Where everything is kept.
        data (StudyData): Its images.
        parts (list): Rows to train on and to choose by, of each split.
        settings (Settings): What is asked.
        policies (dict): Label policies by what they are called.
        source (Given or Fitting): Of synthetic images.
        build (callable, optional): Of the classifier.
        run (Runner): Trains.
        progress (bool): Whether to show bars.
    """

    def __init__(
        self,
        folder: Path,
        data: StudyData,
        parts: list[tuple[Tensor, Tensor]],
        settings: Settings,
        policies: dict[str, LabelPolicy],
        source: Given | Fitting,
        build: BuildClassifier | None,
        run: Runner,
        progress: bool,
    ) -> None:
        self.folder, self.data, self.settings = folder, data, settings
        self.policies, self.run = policies, run
        write_images(folder, data.images.images, data.images.classes, data.test, parts)
        forget_images()
        self.splits = [read_images(folder, index) for index in range(settings.splits)]
        self.train_settings = TrainSettings(
            num_classes=data.num_classes,
            steps=settings.steps,
            batch_size=settings.batch_size,
            lr=settings.lr,
            seed=settings.seed,
            precision=settings.precision,
            build=build,
        )
        self.outcomes: dict[str, list[Outcome]] = {}
        self.arms: dict[str, Arm] = {}
        self.pools = Pools(folder, settings, self.train_settings, source, progress)

    def run_all(self) -> tuple[Arm, Arm]:
        """Runs all stages; returns the baseline and the choice."""
        settings = self.settings
        self.pools.fit(self.splits)
        ordinary = [Arm(name, "ordinary", name) for name in settings.augment if name != "none"]
        self._train([Arm("no augmentation", "none", "none"), *ordinary])
        tried = [arm for arm in self.arms.values() if arm.augment in settings.augment]
        baseline = self._best(tried)
        augment = baseline.augment
        if settings.mode == "balance":
            controls = [
                Arm(EVEN, "oversampled", augment, even=True),
                Arm("class weights", "class weights", augment),
            ]
            self._train(controls)
            baseline = self._best([baseline, *controls])
        self.pools.make(self.splits, augment)
        synthetic = self._synthetic_arms(augment)
        self._train(synthetic)
        choice = self._best(synthetic)
        if settings.mode == "balance":
            self._train([Arm("filled up", "filled up", augment, filters=choice.filters)])
        else:
            self._train([Arm(f"oversampled {choice.ratio:g}", "oversampled", augment, choice.ratio)])
        return baseline, choice

    def _train(self, arms: list[Arm]) -> None:
        """Trains arms under every seed."""
        jobs = [
            Job(self.folder, arm, seed, seed % self.settings.splits, self.train_settings)
            for arm in arms
            for seed in range(self.settings.seeds)
        ]
        outcomes = self.run(jobs)
        for index, arm in enumerate(arms):
            self.arms[arm.name] = arm
            self.outcomes[arm.name] = outcomes[index * self.settings.seeds : (index + 1) * self.settings.seeds]

    def validation(self, arm: Arm) -> float:
        """See :class:`ArmResult`."""
        logits = [outcome.validation for outcome in self.outcomes[arm.name]]
        labels = [self._images(seed).validation_labels for seed in range(self.settings.seeds)]
        return tempered_brier(logits, labels, self.settings.metric == "balanced accuracy")

    def _best(self, arms: list[Arm]) -> Arm:
        """The best on the validation images; the first where there is nothing to choose."""
        return arms[0] if len(arms) == 1 else min(arms, key=self.validation)

    def _images(self, seed: int) -> Images:
        return self.splits[seed % self.settings.splits]

    def _synthetic_arms(self, augment: str) -> list[Arm]:
        """The arms to choose from; uneven classes are made even, since what rare ones alone had would tell them."""
        arms = []
        for called, policy in self.policies.items():
            for several in self.pools.filters:
                for ratio in self.settings.ratios:
                    words = [f"synthetic {ratio:g}", *several, *([called] if len(self.policies) > 1 else [])]
                    arms.append(
                        Arm(
                            ", ".join(words),
                            "synthetic",
                            augment,
                            ratio,
                            policy=policy,
                            labels=called,
                            filters=several,
                            even=self.settings.mode == "balance",
                        )
                    )
        return arms
