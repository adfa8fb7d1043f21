import mrcfile
import numpy as np
import pytest

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.volume import Volume
from nanodefect_assets.stores.arrays import ArraysReader, ArraysWriter
from nanodefect_assets.stores.volumes import VOLUMES, add_volume, read_volume, write_mrc_volume


@pytest.fixture
def volume(rng):
    return Volume(values=rng.random((4, 5, 6), dtype=np.float32), voxel_size_angstrom=0.35)


def test_a_volume_comes_back_with_its_voxel_size(tmp_path, volume):
    writer = ArraysWriter(tmp_path / "volumes.zarr", VOLUMES)
    add_volume(writer, "b/end/a.mrc", volume, is_simulated=True)
    add_volume(writer, "b/end/b.mrc", Volume(values=volume.values, voxel_size_angstrom=None), is_simulated=False)
    writer.add("b/end/c.mrc", volume.values, axes="x y z")

    reader = ArraysReader(tmp_path / "volumes.zarr", VOLUMES)

    np.testing.assert_array_equal(read_volume(reader, "b/end/a.mrc").values, volume.values)
    assert read_volume(reader, "b/end/a.mrc").voxel_size_angstrom == 0.35
    assert read_volume(reader, "b/end/b.mrc").voxel_size_angstrom is None
    with pytest.raises(Refusal, match="axes"):
        read_volume(reader, "b/end/c.mrc")


def test_an_mrc_keeps_the_hand(tmp_path, volume):
    """It is turned, not mirrored: two axes are reversed, in ours as in what is read."""
    write_mrc_volume(tmp_path / "a.mrc", volume)

    with mrcfile.open(tmp_path / "a.mrc") as file:
        assert file.is_volume()
        np.testing.assert_array_equal(file.data, volume.values[::-1, ::-1])
        assert float(file.voxel_size.x) == pytest.approx(0.35)
