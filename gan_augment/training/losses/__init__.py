"""What the two networks minimise. A new adversarial loss is a file here and a line of LOSSES."""
