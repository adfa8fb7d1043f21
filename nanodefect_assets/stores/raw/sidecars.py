"""Files that lie beside an image file and belong to it: tilt angles (``.rawtlt``, ``.tlt``) and SerialEM's ``.mdoc``.

For ``a.mrc`` these are ``a.rawtlt``, ``a.tlt``, ``a.mrc.mdoc`` and ``a.mdoc``, the first of each kind that is there.
A ``.rawtlt`` goes before the angles in an ``.mdoc``.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from nanodefect_assets.domain.refusal import Refusal, shortened
from nanodefect_assets.stores.raw.opened import angle, positive, stage_position, times
from nanodefect_assets.stores.raw.tilts import StatedTilts, check_angles
from nanodefect_assets.stores.raw.units import pixel_size_nm

_LARGEST_BYTES = 32 * 2**20
_PER_ANGSTROM2_TO_PER_NM2 = 100.0
_SECTION = re.compile(r"^\[(?:ZValue|FrameSet)\s*=\s*(\d{1,9})\]", re.MULTILINE)
_ENTRY = re.compile(r"^(\w+) = (.*?)\s*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Sidecars:
    """What the files beside an image file say.

    Attributes
    ----------
    tilts : StatedTilts or None
        Stage tilts, and the file that states them.
    source : str
        Name of the mdoc; empty if there is none.
    pixel_size_nm, image_shape : float or None, tuple of int or None
        Pixel size in the mdoc, and the (row, col) shape of the image that it is of.
    acquisition : dict
        What else the mdoc says, under the names of `Acquisition`.
    """

    tilts: StatedTilts | None = None
    source: str = ""
    pixel_size_nm: float | None = None
    image_shape: tuple[int, int] | None = None
    acquisition: dict[str, float] = field(default_factory=dict)


def read_sidecars(path: Path) -> Sidecars:
    """Read the files that belong to the image file `path`."""
    angle_file = _first(path.with_suffix(".rawtlt"), path.with_suffix(".tlt"))
    mdoc = _first(path.with_name(path.name + ".mdoc"), path.with_suffix(".mdoc"))
    found = _read_mdoc(mdoc) if mdoc else Sidecars()
    if angle_file is None:
        return found
    return Sidecars(
        tilts=_read_angles(angle_file),
        source=found.source,
        pixel_size_nm=found.pixel_size_nm,
        image_shape=found.image_shape,
        acquisition=found.acquisition,
    )


def _first(*candidates: Path) -> Path | None:
    return next((path for path in candidates if path.is_file()), None)


def _text(path: Path) -> str:
    if path.stat().st_size > _LARGEST_BYTES:
        raise Refusal("absurd_size", expected=f"at most {_LARGEST_BYTES:,} bytes", got="more", file=path.name)
    return path.read_bytes().decode("latin-1")


def _read_angles(path: Path) -> StatedTilts:
    """Read one angle a line, in degrees."""
    try:
        angles_deg = tuple(float(line) for line in _text(path).splitlines() if line.strip())
    except ValueError as error:
        raise Refusal(
            "bad_tilt_angles",
            expected="one angle in degrees on each line",
            got=shortened(str(error), 100),
            file=path.name,
            advice=f"Mend {path.name}.",
        ) from error
    return check_angles(angles_deg, path.name)


def _read_mdoc(path: Path) -> Sidecars:
    """Read SerialEM's text: entries of the whole file, then a section for every frame.

    Sections come in the order of acquisition; their ``ZValue`` is the place of the frame in the image file.
    """
    text = _text(path)
    head, *rest = _SECTION.split(text)
    numbered = sorted(zip(map(int, rest[::2]), rest[1::2], strict=True), key=lambda pair: pair[0])
    sections = [dict(_ENTRY.findall(body)) for _, body in numbered]
    general = dict(_ENTRY.findall(head))
    first = {**general, **(sections[0] if sections else {})}
    spacing = float(first["PixelSpacing"]) if "PixelSpacing" in first else 0.0
    stated = {
        "voltage_kv": positive(first.get("Voltage")),
        "magnification": positive(first.get("Magnification")),
        "exposure_s": positive(first.get("ExposureTime")),
        "dose_e_per_nm2": times(positive(first.get("ExposureDose")), _PER_ANGSTROM2_TO_PER_NM2),
        "tilt_axis_deg": _tilt_axis(text),
    }
    return Sidecars(
        tilts=_tilts_of(sections, path.name),
        source=path.name,
        pixel_size_nm=pixel_size_nm(spacing, spacing, "angstrom"),
        image_shape=_shape_of(first.get("ImageSize", "")),
        acquisition={name: value for name, value in stated.items() if value is not None} | _position(sections),
    )


def _position(sections: list[dict[str, str]]) -> dict[str, float]:
    """Return the stage position of a single image, which SerialEM has in micrometres; frames have one each."""
    numbers = sections[0].get("StagePosition", "").split() if len(sections) == 1 else []
    return stage_position(numbers[0], numbers[1], 1e3) if len(numbers) == 2 else {}


def _tilts_of(sections: list[dict[str, str]], source: str) -> StatedTilts | None:
    """Return the tilts of the frames in the order of the image file; None if no frame has one."""
    angles = [float(section["TiltAngle"]) for section in sections if "TiltAngle" in section]
    return check_angles(tuple(angles), source) if angles else None


def _tilt_axis(text: str) -> float | None:
    match = re.search(r"Tilt axis angle = *(-?\d+\.?\d*)", text)
    return angle(match[1]) if match else None


def _shape_of(text: str) -> tuple[int, int] | None:
    """Return (row, col) of ``ImageSize``, which states columns first."""
    numbers = [int(number) for number in re.findall(r"\d{1,9}", text)[:2]]
    return (numbers[1], numbers[0]) if len(numbers) == 2 else None
