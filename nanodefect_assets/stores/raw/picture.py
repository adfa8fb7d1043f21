"""PNG and JPEG, through Pillow: pictures, always without a calibration; rows from the top."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from nanodefect_assets.domain.rawfile import RawFacts
from nanodefect_assets.domain.refusal import Refusal, shortened
from nanodefect_assets.stores.raw.grey import grey
from nanodefect_assets.stores.raw.limits import check_dimensions, check_expansion, frame_bytes
from nanodefect_assets.stores.raw.opened import Opened, to_native

_TYPES = {"1": "bool", "I;16": "uint16", "I;16B": "uint16", "I": "int32", "F": "float32"}
_SHOWN_AS_RGB = ("P", "PA", "CMYK", "YCbCr")
_UPRIGHT = (None, 1)
_ORIENTATION = 0x0112


@contextmanager
def open_picture(path: Path) -> Iterator[Opened]:
    """Open a PNG or JPEG; the header is read, no pixel is."""
    with _opened(path) as image:
        n_cols, n_rows = image.size
        check_dimensions(1, n_rows, n_cols)
        dtype = np.dtype(_TYPES.get(image.mode, "uint8"))
        check_expansion(frame_bytes((n_rows, n_cols, len(image.getbands())), dtype), path.stat().st_size)
        if image.getexif().get(_ORIENTATION) not in _UPRIGHT:
            raise Refusal(
                "turned_image",
                expected="a picture whose first row is its top",
                got=f"the Exif orientation {image.getexif()[_ORIENTATION]}",
                advice="Save the picture upright: a mirrored image would invert every handedness.",
            )
        facts = RawFacts(
            format=str(image.format),
            kind="image",
            shape=(n_rows, n_cols),
            dtype=dtype.name,
            n_samples=3 if image.mode in _SHOWN_AS_RGB else len(image.getbands()),
        )
        yield Opened(
            facts=facts,
            frames=lambda: iter((_pixels(image),)),
        )


def _opened(path: Path) -> Image.Image:
    try:
        return Image.open(path, formats=["PNG", "JPEG"])
    except Image.DecompressionBombError as error:
        raise Refusal(
            "absurd_dimensions",
            expected="a picture of less than 180 million pixels",
            got=shortened(str(error), 100),
            advice="Export the image as TIFF, or cut it into tiles.",
        ) from error


def _pixels(image: Image.Image) -> np.ndarray:
    """Return grey values, with a palette applied; CMYK has no grey."""
    shown = image.convert("RGB") if image.mode in _SHOWN_AS_RGB else image
    return to_native(np.array(grey(np.asarray(shown))))
