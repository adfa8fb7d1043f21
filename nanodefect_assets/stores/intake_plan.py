"""What would be accepted of a batch and what refused, found without writing anything."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from nanodefect_assets.domain.batch_spec import BatchSpec, FileEntry
from nanodefect_assets.domain.calibration import Agreed, agree
from nanodefect_assets.domain.keys import aliquot_label
from nanodefect_assets.domain.label_pairs import Micrographs
from nanodefect_assets.domain.manifest import ManifestFile, MapPlace, RefusedFile
from nanodefect_assets.domain.map_fit import MapTile, misfits
from nanodefect_assets.domain.micrograph import MODALITIES
from nanodefect_assets.domain.progress import OnStep, Progress, ignore_progress
from nanodefect_assets.domain.rawfile import RawFacts
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.domain.tile_position import place_tile
from nanodefect_assets.stores.intake_companions import without_lonely
from nanodefect_assets.stores.intake_names import SortedNames, find_sidecar, sort_names
from nanodefect_assets.stores.intake_positions import TablePositions, read_positions, unclaimed_rows
from nanodefect_assets.stores.landing import LandedFile, Survey
from nanodefect_assets.stores.probing import Probe, check_readable, probe_entry, read_tilt_angles

_KINDS: dict[str, tuple[str, ...]] = {
    "hrtem": ("image", "image_stack"),
    "hrstem": ("image", "image_stack"),
    "sem": ("image", "image_stack"),
    "tilt_series": ("tilt_series", "image_stack"),
    "standard": ("image",),
    "coordinates": ("coordinates",),
    "labels": ("image", "particle_table"),
}


@dataclass(frozen=True, kw_only=True)
class PlannedFile:
    """A file that will be accepted.

    Attributes
    ----------
    path, size_bytes : str, int
        Path below the batch's folder, and size.
    entry, facts, agreed : FileEntry, RawFacts, Agreed
        What batch.yaml says of it, what it says itself, and what holds.
    aliquot : str
        Aliquot key.
    is_simulated : bool
        Whether a computer made it.
    label_of : str or None
        For labels, the micrograph.
    map_place : MapPlace or None
        Where it lies in a map, if it is a tile of one.
    """

    path: str
    size_bytes: int
    entry: FileEntry
    facts: RawFacts
    agreed: Agreed
    aliquot: str
    is_simulated: bool
    label_of: str | None = None
    map_place: MapPlace | None = None

    def manifest_file(self, sha256: str, since_revision: str) -> ManifestFile:
        """Return the line of the manifest, now that the bytes are known."""
        return ManifestFile(
            path=self.path,
            sha256=sha256,
            size_bytes=self.size_bytes,
            modality=self.entry.modality,
            aliquot=self.aliquot,
            is_simulated=self.is_simulated,
            shape=self.facts.shape,
            acquisition=self.agreed.acquisition,
            calibration_source=self.agreed.source,
            calibration_reason=self.agreed.reason,
            tilt_angles_deg=self.agreed.tilt_angles_deg,
            second_scan_of=self.entry.second_scan_of,
            is_aligned=self.entry.aligned,
            standard=self.entry.standard,
            lattice=self.entry.lattice,
            image_before=self.entry.image_before,
            image_after=self.entry.image_after,
            length_unit=self.facts.length_unit,
            label_of=self.label_of,
            particle_values=self.entry.particle_values,
            map_place=self.map_place,
            since_revision=since_revision,
        )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What would be accepted of a batch.

    Attributes
    ----------
    files : tuple of PlannedFile
        Files to accept, in the order of their paths.
    sidecars : tuple of str
        Files that are kept beside them.
    refused : tuple of RefusedFile
        What is refused, in the order of the paths.
    """

    files: tuple[PlannedFile, ...]
    sidecars: tuple[str, ...]
    refused: tuple[RefusedFile, ...]

    def maps(self) -> dict[tuple[str, str], list[PlannedFile]]:
        """Return the files by aliquot and map, of maps in which at least one has a position."""
        maps: dict[tuple[str, str], list[PlannedFile]] = {}
        for file in self.files:
            if file.entry.modality in MODALITIES:
                maps.setdefault((file.aliquot, file.entry.map_name), []).append(file)
        return {name: files for name, files in maps.items() if any(file.map_place for file in files)}


@dataclass(frozen=True, kw_only=True)
class _Batch:
    source: Path
    spec: BatchSpec
    names: SortedNames
    probe: Probe
    positions: Mapping[str, TablePositions]

    def sidecar(self, path: str) -> Path | None:
        """Return where a sidecar lies, if it is a plain file of the folder."""
        return find_sidecar(self.source, self.names, path)


def plan_batch(
    source: Path, spec: BatchSpec, seen: Survey, probe: Probe = probe_entry, on_step: OnStep = ignore_progress
) -> Plan:
    """Find out what would be accepted of the batch in `source`; nothing is written.

    Parameters
    ----------
    source : Path
        Folder of the batch.
    spec, seen : BatchSpec, Survey
        Its batch.yaml, and what lies there.
    probe : callable
        Reads the header of a file.
    on_step : callable
        Called before each file.
    """
    names = sort_names(seen.files, spec)
    positions = read_positions(source, names)
    batch = _Batch(source=source, spec=spec, names=names, probe=probe, positions=positions)
    files = [file for file in seen.files if file.path in names.declared]
    refusals = {**names.refusals, **unclaimed_rows(positions)}
    planned: dict[str, PlannedFile] = {}
    for done, file in enumerate(files):
        on_step(Progress(task="reading headers", done=done, total=len(files), detail=file.path))
        try:
            planned[file.path] = _plan_file(batch, file, names.declared[file.path])
        except Refusal as refusal:
            refusals[file.path] = refusal
    planned = _without_misfits(planned, refusals)
    planned = _pair_labels(planned, names, refusals)
    planned = without_lonely(planned, refusals)
    sidecars = {sidecar for sidecar, owner in names.owner_of.items() if owner in planned}
    sidecars |= {table for table, owners in names.tables.items() if any(owner in planned for owner in owners)}
    for sidecar, owner in names.owner_of.items():
        if sidecar not in sidecars:
            refusals[sidecar] = _sidecar_of_refused(owner)
    return Plan(
        files=tuple(planned[path] for path in sorted(planned)),
        sidecars=tuple(sorted(sidecars)),
        refused=tuple(_refused_file(path, refusals[path]) for path in sorted(refusals)),
    )


def printable(path: str) -> str:
    """Return `path` with bytes that are not UTF-8, and signs that would move a terminal's cursor, as escapes."""
    text = path.encode("utf-8", "backslashreplace").decode()
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def _refused_file(path: str, refusal: Refusal) -> RefusedFile:
    return RefusedFile(
        path=printable(path), reason=refusal.reason, expected=refusal.expected, got=refusal.got, advice=refusal.advice
    )


def _sidecar_of_refused(owner: str) -> Refusal:
    return Refusal(
        "sidecar_of_refused",
        expected="an accepted file that it belongs to",
        got=f"{owner}, which was refused",
        advice=f"Mend {owner}; this file comes with it.",
    )


def _plan_file(batch: _Batch, file: LandedFile, entry: FileEntry) -> PlannedFile:
    path = batch.source / file.path
    check_readable(path)
    facts = batch.probe(path, entry)
    if facts.kind not in _KINDS[entry.modality]:
        raise Refusal(
            "wrong_modality",
            expected=f"{entry.modality}: {' or '.join(_KINDS[entry.modality])}".replace("_", " "),
            got=f"{facts.format} with {facts.kind}".replace("_", " "),
            advice="State the modality of this file in batch.yaml.",
        )
    agreed = agree(entry, facts, _stated_tilts(batch, entry))
    stated = None if entry.positions is None else batch.positions[entry.positions].of(file.path)
    placed = place_tile(file.path, entry, facts, agreed.acquisition, stated)
    return PlannedFile(
        path=file.path,
        size_bytes=file.size_bytes,
        entry=entry,
        facts=facts,
        agreed=replace(agreed, acquisition=placed.acquisition),
        map_place=placed.place,
        aliquot=batch.spec.aliquot_of(entry),
        is_simulated=batch.spec.simulated if entry.simulated is None else entry.simulated,
    )


def _stated_tilts(batch: _Batch, entry: FileEntry) -> tuple[float, ...] | None:
    if entry.tilt_angles_file is None:
        return entry.tilt_angles_deg
    return read_tilt_angles(batch.sidecar(entry.tilt_angles_file), entry.tilt_angles_file)


def _without_misfits(planned: Mapping[str, PlannedFile], refusals: dict[str, Refusal]) -> dict[str, PlannedFile]:
    """Move tiles that cannot stand in one map together to `refusals`."""
    maps: dict[tuple[str, str], dict[str, MapTile]] = {}
    for path, file in planned.items():
        if file.map_place is not None:
            maps.setdefault((file.aliquot, file.map_place.name), {})[path] = MapTile(
                place=file.map_place,
                table=file.entry.positions,
                knows_stage=file.facts.acquisition.stage_x_nm is not None,
                shape=file.facts.shape,
                pixel_size_nm=file.agreed.acquisition.pixel_size_nm,
            )
    found = {path: refusal for tiles in maps.values() for path, refusal in misfits(tiles).items()}
    refusals |= found
    return {path: file for path, file in planned.items() if path not in found}


def _pair_labels(
    planned: Mapping[str, PlannedFile], names: SortedNames, refusals: dict[str, Refusal]
) -> dict[str, PlannedFile]:
    """Give every label file its micrograph; those without one move to `refusals`."""
    micrographs = {file.path: file for file in planned.values() if file.entry.modality in MODALITIES}
    refused = [path for path, entry in names.declared.items() if path in refusals and entry.modality in MODALITIES]
    aliquots = {path: aliquot_label(file.aliquot) for path, file in micrographs.items()}
    by_aliquot = {
        aliquot: Micrographs((file.path for file in micrographs.values() if file.aliquot == aliquot), refused, aliquots)
        for aliquot in {file.aliquot for file in planned.values()}
    }
    paired: dict[str, PlannedFile] = {}
    for path, file in planned.items():
        try:
            paired[path] = _paired(file, by_aliquot[file.aliquot], micrographs)
        except Refusal as refusal:
            refusals[path] = refusal
    return paired


def _paired(file: PlannedFile, candidates: Micrographs, micrographs: Mapping[str, PlannedFile]) -> PlannedFile:
    if file.entry.modality != "labels" or file.facts.kind == "particle_table":
        return file
    label_of = candidates.labelled_by(file.path, file.entry.label_of)
    shape = micrographs[label_of].facts.shape[-2:]
    if file.facts.shape != shape:
        raise Refusal(
            "label_shape",
            expected=f"labels of the shape of {label_of}, {shape}",
            got=f"{file.facts.shape}",
            advice="Export the labels at the micrograph's full size.",
        )
    return replace(file, label_of=label_of)
