"""From a micrograph to its particles, and how good that is."""
