"""Batches, their aliquots and what was measured of them."""
