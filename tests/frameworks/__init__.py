"""Training frameworks, with and without mixing, on tiny networks."""
