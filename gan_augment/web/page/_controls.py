"""Components that several tabs share, and how events reach functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...models import Generator
from .. import _generators as generators
from .._limits import Limits
from .._studies import StudyDesk
from .._visitors import Visitors
from ._gradio import gr
from ._messages import kindly

MAX_SEED = 2**31 - 1
IN_TURN, NO_UPSCALER = -1, ""


@dataclass(frozen=True)
class Server:
    """What all visitors of a page share.

    Attributes:
        visitors (Visitors): Their folders.
        desk (StudyDesk): The study that runs.
        limits (Limits): The limits.
        names (dict): The generators to choose from, by the titles that visitors see.
    """

    visitors: Visitors
    desk: StudyDesk
    limits: Limits
    names: dict[str, str]

    def name(self, shown: Any) -> str:
        """Returns the name of a generator that the page offers. A changed page may ask for others."""
        if not isinstance(shown, str) or shown not in self.names:
            raise ValueError(f"The generator must be one of {', '.join(self.names)}, but got {shown!r:.80}.")
        return self.names[shown]

    def generator(self, shown: Any) -> Generator:
        """Loads a generator that the page offers."""
        name = self.name(shown)
        try:
            return generators.load(name)
        except ValueError as error:  # visitors need not know where its folder is
            raise ValueError(str(error).replace(name, shown)) from error


def listen(triggers: Sequence[Any], run: Callable[..., Any], inputs: Any, outputs: Any, **options: Any) -> Any:
    """Connects a function to events. One such function runs at a time, because all share the processor."""
    given = {
        "trigger_mode": "always_last", "concurrency_limit": 1, "concurrency_id": "draw", "show_progress": "minimal",
        "api_visibility": "private", **options,
    }  # fmt: skip
    return gr.on(list(triggers), kindly(run), inputs, outputs, **given)


def seed_box(label: str = "Seed", value: int = 0) -> gr.Number:
    return gr.Number(value, label=label, precision=0, minimum=0, maximum=MAX_SEED, min_width=120)


def class_box() -> gr.Dropdown:
    return gr.Dropdown([("each in turn", IN_TURN)], value=IN_TURN, label="Class", min_width=170)


def slider(low: float, high: float, value: float, step: float, label: str, info: str = "") -> gr.Slider:
    return gr.Slider(low, high, value, step=step, label=label, info=info or None, min_width=180, buttons=[])


def whole(value: Any, label: str, low: int, high: int) -> int:
    """Returns a number from a field of the page as an int. A browser may send nothing, or a number out of range."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError(f"{label} must be a whole number from {low:,} to {high:,}; change it and try again.")
    return int(value)


def seed_of(value: Any) -> int:
    return whole(value, "The seed", 0, MAX_SEED)


def class_of(value: Any) -> int | None:
    return None if value is None or value == IN_TURN else int(value)
