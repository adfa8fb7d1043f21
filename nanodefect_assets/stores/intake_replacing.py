"""Whether what arrives goes on with the batch of its name, or is another one that would take its place."""

from pathlib import Path

from nanodefect_assets.domain.batch_spec import BatchSpec
from nanodefect_assets.domain.manifest import Manifest
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.files import sha256_of
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.intake_names import sort_names
from nanodefect_assets.stores.landing import Survey
from nanodefect_assets.stores.quarantine import refuse_batch
from nanodefect_assets.stores.revisions import current_manifest


def files_gone(before: Manifest | None, spec: BatchSpec, seen: Survey) -> tuple[str, ...]:
    """Return the paths that were accepted before and that batch.yaml names no more, or that are not there any more."""
    declared = sort_names(seen.files, spec).declared
    return () if before is None else tuple(sorted(file.path for file in before.files if file.path not in declared))


def check_goes_on(home: Home, source: Path, spec: BatchSpec, seen: Survey) -> None:
    """Refuse a folder that keeps no file of the batch of its name.

    Raises
    ------
    Refusal
        If it is another batch; the quarantine then says so.
    """
    refusal = another_batch(home, source, spec, seen)
    if refusal is not None:
        refuse_batch(home, source, refusal, seen.fingerprint)
        raise refusal


def another_batch(home: Home, source: Path, spec: BatchSpec, seen: Survey) -> Refusal | None:
    """Return why a folder is refused that keeps no file of the batch of its name, neither its path nor its bytes.

    The whole batch is dropped each time, so the files before would leave the tables: two batches were given one name.
    """
    before = current_manifest(home, spec.batch)
    if before is None or not before.files or len(files_gone(before, spec, seen)) < len(before.files):
        return None
    sizes, digests = ({getattr(file, name) for file in before.files} for name in ("size_bytes", "sha256"))
    alike = (file for file in seen.files if file.is_regular and file.size_bytes in sizes)
    if any(sha256_of(source / file.path) in digests for file in alike):
        return None
    n_files = "its 1 file" if len(before.files) == 1 else f"one of its {len(before.files)} files"
    material = before.material or "material not stated"
    return Refusal(
        "another_batch",
        expected=f"{spec.batch} ({material}, revision {before.revision}) with {n_files}",
        got=f"other files alone ({spec.material or 'material not stated'}), which would take the place of the earlier",
        file=spec.batch,
        advice="If it is another batch, change `batch` in batch.yaml (and the name of its folder in landing); if it is "
        f"to take the place of the earlier one: nanodefect ingest --replace {source}",
    )
