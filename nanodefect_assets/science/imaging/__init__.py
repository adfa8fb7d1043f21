"""Shared ground of images: filters and thresholds."""
