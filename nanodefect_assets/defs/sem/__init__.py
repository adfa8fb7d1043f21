"""Assets of chiral particles in scanning micrographs."""
