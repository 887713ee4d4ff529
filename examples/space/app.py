"""Runs the page of ``gan-augment ui`` as a Hugging Face Space. Its limits are lower, because anyone can visit it.

Copy the three files of examples/space/ into the repository of a Space.
"""

import os

from gan_augment.web import Limits, serve

LIMITS = Limits(pool=1_000, study_seeds=3, study_steps=200, study_seconds=600.0)

serve(
    host="0.0.0.0",
    port=int(os.environ.get("GRADIO_SERVER_PORT", "7860")),
    limits=LIMITS,
    hostnames=["*"],  # the page is public under any name that Hugging Face gives it
    frames=["https://huggingface.co", "https://*.hf.space"],
)
