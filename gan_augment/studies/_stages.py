"""The stages of a study: ordinary augmentation, then synthetic images on top of the best of it, then the controls."""

from __future__ import annotations

from dataclasses import dataclass, field
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
    """A study in progress: its data, its arms and their outcomes.

    Args:
        folder (Path): Folder of the study.
        data (StudyData): Images of the study.
        parts (list): Rows of the training and validation images of each split.
        settings (Settings): Settings of the study.
        policies (dict): Label policies by name.
        source (LoadedSource or Fitting): Source of the synthetic images.
        build (callable, optional): Builds the classifier.
        runner (Runner): Trains the classifiers.
        progress (bool): Whether to show progress bars.

    Attributes:
        splits (list of SplitImages): Images of each split.
        pools (StudyPools): Generators and pools.
        arms (dict): Arms that have been trained, by name.
        outcomes (dict): Outcomes of each arm, one for each seed, by name.
    """

    folder: Path
    data: StudyData
    parts: list[tuple[Tensor, Tensor]]
    settings: Settings
    policies: dict[str, LabelPolicy]
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
        augment = baseline.augment
        if settings.mode == "balance":
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
        if settings.mode == "balance":
            self._train([Arm("filled up", "filled up", augment, filters=choice.filters)])
        else:
            self._train([Arm(f"oversampled {choice.ratio:g}", "oversampled", augment, choice.ratio)])
        return baseline, choice

    def validation_score(self, arm: Arm) -> float:
        """Returns the Brier score of an arm on the validation images; see :class:`ArmResult`."""
        logits = [outcome.validation for outcome in self.outcomes[arm.name]]
        seeds = range(self.settings.seeds)
        labels = [self.splits[seed % self.settings.splits].validation_labels for seed in seeds]
        return tempered_brier(logits, labels, self.settings.metric == "balanced accuracy")

    def _train(self, arms: list[Arm]) -> None:
        """Trains arms with every seed."""
        seeds = self.settings.seeds
        jobs = [
            Job(self.folder, arm, seed, seed % self.settings.splits, self.train_settings)
            for arm in arms
            for seed in range(seeds)
        ]
        outcomes = self.runner(jobs)
        for index, arm in enumerate(arms):
            self.arms[arm.name] = arm
            self.outcomes[arm.name] = outcomes[index * seeds : (index + 1) * seeds]

    def _best(self, arms: list[Arm]) -> Arm:
        """Returns the best arm on the validation images; a single arm needs no validation images."""
        return arms[0] if len(arms) == 1 else min(arms, key=self.validation_score)

    def _synthetic_arms(self, augment: str) -> list[Arm]:
        """Returns the synthetic arms to choose from, balanced in mode ``"balance"``.

        If only rare classes had synthetic images, a classifier could recognise them by that.
        """
        arms = []
        for labels, policy in self.policies.items():
            for filters in self.pools.filters:
                for ratio in self.settings.ratios:
                    words = [f"synthetic {ratio:g}", *filters, *([labels] if len(self.policies) > 1 else [])]
                    arms.append(
                        Arm(
                            ", ".join(words),
                            "synthetic",
                            augment,
                            ratio,
                            policy=policy,
                            labels=labels,
                            filters=filters,
                            balanced=self.settings.mode == "balance",
                        )
                    )
        return arms
