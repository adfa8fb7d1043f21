import hashlib
import shutil
import time

import pytest
import tifffile

from nanodefect_assets.stores.intake import accept_batch

YAML = "batch: pd-1\nfiles: [{path: '*.tif', modality: hrtem, pixel_size_nm: 0.1}]\n"


def write_batch(folder, n_files, shape, rng):
    folder.mkdir()
    for number in range(n_files):
        tifffile.imwrite(folder / f"{number}.tif", rng.integers(0, 65_535, shape).astype("uint16"))
    (folder / "batch.yaml").write_text(YAML)


def copy_plainly(source, target):
    target.mkdir()
    for path in source.iterdir():
        shutil.copy(path, target / path.name)
        hashlib.sha256((target / path.name).read_bytes()).hexdigest()


def seconds(work, *arguments):
    begun_s = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - begun_s


@pytest.mark.benchmark
@pytest.mark.parametrize(("n_files", "shape", "limit"), [(200, (1250, 1000), 3.0), (1200, (48, 48), 15.0)])
def test_intake_against_a_plain_copy(home, tmp_path, rng, n_files, shape, limit, record_property):
    """Small files cost reading their headers and bringing each to the disk; large ones little more than the copy."""
    source = home.landing / "pd-1"
    write_batch(source, n_files, shape, rng)
    plain_s = seconds(copy_plainly, source, tmp_path / "plain")
    first_s = seconds(accept_batch, home, source)
    again_s = seconds(accept_batch, home, source)

    record_property("ratio", first_s / plain_s)
    print(f"{n_files} files of {shape}: plain {plain_s:.2f} s, intake {first_s:.2f} s, again {again_s:.2f} s")
    assert first_s < limit * plain_s
    assert again_s < first_s
