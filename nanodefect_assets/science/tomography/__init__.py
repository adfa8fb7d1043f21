"""From a tilt series to a volume."""
