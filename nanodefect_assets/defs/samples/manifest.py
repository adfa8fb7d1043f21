"""The files of one sample."""

import dagster as dg

from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.making import asset_name, making, report
from nanodefect_assets.defs.partitions import batch_of_sample, place_of, sample
from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.refusal import Refusal


@dg.asset(
    key=["samples", "manifest"],
    deps=[dg.AssetDep(["samples", "intake"], partition_mapping=batch_of_sample)],
    partitions_def=sample,
    group_name="samples",
    code_version="1",
    kinds={"json", "parquet"},
    check_specs=[
        declare_check(
            ("samples", "manifest"),
            "originals_unchanged",
            "The accepted originals are still there, byte for byte as they were accepted.",
            blocking=True,
        )
    ],
)
def manifest(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
    """The accepted files of a sample, with the calibration of each and where it comes from."""
    from nanodefect_assets.defs.cells import sample_manifest
    from nanodefect_assets.domain.schemas import FILES
    from nanodefect_assets.stores.corrections import manifest_in_force
    from nanodefect_assets.stores.files import sha256_of
    from nanodefect_assets.stores.generations import require_generation
    from nanodefect_assets.stores.intake_rows import file_rows
    from nanodefect_assets.stores.manifests import SAMPLE_MANIFEST, write_sample_manifest
    from nanodefect_assets.stores.revisions import raw_path

    place = place_of(context)
    whole = None if place.batch is None else manifest_in_force(home.home, place.batch)
    if whole is None or place.aliquot is None or place not in whole.cells():
        raise Refusal(
            "no_such_sample",
            expected="a sample that the accepted batch has",
            got=place.sample,
            advice="This combination of batch and aliquot was never sampled: choose another partition.",
        )
    part = sample_manifest(whole, place.aliquot)
    originals = {file.path: (raw_path(home.home, whole, file), file.sha256) for file in part.files}
    changed = [name for name, (path, sha256) in originals.items() if not path.is_file() or sha256_of(path) != sha256]
    source = require_generation(home.home, asset_name(["samples", "intake"]), Place(batch=place.batch))
    with making(context, home) as out:
        out.n_items = len(part.files)
        out.add_rows(FILES, file_rows(part))
        (out.folder / SAMPLE_MANIFEST).write_text(write_sample_manifest(part))
    return report(
        out,
        metadata={
            "n_files": len(part.files),
            "size_bytes": sum(file.size_bytes for file in part.files),
            "revision": whole.revision,
            "intake_generation": source.record.name,
            "files": dg.MetadataValue.md("\n".join(f"- `{file.path}` ({file.modality})" for file in part.files[:100])),
        },
        checks=[
            dg.AssetCheckResult(
                check_name="originals_unchanged",
                passed=not changed,
                metadata={"changed": changed, "n_files": len(part.files)},
            )
        ],
    )
