"""The result of an evaluation: measurements, a table, and sentences that explain them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..metrics import METRICS, ClassAgreement, Copies, Leakage, Measurement
from ._guard import Exposure


@dataclass(frozen=True)
class Evaluation:
    """The measurements of a source.

    Attributes:
        measurements (list of Measurement): Measurements of the samples.
        floor (list of Measurement): The same measurements of real training images in place of the samples. Empty
            without ``train=``.
        copies (Copies, optional): How close samples are to training images in pixels. None without ``train=``.
        leakage (Leakage, optional): Traces of augmentation in the samples. None for images below 16 px.
        agreement (ClassAgreement, optional): Share of samples of each class that a classifier assigns to this class,
            after training on the training images. None without labels.
        exposure (Exposure): Whether the source has seen the real images.
        sentences (list of str): What the numbers mean, one sentence each.
    """

    measurements: list[Measurement]
    floor: list[Measurement]
    copies: Copies | None
    leakage: Leakage | None
    agreement: ClassAgreement | None
    exposure: Exposure
    sentences: list[str]

    def __getitem__(self, name: str) -> Measurement:
        """Returns the measurement with this name, such as ``"kid"``."""
        return _by_name(self.measurements)[name]

    def to_dict(self) -> dict[str, Any]:
        """Returns everything as a dictionary that JSON can store."""
        agreement = None
        if self.agreement is not None:
            per_class = {str(label): share for label, share in self.agreement.per_class.items()}
            agreement = {"overall": self.agreement.overall._asdict(), "per_class": per_class}
        return {
            "measurements": [measurement.to_dict() for measurement in self.measurements],
            "floor": [measurement.to_dict() for measurement in self.floor],
            "copies": None if self.copies is None else self.copies.to_dict(),
            "leakage": None if self.leakage is None else self.leakage.to_dict(),
            "agreement": agreement,
            "exposure": dataclasses.asdict(self.exposure),
            "sentences": list(self.sentences),
        }

    def __str__(self) -> str:
        floor = _by_name(self.floor)
        rows = [("", "samples", "real images" if floor else "", "better")]
        for measurement in self.measurements:
            other = floor.get(measurement.name)
            better = {True: "higher", False: "lower", None: ""}[measurement.higher_is_better]
            rows.append((measurement.label, measurement.number, "" if other is None else other.number, better))
        a, b, c = (max(len(row[column]) for row in rows) for column in range(3))
        table = [f"{row[0]:{a}}  {row[1]:>{b}}  {row[2]:>{c}}  {row[3]}".rstrip() for row in rows]
        return "\n".join([*table, "", *self.sentences])


def _by_name(measurements: Sequence[Measurement]) -> dict[str, Measurement]:
    return {measurement.name: measurement for measurement in measurements}


def describe(
    found: Mapping[str, Measurement],
    floor: Mapping[str, Measurement],
    copies: Copies | None,
    leakage: Leakage | None,
    agreement: ClassAgreement | None,
    exposure: Exposure,
) -> list[str]:
    """Returns what the numbers mean, one sentence each."""
    sentences = [exposure.sentence]
    for name, metric in METRICS.items():
        if metric.explain is not None and name in found:
            sentences.append(metric.explain(found[name], floor.get(name)))
    if "gan_train" in found:
        measured, real = found["gan_train"], floor.get("gan_train")
        other = "" if real is None else f"; one trained on {real.n_synthetic:,} training images, {real.value:.1%}"
        sentences.append(
            f"A classifier trained only on {measured.n_synthetic:,} samples classifies {measured.value:.1%} of the "
            f"real images correctly{other}."
        )
    if agreement is not None:
        lowest = min(agreement.per_class, key=agreement.per_class.__getitem__)
        sentences.append(
            f"A classifier trained on the training images sees the requested class in {agreement.overall.value:.1%} of "
            f"the samples; the lowest share is {agreement.per_class[lowest]:.0%}, for class {lowest}."
        )
    return sentences + [part.sentence for part in (copies, leakage) if part is not None]
