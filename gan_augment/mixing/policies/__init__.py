"""Rules that give synthetic images their targets. To add one, add a file here and a line to POLICIES."""
