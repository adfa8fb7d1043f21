import numpy as np
import pytest
from PIL import Image

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.read import read_image


@pytest.fixture
def image(rng):
    return rng.integers(0, 255, (40, 50)).astype(np.uint8)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("n_channels", [3, 4])
def test_grey_saved_as_colours_is_read_as_it_was(name, n_channels, image, tmp_path):
    channels = np.repeat(image[..., None], n_channels, axis=-1)
    channels[..., 3:] = 255
    Image.fromarray(channels).save(tmp_path / name)

    np.testing.assert_array_equal(read_image(tmp_path / name), image)


@pytest.mark.parametrize(
    ("rows", "share", "advice"), [(4, "10.00%", "under a drawing is lost"), (40, "100.00%", "a colour map does")]
)
def test_drawings_and_colour_maps_are_refused_with_what_to_do(rows, share, advice, image, tmp_path):
    colours = np.repeat(image[..., None], 3, axis=-1)
    colours[:rows, :, 2] += 1

    Image.fromarray(colours).save(tmp_path / "a.png")

    with pytest.raises(Refusal, match="red, green and blue differ") as refused:
        read_image(tmp_path / "a.png")
    for said in (share, advice, "TIFF or MRC of one grey channel", "a.png"):
        assert said in str(refused.value)
