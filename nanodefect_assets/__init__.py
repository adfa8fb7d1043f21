"""Electron microscopy of nanoparticles as Dagster data assets: from micrographs to population statistics."""
