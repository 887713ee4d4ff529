"""The layout of the page: components, texts and style. Other modules of the room do the work."""
