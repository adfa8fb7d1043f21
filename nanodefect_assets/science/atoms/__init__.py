"""From a volume to atoms, their order and grains."""
