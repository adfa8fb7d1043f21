"""Loops that need several techniques: reconstruct, trace, simulate, again."""
