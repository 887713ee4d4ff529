"""The label policies by name, and the argument ``labels=`` that chooses one."""

from __future__ import annotations

from typing import TypeAlias

from ...synthesis import Source
from ._builtin import Conditional, Fixed, Same, Uniform
from ._policy import CHOICES, LabelPolicy

Labels: TypeAlias = LabelPolicy | str | int | None
POLICIES: dict[str, type[LabelPolicy]] = {policy.name: policy for policy in (Same, Conditional, Uniform)}


def resolve_policy(labels: Labels, source: Source) -> LabelPolicy | None:
    """Returns the label policy that ``labels=`` chooses, checked against the source.

    Raises:
        TypeError: If ``labels`` is not one of the choices.
        ValueError: If the policy cannot use the source.
    """
    if labels is None:
        return None
    if isinstance(labels, LabelPolicy):
        policy = labels
    elif isinstance(labels, str) and labels in POLICIES:
        policy = POLICIES[labels]()
    elif isinstance(labels, int) and not isinstance(labels, bool):
        policy = Fixed(label=labels)
    else:
        added = "".join(f"{name!r}, " for name in POLICIES if repr(name) not in CHOICES)
        raise TypeError(f"labels must be {added}{CHOICES}, but got {labels!r} instead.")
    policy.check_source(source)
    return policy
