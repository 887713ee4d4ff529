"""Rules that keep or drop candidates when a pool is generated. A new filter is a file here and a line of FILTERS."""
