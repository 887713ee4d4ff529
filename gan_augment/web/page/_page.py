"""The page: the choice of a generator, and a tab for each thing to do with it."""

from __future__ import annotations

from typing import Any

from .. import _generators as generators
from ._controls import IN_TURN, Server, listen
from ._gradio import gr
from ._tabs import download_tab, samples_tab, walk_tab
from ._tabs_images import study_tab, upload_tab
from ._texts import HEADER, facts_text


def build_page(server: Server) -> gr.Blocks:
    """Builds the page. Components are only laid out and connected here; other modules do the work."""
    with gr.Blocks(title="gan-augment", analytics_enabled=False) as page:
        gr.HTML(HEADER)
        shown = list(server.names)
        name = gr.Dropdown(shown, value=shown[0], label="Generator", elem_id="generator")
        facts = gr.HTML(elem_id="facts")
        with gr.Tabs():
            with gr.Tab("Samples"):
                draw, draw_inputs, tiles, label, truncation = samples_tab(server, name)
            with gr.Tab("Walk"):
                walk_label, show, walk_inputs, walk_outputs = walk_tab(server, name)
            with gr.Tab("Mix"):
                mixed = upload_tab(server, name)
            with gr.Tab("Study"):
                study_tab(server, name)
            with gr.Tab("Pool"):
                pool_label = download_tab(server, name)

        def choose(chosen: str) -> tuple[Any, ...]:
            generator = server.generator(chosen)
            classes = generators.classes_of(generator)
            limit = generators.truncation_limit(generator)
            turns = gr.Dropdown([("each in turn", IN_TURN), *classes], value=IN_TURN, visible=bool(classes))
            bound = gr.Slider(maximum=limit or 1.0, value=limit or 1.0, visible=limit is not None)
            one = gr.Dropdown(classes, value=0 if classes else None, visible=bool(classes))
            return facts_text(generators.facts(server.name(chosen), generator)), turns, bound, one, turns

        chosen = listen([page.load, name.change], choose, [name], [facts, label, truncation, walk_label, pool_label])
        chosen.then(draw, draw_inputs, tiles, api_visibility="private", show_progress="minimal")
        chosen.then(show, walk_inputs, walk_outputs, api_visibility="private", show_progress="hidden")
        listen([name.change], mixed[0], mixed[1], mixed[2])

        def leave(request: gr.Request) -> None:
            server.visitors.leave(str(request.session_hash))

        page.unload(leave)
    return page
