"""Handedness of chiral particles from scanning micrographs."""
