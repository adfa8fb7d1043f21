"""Atoms of particles: where they are, how they are ordered, which grains and defects they make."""
