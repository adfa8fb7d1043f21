"""Assets of the group tomography."""
