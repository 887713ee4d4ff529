"""A run from the outside: its folder, checkpoints, measurements, pictures and processes."""
