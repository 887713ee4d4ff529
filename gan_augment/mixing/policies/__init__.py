"""Rules that give synthetic images their targets. A new policy is a file here; its name is a line of POLICIES."""
