"""Particles in micrographs."""
