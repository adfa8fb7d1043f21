"""Manifests of samples, as `samples/manifest` keeps them."""

from nanodefect_assets.domain.manifest import Manifest
from nanodefect_assets.stores.generations import StoredGeneration

SAMPLE_MANIFEST = "manifest.json"


def write_sample_manifest(manifest: Manifest) -> str:
    """Return the text in which a sample's manifest is kept; equal manifests give equal text.

    What has its default is left out, so that a field that a later version adds does not make every sample look changed.
    """
    return manifest.model_dump_json(indent=1, exclude_defaults=True)


def read_sample_manifest(generation: StoredGeneration) -> Manifest:
    """Return the manifest that a generation of `samples/manifest` holds."""
    return Manifest.model_validate_json((generation.folder / SAMPLE_MANIFEST).read_bytes())
