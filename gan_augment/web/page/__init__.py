"""The layout of the page: components, texts and style. The other modules of ``web`` do the work."""
