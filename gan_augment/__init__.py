from .training import fit, resume
