"""A run from the outside: its folder, checkpoints, measurements, pictures, processes and threads."""
