"""Dagster and nothing else: thin assets, partitions, resources, jobs, automation and checks."""
