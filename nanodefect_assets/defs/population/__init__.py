"""Statistics of batches, and the warehouse that holds every table."""
