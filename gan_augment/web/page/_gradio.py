"""Gradio, which is imported when it is first used, because it is an extra."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    import gradio as gr
else:
    gr = lazy_loader.load("gradio")

__all__ = ["gr"]
