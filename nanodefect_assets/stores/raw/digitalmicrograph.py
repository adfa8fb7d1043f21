"""DigitalMicrograph 3 and 4, through rosettasciio; rows are stored from the top.

A file holds a list of images and the thumbnail that rosettasciio leaves out; spectra beside the image are left aside. An
axis of frames that is calibrated in degrees is the tilt of each frame.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nanodefect_assets.domain.manifest import Acquisition
from nanodefect_assets.domain.rawfile import RawFacts
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.limits import check_dimensions, check_pixel_type
from nanodefect_assets.stores.raw.opened import Opened, angle, positive, to_native
from nanodefect_assets.stores.raw.sidecars import read_sidecars
from nanodefect_assets.stores.raw.tilts import choose_tilts
from nanodefect_assets.stores.raw.units import pixel_size_nm

_BLOCK_BYTES = 32 * 2**20
_DEGREES = {"deg", "°", "degree", "degrees"}
_MICROSCOPE = "Acquisition_instrument.TEM."
_WANTED = {
    "voltage_kv": _MICROSCOPE + "beam_energy",
    "magnification": _MICROSCOPE + "magnification",
    "exposure_s": _MICROSCOPE + "Detector.Camera.exposure",
}
_STAGE_TILT = _MICROSCOPE + "Stage.tilt_alpha"


@contextmanager
def open_digitalmicrograph(path: Path) -> Iterator[Opened]:
    """Open a DM3 or DM4 file; its tags are parsed, no pixel is read."""
    from rsciio.digitalmicrograph import file_reader

    signal = _the_image(file_reader(str(path), lazy=True))
    data = signal["data"]
    n_frames = data.shape[0] if data.ndim == 3 else 1
    check_dimensions(n_frames, *data.shape[-2:])
    check_pixel_type(data.dtype)
    yield Opened(facts=_facts_of(path, signal, n_frames), frames=partial(_frames, data))


def _the_image(signals: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the one signal that is an image or a stack of images."""
    images = [signal for signal in signals if signal["data"].ndim >= 2]
    if len(images) != 1:
        raise Refusal(
            "several_images" if images else "not_an_image",
            expected="one image or one stack",
            got=f"{len(images)} images and {len(signals) - len(images)} spectra",
            advice="Save the image as a file of its own.",
        )
    axes = images[0]["axes"]
    if images[0]["data"].ndim > 3 or any(axis["navigate"] for axis in axes[-2:]):
        raise Refusal(
            "too_many_axes",
            expected="an image (row, col) or a stack (frame, row, col)",
            got=f"shape {images[0]['data'].shape}: a spectrum image or a scan of patterns",
            advice="Drop the image that was taken with it.",
        )
    return images[0]


def _facts_of(path: Path, signal: dict[str, Any], n_frames: int) -> RawFacts:
    rows, cols = signal["axes"][-2:]
    data = signal["data"]
    size_nm = pixel_size_nm(rows["scale"], cols["scale"], rows["units"], cols["units"])
    own = _tilts_of_axis(signal["axes"][0]) if data.ndim == 3 else None
    tilts = choose_tilts(n_frames, beside=read_sidecars(path).tilts, own=own, own_source="calibration of its frames")
    mapped = mapped_metadata(signal)
    stated = {name: positive(mapped.get(target)) for name, target in _WANTED.items()}
    stage_deg = angle(mapped.get(_STAGE_TILT)) if tilts.single_deg is None else tilts.single_deg
    kind = "tilt_series" if tilts.angles_deg else "image_stack" if data.ndim == 3 else "image"
    return RawFacts(
        format=path.suffix[1:].upper(),
        kind=kind,
        shape=tuple(int(n) for n in data.shape),
        dtype=data.dtype.newbyteorder("=").name,
        acquisition=Acquisition(
            pixel_size_nm=size_nm, stage_tilt_deg=None if tilts.angles_deg else stage_deg, **stated
        ),
        tilt_angles_deg=tilts.angles_deg,
        notes=tilts.notes,
    )


def _tilts_of_axis(axis: dict[str, Any]) -> tuple[float, ...] | None:
    """Return the angle of each frame if the axis of frames is one of degrees."""
    if str(axis["units"]).strip().lower() not in _DEGREES:
        return None
    angles_deg = axis["offset"] + axis["scale"] * np.arange(axis["size"])
    return tuple(angles_deg.tolist()) if np.all(np.abs(angles_deg) <= 180) else None


def mapped_metadata(signal: dict[str, Any]) -> dict[str, Any]:
    """Return what rosettasciio's mapping finds in the original metadata, under the names that it gives to it."""
    found = {}
    wanted = {*_WANTED.values(), _STAGE_TILT}
    for source, target in signal.get("mapping", {}).items():
        if target is None or target[0] not in wanted:
            continue
        value = _walk(signal["original_metadata"], source.split("."))
        if value is not None:
            found[target[0]] = target[1](value) if target[1] is not None else value
    return found


def _walk(tree: Any, keys: list[str]) -> Any:
    for key in keys:
        tree = tree.get(key) if hasattr(tree, "get") else None
    return tree


def _frames(data: Any) -> Iterator[np.ndarray]:
    """Yield the frames of a lazy array, some tens of megabytes read at once."""
    if data.ndim == 2:
        yield to_native(data.compute(scheduler="synchronous"))
        return
    step = max(1, _BLOCK_BYTES // max(1, data[0].nbytes))
    for start in range(0, data.shape[0], step):
        block = data[start : start + step].compute(scheduler="synchronous")
        yield from (to_native(np.array(frame)) for frame in block)
