"""Rules that keep or drop candidates when a pool is generated. To add one, add a file here and a line to FILTERS."""
