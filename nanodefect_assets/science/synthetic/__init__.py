"""Planted truth: simulated micrographs, particles and volumes."""
