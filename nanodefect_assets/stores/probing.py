"""Reading the header of a file as batch.yaml says that it is to be read."""

from collections.abc import Callable
from pathlib import Path

from nanodefect_assets.domain.batch_spec import FileEntry
from nanodefect_assets.domain.lengths import angstrom_per_unit
from nanodefect_assets.domain.rawfile import RawFacts
from nanodefect_assets.domain.refusal import Refusal, shortened

Probe = Callable[[Path, FileEntry], RawFacts]
"""What tells the facts of a file whose entry is given; raises `Refusal` for what cannot be read."""

TABLE_ENDINGS = (".csv", ".tsv")
"""How tables of the classes of particles end."""

_LARGEST_ANGLE_FILE = 1_000_000


def probe_entry(path: Path, entry: FileEntry) -> RawFacts:
    """Return the facts of a file, read as its entry in batch.yaml says."""
    from nanodefect_assets.stores.raw.read import facts_of_atoms, probe_file, read_coordinates, read_frames

    if entry.modality == "labels" and path.suffix.lower() in TABLE_ENDINGS:
        return _facts_of_table(path)
    if entry.modality == "labels":
        facts = probe_file(path, entry.modality, row_order=entry.row_order)
        if facts.kind == "image":
            _check_labels(path, entry)
        return facts
    if entry.modality != "coordinates" or entry.length_unit is None:
        facts = probe_file(path, entry.modality, row_order=entry.row_order)
        if facts.kind == "image" and facts.n_samples > 1:
            next(read_frames(path, entry.modality))  # refuses colours: no header tells whether they are equal
        return facts
    atoms = read_coordinates(path, scale_angstrom_per_unit=angstrom_per_unit(entry.length_unit))
    return facts_of_atoms(path, atoms)


def _check_labels(path: Path, entry: FileEntry) -> None:
    from nanodefect_assets.stores.labels import check_drawn, read_label_image

    drawn = read_label_image(path)
    check_drawn(drawn, path.name)


def _facts_of_table(path: Path) -> RawFacts:
    from nanodefect_assets.stores.labels import read_particle_classes

    n_rows, n_cols = read_particle_classes(path).shape
    return RawFacts(format="table", kind="particle_table", shape=(n_rows, n_cols), dtype="text")


def check_readable(path: Path) -> None:
    """Refuse a file that may not be opened."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise Refusal(
            "unreadable",
            expected="a file that may be read",
            got=error.strerror or "an error of the file system",
            advice="Give the user who runs Dagster the right to read it, for example chmod a+r.",
        ) from error


def read_tilt_angles(path: Path | None, name: str) -> tuple[float, ...]:
    """Return the angles of a text file, in degrees, one a line.

    Parameters
    ----------
    path : Path or None
        The file; None if there is none that can be accepted.
    name : str
        What batch.yaml calls it.

    Raises
    ------
    Refusal
        If it is not there or holds anything else.
    """
    expected = f"one angle of -360 to 360 degrees on each line of {name}"
    if path is None:
        raise Refusal("bad_tilt_angles", expected=expected, got="no such file, or one that cannot be accepted")
    try:
        with path.open("rb") as reader:
            angles_deg = tuple(float(line) for line in reader.read(_LARGEST_ANGLE_FILE).decode().split())
    except (OSError, ValueError) as error:
        raise Refusal("bad_tilt_angles", expected=expected, got=shortened(str(error), 100)) from error
    if not angles_deg or not all(abs(angle_deg) <= 360 for angle_deg in angles_deg):
        raise Refusal("bad_tilt_angles", expected=expected, got="others, or none")
    return angles_deg
