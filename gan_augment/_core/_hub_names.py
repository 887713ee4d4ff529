"""Names of repositories on the Hugging Face Hub."""

from __future__ import annotations

import re
from dataclasses import dataclass

# The Hub's rule: up to 96 letters and digits, with . _ - between them.
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
_HUB_NAME = re.compile(rf"({_PART}/{_PART})(?:@([A-Za-z0-9][A-Za-z0-9._/-]{{0,254}}))?")


@dataclass(frozen=True)
class HubName:
    """A repository on the Hugging Face Hub, ``org/name[@revision]``."""

    repo_id: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.repo_id if self.revision is None else f"{self.repo_id}@{self.revision}"


def hub_name(name: str) -> HubName | None:
    """Returns the repository with the name ``org/name[@revision]``, or None for anything else."""
    match = _HUB_NAME.fullmatch(name)
    return HubName(match[1], match[2]) if match and ".." not in name and "--" not in match[1] else None
