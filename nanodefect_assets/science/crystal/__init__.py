"""Shared ground of crystals: lattices, planes and spacings."""
