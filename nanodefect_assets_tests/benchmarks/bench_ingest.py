"""Taking in 1,200 frames of 1400 x 900 against bare rosettasciio reading and writing them."""

import os
import resource
import time

import dagster as dg
import pytest
import tifffile
from rsciio.tiff import file_reader, file_writer

from nanodefect_assets.defs.partitions import register_batch, sample_key
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.defs.samples.intake import intake
from nanodefect_assets.defs.samples.manifest import manifest
from nanodefect_assets.defs.samples.micrographs import micrographs
from nanodefect_assets.domain.keys import Place

N_FRAMES = int(os.environ.get("NANODEFECT_BENCH_FRAMES", "1200"))
YAML = "batch: map-1\nfiles: [{path: '*.tif', modality: sem, pixel_size_nm: 2.0}]\n"


def write_frames(folder, rng):
    folder.mkdir()
    for n in range(N_FRAMES):
        tifffile.imwrite(folder / f"{n:04d}.tif", rng.poisson(200, (900, 1400)).astype("uint16"))
    (folder / "batch.yaml").write_text(YAML)


def read_and_write_plainly(source, target, *, is_synced=False):
    """Copy by rosettasciio; synced, each file is on the disk before the next, as intake promises."""
    target.mkdir()
    for path in sorted(source.glob("*.tif")):
        (signal,) = file_reader(path)
        file_writer(target / path.name, signal)
        if is_synced:
            with (target / path.name).open("rb") as written:
                os.fsync(written.fileno())


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.benchmark
def test_ingest_against_bare_rosettasciio(home, tmp_path, rng, record_property):
    source = home.landing / "map-1"
    write_frames(source, rng)
    begun = time.perf_counter()
    read_and_write_plainly(source, tmp_path / "plain")
    plain_s, before_mb = time.perf_counter() - begun, peak_mb()
    begun = time.perf_counter()
    read_and_write_plainly(source, tmp_path / "synced", is_synced=True)
    synced_s = time.perf_counter() - begun
    resources = {"home": HomeResource(root=str(home.root)), "compute": Compute()}
    place = Place(batch="map-1", aliquot="end")
    with dg.DagsterInstance.ephemeral() as instance:
        register_batch(instance, "map-1")
        begun = time.perf_counter()
        assert dg.materialize([intake], instance=instance, resources=resources, partition_key="map-1").success
        intake_s = time.perf_counter() - begun
        key = sample_key(place)
        chain = [intake, manifest, micrographs]
        assert dg.materialize(
            chain, selection=[manifest, micrographs], instance=instance, resources=resources, partition_key=key
        ).success
        whole_s = time.perf_counter() - begun

    record_property("ratio_of_intake", intake_s / plain_s)
    record_property("ratio_of_intake_to_synced", intake_s / synced_s)
    record_property("ratio_of_all", whole_s / plain_s)
    print(
        f"{N_FRAMES} frames: rosettasciio reading and writing {plain_s:.1f} s, each file synced {synced_s:.1f} s; "
        f"intake {intake_s:.1f} s ({intake_s / plain_s:.2f} x, {intake_s / synced_s:.2f} x); "
        f"to despiked micrographs {whole_s:.1f} s ({whole_s / plain_s:.2f} x); "
        f"memory {before_mb:.0f} to {peak_mb():.0f} MB"
    )
