"""Writing simulated images in the formats of microscopes, so that they enter as measured ones do.

The same values give the same bytes: no file carries the time at which it was written.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import mrcfile
import numpy as np
import tifffile
import yaml
from jaxtyping import Float, Int
from PIL import Image

from nanodefect_assets.domain.batch_spec import BatchSpec
from nanodefect_assets.domain.structure import Structure
from nanodefect_assets.stores.files import write_atomically

_MRC_LABEL = b"Simulated by nanodefect_assets"
_FEI_TAG = 34682
_NM_TO_ANGSTROM, _PER_NM2_TO_PER_ANGSTROM2 = 10.0, 0.01


def write_tiff(path: Path, counts: Float[np.ndarray, "row col"], *, pixel_size_nm: float) -> None:
    """Write a TIFF as ImageJ does, with its calibration."""
    resolution = (1 / pixel_size_nm, 1 / pixel_size_nm)
    tifffile.imwrite(path, counts.astype(np.float32), imagej=True, resolution=resolution, metadata={"unit": "nm"})


def write_sem_tiff(
    path: Path, counts: Float[np.ndarray, "row col"], *, pixel_size_nm: float, voltage_kv: float
) -> None:
    """Write a scanning micrograph as Thermo Fisher's microscopes do: 16 bits, calibration in a section of its own."""
    n_rows, n_cols = counts.shape
    edge_m = 1e-9 * pixel_size_nm
    sections = {
        "User": {"UserText": "Simulated by nanodefect_assets"},
        "Beam": {"HV": f"{1000 * voltage_kv:g}"},
        "Scan": {"PixelWidth": f"{edge_m:.9g}", "PixelHeight": f"{edge_m:.9g}"},
        "Image": {"ResolutionX": n_cols, "ResolutionY": n_rows},
    }
    lines = [
        line
        for name, values in sections.items()
        for line in (f"[{name}]", *(f"{key}={value}" for key, value in values.items()), "")
    ]
    clipped = np.clip(np.rint(counts), 0, np.iinfo(np.uint16).max).astype(np.uint16)
    tifffile.imwrite(path, clipped, extratags=[(_FEI_TAG, "s", 0, "\r\n".join(lines) + "\r\n", True)])


def write_mrc(path: Path, counts: Float[np.ndarray, "*frame row col"], *, pixel_size_nm: float) -> None:
    """Write an image or a stack as MRC; first rows are bottoms of images, by that format's convention.

    Whole numbers that fit go into 16 bits, all others into 32.
    """
    fits = counts.min() >= 0 and counts.max() <= np.iinfo(np.uint16).max and np.array_equal(counts, np.rint(counts))
    upside_down = np.ascontiguousarray(counts[..., ::-1, :], dtype=np.uint16 if fits else np.float32)
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(upside_down)
        if counts.ndim == 3:
            file.set_image_stack()
        file.voxel_size = _NM_TO_ANGSTROM * pixel_size_nm
        file.header.label[0] = _MRC_LABEL


def write_tilt_series(
    path: Path,
    frames: Float[np.ndarray, "tilt row col"],
    tilts_deg: Float[np.ndarray, " tilt"],
    *,
    pixel_size_nm: float,
    voltage_kv: float,
    dose_e_per_nm2: float,
) -> None:
    """Write a tilt series as SerialEM and IMOD do: an MRC stack, its ``.rawtlt`` and its ``.mrc.mdoc``.

    Parameters
    ----------
    path : Path
        The MRC file; the others lie beside it.
    frames : ndarray of shape (tilt, row, col)
        Counts, row 0 at the top.
    tilts_deg : ndarray of shape (tilt,)
        Nominal angle of each frame.
    pixel_size_nm, voltage_kv, dose_e_per_nm2 : float
        Edge of a pixel, acceleration voltage, dose of each frame.
    """
    if len(tilts_deg) != len(frames):
        raise ValueError(f"Expected an angle for each of {len(frames)} frames. Got {len(tilts_deg)}.")
    write_mrc(path, frames, pixel_size_nm=pixel_size_nm)
    path.with_suffix(".rawtlt").write_text("".join(f"{tilt:.4f}\n" for tilt in tilts_deg))
    spacing = f"PixelSpacing = {_NM_TO_ANGSTROM * pixel_size_nm:.6g}"
    size = f"ImageSize = {frames.shape[2]} {frames.shape[1]}"
    dose = f"ExposureDose = {_PER_NM2_TO_PER_ANGSTROM2 * dose_e_per_nm2:.6g}"
    head = f"{spacing}\n{size}\nImageFile = {path.name}\nVoltage = {voltage_kv:g}\n\n[T = Simulated]\n"
    sections = [f"\n[ZValue = {at}]\nTiltAngle = {tilt:.4f}\n{spacing}\n{dose}\n" for at, tilt in enumerate(tilts_deg)]
    path.with_name(path.name + ".mdoc").write_text(head + "".join(sections))


def write_labels(path: Path, labels: Int[np.ndarray, "row col"]) -> None:
    """Write a label image as PNG of 16 bits."""
    if labels.max() > np.iinfo(np.uint16).max:
        raise ValueError(f"Expected at most {np.iinfo(np.uint16).max} labels. Got {labels.max()}.")
    Image.fromarray(labels.astype(np.uint16)).save(path)


def write_coordinates(path: Path, structure: Structure) -> None:
    """Write the atoms of a structure as extended xyz, in angstrom, with grain, layer and defect of each."""
    from ase import Atoms
    from ase.io import write

    atoms = Atoms(structure.species.tolist(), positions=structure.positions_angstrom)
    for name in ("grain", "layer_kind", "defect"):
        atoms.set_array(name, getattr(structure, name))
    atoms.info.update(kind=structure.kind, is_simulated=True)
    write(path, atoms, format="extxyz")


def write_particle_truth(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write what was planted as CSV, a row for each particle; columns are those of the first row."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_json_truth(path: Path, planted: Mapping[str, object]) -> None:
    """Write planted numbers and arrays as JSON, arrays as nested lists."""
    plain = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in planted.items()}
    path.write_text(json.dumps(plain, indent=1) + "\n")


def write_batch_yaml(folder: Path, description: Mapping[str, object]) -> None:
    """Write the batch.yaml of a simulated batch: the last file, complete at once.

    Raises
    ------
    ValidationError
        If the door would not understand it.
    """
    BatchSpec.model_validate(description)
    text = yaml.safe_dump(dict(description), sort_keys=False, allow_unicode=True, width=120)
    write_atomically(folder / "batch.yaml", text.encode())
