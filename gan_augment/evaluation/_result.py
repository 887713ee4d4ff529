"""What an evaluation says: figures, a table, and plain words."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..metrics import ClassAgreement, Copies, Leakage, Measurement
from ._guard import Exposure

COPYING = -3.0  # z-score of the data-copying test below which it is said


@dataclass(frozen=True)
class Evaluation:
    """What was measured of a source.

    Attributes:
        measurements (list of Measurement): Of the samples.
        floor (list of Measurement): The same of real images in the samples' place, where there are others.
        copies (Copies, optional): How near samples come to training images in pixels, where those were given.
        leakage (Leakage, optional): Marks of augmentation in samples; None below 16 px.
        agreement (ClassAgreement, optional): How often, by class, a classifier of the training images sees the class
            that was asked for, where there are labels.
        exposure (Exposure): Whether the source has seen the real images.
        sentences (list of str): What the figures mean, in plain words.
    """

    measurements: list[Measurement]
    floor: list[Measurement]
    copies: Copies | None
    leakage: Leakage | None
    agreement: ClassAgreement | None
    exposure: Exposure
    sentences: list[str]

    def __getitem__(self, name: str) -> Measurement:
        """The measurement of a name, such as ``"kid"``."""
        return by_name(self.measurements)[name]

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as JSON can hold it."""
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
        floor = by_name(self.floor)
        rows = [("", "samples", "real images" if floor else "")]
        for measurement in self.measurements:
            other = floor.get(measurement.name)
            rows.append((measurement.label, _number(measurement), "" if other is None else _number(other)))
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        table = [f"{row[0]:{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}".rstrip() for row in rows]
        return "\n".join([*table, "", *self.sentences])


def by_name(measurements: Sequence[Measurement]) -> dict[str, Measurement]:
    """Measurements by their names."""
    return {measurement.name: measurement for measurement in measurements}


def _number(measurement: Measurement) -> str:
    return str(measurement).removeprefix(measurement.label).strip()


def describe(
    found: Mapping[str, Measurement],
    floor: Mapping[str, Measurement],
    copies: Copies | None,
    leakage: Leakage | None,
    agreement: ClassAgreement | None,
    exposure: Exposure,
) -> list[str]:
    """What figures mean, in plain words, one sentence each."""
    return [
        exposure.sentence,
        _of_kid(found["kid"], floor.get("kid")),
        _of_manifolds(found, floor),
        *_of_classes(found, floor, agreement),
        *_of_copies(found, floor),
        *(part.sentence for part in (copies, leakage) if part is not None),
    ]


def _of_kid(kid: Measurement, floor: Measurement | None) -> str:
    text = f"KID is {_number(kid)}"
    if floor is None:
        return f"{text}; of real images it is about 0 (pass train= to measure that floor)."
    reach = 2 * math.hypot(kid.spread or 0, floor.spread or 0)
    apart = kid.value - floor.value > reach
    return f"{text}, and of training images in place of samples {_number(floor)}, the floor: " + (
        "samples can be told from real images." if apart else "no difference from real images shows at these counts."
    )


def _of_manifolds(found: Mapping[str, Measurement], floor: Mapping[str, Measurement]) -> str:
    def share(name: str, what: str) -> str:
        return f"{found[name].value:.0%} {what}" + (f" (floor: {floor[name].value:.0%})" if name in floor else "")

    return (
        f"{share('precision', 'of samples lie where real images do')}, "
        f"{share('recall', 'of real images where samples do')}, and "
        f"{share('coverage', 'of real images have a sample near')}."
    )


def _of_classes(
    found: Mapping[str, Measurement], floor: Mapping[str, Measurement], agreement: ClassAgreement | None
) -> list[str]:
    said = []
    if "gan_train" in found:
        taught, real = found["gan_train"], floor.get("gan_train")
        other = "" if real is None else f" (of {real.n_synthetic:,} training images {real.value:.1%})"
        said.append(
            f"A classifier of {taught.n_synthetic:,} samples alone is right on {taught.value:.1%} of real "
            f"images{other}."
        )
    if agreement is not None:
        lowest = min(agreement.per_class, key=agreement.per_class.__getitem__)
        said.append(
            f"A classifier of training images sees the class asked for in {agreement.overall.value:.1%} of samples, in "
            f"the fewest of class {lowest}: {agreement.per_class[lowest]:.0%}."
        )
    return said


def _of_copies(found: Mapping[str, Measurement], floor: Mapping[str, Measurement]) -> list[str]:
    if "ct" not in found:
        return []
    authentic, ct = found["authenticity"], found["ct"]
    return [
        f"In features of {authentic.n_real:,} training images {authentic.value:.0%} of samples are authentic (of "
        f"unseen real images {floor['authenticity'].value:.0%}), and samples are "
        + (
            "nearer to training images than unseen images are, beyond chance: copies; look at the closest pairs"
            if ct.value < COPYING
            else "no nearer to training images than unseen images are"
        )
        + f" (z {ct.value:.1f})."
    ]
