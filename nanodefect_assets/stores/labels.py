"""What people say about micrographs: label images drawn by hand, and tables of particle classes."""

from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int

from nanodefect_assets.domain.refusal import Refusal, shortened
from nanodefect_assets.stores.raw.boundary import refusing_damage
from nanodefect_assets.stores.raw.detect import check_regular, detect_format
from nanodefect_assets.stores.raw.limits import check_dimensions, check_expansion, check_fits, frame_bytes

MOST_COLOURS = 64
"""Distinct colours in a coloured label picture; more means that it is a photograph or was smoothed."""

FEW_VALUES = 32
MOST_PIECES_A_VALUE = 8
"""More values than `FEW_VALUES`, in more connected pieces a value than this, are grey levels and no labels."""


MOST_TABLE_BYTES = 256 * 2**20
_FORMATS = {"png": "PNG", "tiff": "TIFF"}
_COLUMN_NAMES = {
    "micrograph": "micrograph",
    "image": "micrograph",
    "file": "micrograph",
    "filename": "micrograph",
    "particle": "label",
    "label": "label",
    "particle_id": "label",
    "row": "row_px",
    "row_px": "row_px",
    "y": "row_px",
    "col": "col_px",
    "col_px": "col_px",
    "column": "col_px",
    "x": "col_px",
    "class": "class_name",
    "class_name": "class_name",
}
"""Names that people give to the columns of a table of classes, and ours."""


def read_label_image(path: Path) -> Int[np.ndarray, "row col"]:
    """Read a picture in which every pixel says what it belongs to.

    Parameters
    ----------
    path : Path
        PNG or TIFF. Black and white, class numbers and particle numbers are taken as they are; a palette (MATLAB's
        image labeler, indexed PNG) gives its indices.

    Returns
    -------
    ndarray of shape (row, col)
        Numbers from 0, as in the file: a mask may be of 0 and 1 or of 0 and 255. In a coloured picture the colours are
        numbered in order of their (red, green, blue): black is 0.

    Raises
    ------
    Refusal
        If it is no such picture: more than 64 colours, numbers that are not whole, or values below 0.
    """
    with refusing_damage(path):
        name = detect_format(path)
        if name not in _FORMATS:
            raise Refusal("not_a_label_image", expected="labels as PNG or TIFF", got=name, file=path.name)
        values = _read_tiff(path) if name == "tiff" else _read_png(path)
        return _numbered(values)


def check_drawn(labels: Int[np.ndarray, "row col"], name: str = "") -> None:
    """Refuse a micrograph, or a smoothed mask, that was given for a mask drawn by hand; `name` is the file to blame.

    A mask of few values may have any number of pieces; where every particle has its own value, as in napari, each value
    is one piece or a few. Grey levels are many and lie scattered: beyond 32 values above 0, more than eight connected
    pieces for each are refused.
    """
    from skimage.measure import label

    n_values = int(np.count_nonzero(np.unique(labels)))
    if n_values <= FEW_VALUES:
        return
    n_pieces = int(label(labels, background=0, connectivity=2, return_num=True)[1])
    if n_pieces > MOST_PIECES_A_VALUE * n_values:
        raise Refusal(
            "not_a_mask",
            expected="one value for each class, or for each particle",
            got=f"{n_values} values in {n_pieces} scattered pieces, as grey levels are",
            file=name,
            advice="Give the mask itself, not the micrograph, and save it as PNG or TIFF without smoothing.",
        )


def read_particle_classes(path: Path) -> pd.DataFrame:
    """Read a CSV of the classes that a person gave to particles.

    Parameters
    ----------
    path : Path
        Table with a header: ``micrograph``, ``class``, and either ``particle`` (its number in a label image) or
        ``row`` and ``col`` (a place inside it, in pixels). Comma, semicolon and tab are understood.

    Returns
    -------
    DataFrame
        Columns ``micrograph`` and ``class_name`` (text) and ``label`` (whole numbers) or ``row_px`` and ``col_px``
        (numbers); a row for each particle.
    """
    with refusing_damage(path):
        check_regular(path)
        if path.stat().st_size > MOST_TABLE_BYTES:
            raise Refusal("absurd_size", expected=f"at most {MOST_TABLE_BYTES:,} bytes", got="more", file=path.name)
        table = _read_table(path)
        missing = table[["micrograph", "class_name"]].isna().any(axis=1) | (table["class_name"].str.strip() == "")
        if missing.any():
            raise Refusal(
                "incomplete_row",
                expected="a micrograph and a class in every row",
                got=f"none in line {int(np.flatnonzero(missing)[0]) + 2}",
                advice="Fill in the class or take the row out.",
            )
        return _with_places(table)


def _read_png(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path, formats=["PNG"]) as image:
        n_cols, n_rows = image.size
        check_dimensions(1, n_rows, n_cols)
        check_expansion(n_rows * n_cols * len(image.getbands()), path.stat().st_size)
        return np.array(image)


def _read_tiff(path: Path) -> np.ndarray:
    """Read the one page of a TIFF; palettes give their indices."""
    import tifffile

    with tifffile.TiffFile(path, _multifile=False, is_ome=False) as tiff:
        page = tiff.pages.first
        shape = tuple(n for n in tiff.series[0].shape if n > 1)
        if len(tiff.pages) != 1 or len(page.shape) > 3 or len(shape) > 3:
            raise Refusal("not_a_label_image", expected="one page", got=f"shape {tiff.series[0].shape}")
        check_dimensions(1, page.imagelength, page.imagewidth)
        stored = sum(page.databytecounts)
        check_fits(stored, path.stat().st_size)
        check_expansion(frame_bytes(page.shape, np.dtype(page.dtype)), stored)
        if page.compression in (1, 8, 32773, 32946):
            return np.squeeze(page.asarray(maxworkers=1))
    from PIL import Image

    with Image.open(path, formats=["TIFF"]) as image:
        return np.array(image)


def _numbered(values: np.ndarray) -> np.ndarray:
    """Return class or particle numbers from what a picture holds."""
    if values.ndim == 3:
        values = _colours_numbered(values)
    if values.ndim != 2:
        raise Refusal("not_a_label_image", expected="a picture (row, col)", got=f"shape {values.shape}")
    numbers = values.astype(np.int64)
    if (values.dtype.kind == "f" and not np.array_equal(numbers, values)) or numbers.min() < 0:
        raise Refusal(
            "not_a_label_image",
            expected="whole numbers from 0, one for each class or particle",
            got=f"values from {values.min()} to {values.max()}",
            advice="Export the labels as they are, not as probabilities or as a smoothed picture.",
        )
    return numbers


def _colours_numbered(values: np.ndarray) -> np.ndarray:
    """Return one number a colour, in the order of (red, green, blue); opacity is left aside."""
    if values.shape[-1] not in (2, 3, 4) or values.dtype != np.uint8:
        raise Refusal("not_a_label_image", expected="red, green and blue of 8 bits", got=f"shape {values.shape}")
    colours = values[..., :3] if values.shape[-1] > 2 else values[..., :1]
    if all(np.array_equal(colours[..., 0], colours[..., index]) for index in range(1, colours.shape[-1])):
        return colours[..., 0]
    red, green, blue = (colours[..., index].astype(np.int64) for index in range(3))
    present, numbers = np.unique(red << 16 | green << 8 | blue, return_inverse=True)
    if len(present) > MOST_COLOURS:
        raise Refusal(
            "too_many_colours",
            expected=f"at most {MOST_COLOURS} colours, one for each class",
            got=f"{len(present)}",
            advice="Export the labels without smoothing, as PNG, not as JPEG or as an overlay on the image.",
        )
    return numbers.reshape(red.shape)


def _read_table(path: Path) -> pd.DataFrame:
    """Read the text columns under our names."""
    table = pd.read_csv(path, sep=None, engine="python", dtype=str, skipinitialspace=True, encoding="utf-8-sig")
    table = table.rename(columns=lambda name: _COLUMN_NAMES.get(str(name).strip().lower(), str(name)))
    present = set(table.columns)
    is_placed = "label" in present or {"row_px", "col_px"} <= present
    if not {"micrograph", "class_name"} <= present or not is_placed or len(present) != len(table.columns):
        raise Refusal(
            "missing_column",
            expected="the columns micrograph, class and either particle or row and col, each once",
            got=shortened(", ".join(map(str, table.columns)), 200),
            advice="Name the columns so in the first line.",
        )
    return table


def _with_places(table: pd.DataFrame) -> pd.DataFrame:
    """Turn the text that says which particle is meant into numbers."""
    places = ["label"] if "label" in table else ["row_px", "col_px"]
    numbers = table[places].apply(pd.to_numeric, errors="coerce").astype(float)
    is_whole = (numbers % 1 == 0).all(axis=1) if places == ["label"] else True
    bad = ~(np.isfinite(numbers) & (numbers >= 0)).all(axis=1) | ~np.asarray(is_whole)
    if bad.any():
        line = int(np.flatnonzero(bad)[0])
        raise Refusal(
            "bad_place",
            expected="the number of a particle" if places == ["label"] else "row and col in pixels, from 0",
            got=f"{table[places].iloc[line].tolist()} in line {line + 2}",
        )
    if places == ["label"]:
        numbers = numbers.astype(np.int64)
    texts = table[["micrograph", "class_name"]].apply(lambda column: column.str.strip())
    return pd.concat([texts, numbers], axis=1)
