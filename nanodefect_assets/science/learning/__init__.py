"""Shared ground of trained models."""
