"""`nanodefect simulate`: batches in the formats of microscopes, marked simulated, with the truth beside them.

A batch is a folder ``<prefix>-<material>-<seed>``. Masks are labels that the door takes in; the rest of the truth lies
in its hidden folder ``.truth``, which the door passes over: ``particles.csv`` can be read as a table of particle
classes, ``solids.csv`` says what each particle in 3D is.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click
import numpy as np
from pydantic import ValidationError

from nanodefect_assets.domain.keys import END, aliquot_key, aliquot_label
from nanodefect_assets.domain.progress import OnStep, Progress, ignore_progress
from nanodefect_assets.domain.randomness import generator_for
from nanodefect_assets.science.synthetic.batch_params import SimulateParams
from nanodefect_assets.science.synthetic.params import (
    FieldParams,
    HrtemFieldParams,
    Material,
    StemFieldParams,
    TiltSeriesParams,
)

if TYPE_CHECKING:
    from nanodefect_assets.domain.structure import Structure
    from nanodefect_assets.science.synthetic.truth import SimulatedField

TRUTH, SOLIDS = ".truth", "solids.csv"
_TILT_VOLTAGE_KV, _STEM_VOLTAGE_KV = 200.0, 300.0
_NOTE = "Simulated. No microscope has seen these particles."


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """A batch under way: the folder it is written into, and what its batch.yaml and its truth will say."""

    name: str
    folder: Path
    material: Material
    params: SimulateParams
    entries: list[dict[str, object]] = field(default_factory=list)
    particles: list[dict[str, object]] = field(default_factory=list)
    solids: list[dict[str, object]] = field(default_factory=list)

    def rng(self, *keys: str) -> np.random.Generator:
        return generator_for(self.params.seed, self.name, *keys)


@dataclass(frozen=True, kw_only=True)
class _Item:
    """One file to write, or one particle in 3D; `below` is its aliquot's folder, empty where there is only one."""

    kind: str
    number: int
    aliquot: str | None
    below: str
    median_diameter_nm: float

    @property
    def name(self) -> str:
        return f"{self.below}{self.kind.replace('_series', '')}-{self.number:03d}"


def simulate_batches(out: Path, params: SimulateParams, on_step: OnStep = ignore_progress) -> list[Path]:
    """Write a simulated batch for each material below `out` and return their folders.

    Parameters
    ----------
    out : Path
        Folder to write into, such as the landing folder. A batch grows in a hidden folder, which becomes the batch's
        when it is whole; one that was left unfinished is begun anew.
    params : SimulateParams
        What the batches hold. The same parameters give the same bytes.
    on_step : callable
        Called before each item.

    Raises
    ------
    FileExistsError
        If there is a folder of a batch's name already: nothing is ever overwritten.
    """
    folders = batch_folders(out, params)
    for folder in folders:
        if folder.exists():
            raise FileExistsError(f"{folder} is there already, and is never overwritten. Take another seed or prefix.")
    items = list(_items(params))
    total = len(items) * len(folders)
    for at, (folder, material) in enumerate(zip(folders, params.materials, strict=True)):
        batch = _Batch(name=folder.name, folder=folder.with_name(f".{folder.name}"), material=material, params=params)
        shutil.rmtree(batch.folder, ignore_errors=True)
        for done, item in enumerate(items, start=at * len(items)):
            on_step(Progress(task="simulating", done=done, total=total, detail=f"{folder.name}/{item.name}"))
            (batch.folder / item.below).mkdir(parents=True, exist_ok=True)
            _WRITERS[item.kind](batch, item)
        _finish(batch)
        batch.folder.rename(folder)
    return folders


def batch_folders(out: Path, params: SimulateParams) -> list[Path]:
    """Return the folders of the batches that `simulate_batches` writes below `out`."""
    return [out / f"{params.prefix}-{material.lower()}-{params.seed}" for material in params.materials]


def _items(params: SimulateParams) -> Iterator[_Item]:
    times = params.growth_times or (None,)
    sizes_nm = np.linspace(*params.diameter_nm, len(times)) if len(times) > 1 else [np.mean(params.diameter_nm)]
    for time, size_nm in zip(times, sizes_nm, strict=True):
        below = "" if time is None else f"{aliquot_label(time).replace(' ', '')}/"
        for kind in params.kinds:
            for number in range(_count_of(kind, params)):
                yield _Item(kind=kind, number=number, aliquot=time, below=below, median_diameter_nm=float(size_nm))


def _count_of(kind: str, params: SimulateParams) -> int:
    if kind == "tilt_series" and params.n_tilt_series is not None:
        return params.n_tilt_series
    return params.n_micrographs if kind in ("hrtem", "hrstem") else params.n_solids


def _write_hrtem(batch: _Batch, item: _Item) -> None:
    from nanodefect_assets.science.synthetic.micrographs import hrtem_field
    from nanodefect_assets.stores.simulated import write_tiff

    rng = batch.rng(item.name)
    params = HrtemFieldParams(
        **_field_settings(batch, item, rng),
        defocus_nm=rng.uniform(*batch.params.defocus_nm),
        scattering=batch.params.scattering,
        mtf_at_nyquist=0.5,
    )
    seen = _with_room(hrtem_field, params, batch, item, rng)
    path = f"{item.name}.tif"
    write_tiff(batch.folder / path, seen.micrograph.counts, pixel_size_nm=params.pixel_size_nm)
    _note_field(batch, item, path, seen, params, voltage_kv=params.energy_kev)


def _write_hrstem(batch: _Batch, item: _Item) -> None:
    from nanodefect_assets.science.synthetic.micrographs import stem_field
    from nanodefect_assets.stores.simulated import write_mrc

    rng = batch.rng(item.name)
    params = StemFieldParams(**_field_settings(batch, item, rng))
    seen = _with_room(stem_field, params, batch, item, rng)
    path = f"{item.name}.mrc"
    write_mrc(batch.folder / path, seen.micrograph.counts, pixel_size_nm=params.pixel_size_nm)
    _note_field(batch, item, path, seen, params, voltage_kv=_STEM_VOLTAGE_KV)


def _with_room(
    make: Callable[..., "SimulatedField"], params: FieldParams, batch: _Batch, item: _Item, rng: np.random.Generator
) -> "SimulatedField":
    """Return a field; of as many particles as find room: a batch does not fail for the last one."""
    from nanodefect_assets.science.synthetic.placement import NoRoom

    while True:
        try:
            return make(params, rng=rng)
        except NoRoom:
            if params.n_particles <= 1:
                raise
            params = params.model_copy(update={"n_particles": params.n_particles - 1})
            rng = batch.rng(f"{item.name}, {params.n_particles}")


def _field_settings(batch: _Batch, item: _Item, rng: np.random.Generator) -> dict:
    params = batch.params
    return {
        "n_rows": params.n_pixels,
        "n_cols": params.n_pixels,
        "material": batch.material,
        "n_particles": params.n_particles,
        "median_diameter_nm": item.median_diameter_nm,
        "faulted_fraction": params.faulted_fraction,
        "multiply_twinned_fraction": _twinned_fraction(batch),
        "pixel_size_nm": float(f"{rng.uniform(*params.pixel_size_nm):.4g}"),
        "dose_e_per_nm2": float(f"{rng.uniform(*params.dose_e_per_nm2):.4g}"),
    }


def _note_field(
    batch: _Batch, item: _Item, path: str, seen: "SimulatedField", params: FieldParams, *, voltage_kv: float
) -> None:
    """Write the masks of a micrograph, and keep what batch.yaml and the truth will say of it."""
    from nanodefect_assets.stores.simulated import write_labels

    labels = f"{item.below}labels/{Path(path).stem}.png"
    (batch.folder / labels).parent.mkdir(exist_ok=True)
    write_labels(batch.folder / labels, seen.labels)
    taken = {"voltage_kv": voltage_kv, "dose_e_per_nm2": params.dose_e_per_nm2}
    _declare(batch, item, path, item.kind, **taken)
    _declare(batch, item, labels, "labels", label_of=path)
    planted_with = {"pixel_size_nm": params.pixel_size_nm, **taken}
    for particle in seen.particles:
        row = asdict(particle)
        crystal = row.pop("crystal")
        named = {"micrograph": path, "particle": row.pop("label"), "class": row.pop("class_name")}
        crystal["faults"] = " ".join(crystal["faults"])
        centre = {"centre_row_px": row.pop("row_px"), "centre_col_px": row.pop("col_px")}
        batch.particles.append({**named, **centre, **row, **crystal, **planted_with})


def _write_tilts(batch: _Batch, item: _Item) -> None:
    from nanodefect_assets.science.synthetic.tilts import tilt_series
    from nanodefect_assets.stores.simulated import write_coordinates, write_json_truth, write_tilt_series

    rng = batch.rng(item.name)
    solid = _draw_solid(batch, item, rng)
    extent_angstrom = 2 * float(np.linalg.norm(solid.positions_angstrom, axis=1).max())
    pixel_angstrom = TiltSeriesParams().pixel_size_angstrom
    n_pixels = 16 * int(np.ceil((extent_angstrom / pixel_angstrom + 40) / 16))
    params = TiltSeriesParams(n_pixels=n_pixels, n_tilts=batch.params.n_tilts)
    planted = tilt_series(solid, params, rng=rng)
    first, second = (f"{item.name}-scan{angle}.mrc" for angle in (0, 90))
    for path, frames in ((first, planted.scans_0deg), (second, planted.scans_90deg)):
        write_tilt_series(
            batch.folder / path,
            frames,
            planted.nominal_tilts_deg,
            pixel_size_nm=pixel_angstrom / 10,
            voltage_kv=_TILT_VOLTAGE_KV,
            dose_e_per_nm2=params.dose_e_per_px / (pixel_angstrom / 10) ** 2,
        )
        _declare(batch, item, path, "tilt_series", **({} if path == first else {"second_scan_of": first}))
    truth = batch.folder / TRUTH / item.name
    truth.parent.mkdir(parents=True, exist_ok=True)
    write_coordinates(truth.with_name(f"{truth.name}.xyz"), solid)
    large = {"scans_0deg", "scans_90deg", "ideal"}
    kept = {each.name: getattr(planted, each.name) for each in fields(planted) if each.name not in large}
    write_json_truth(truth.with_name(f"{truth.name}.json"), kept)
    _note_solid(batch, item, first, solid)


def _write_coordinates(batch: _Batch, item: _Item) -> None:
    from nanodefect_assets.science.crystal.disturb import disturb
    from nanodefect_assets.science.crystal.params import DisturbanceParams
    from nanodefect_assets.stores.simulated import write_coordinates

    rng = batch.rng(item.name)
    solid = disturb(_draw_solid(batch, item, rng), DisturbanceParams(), rng=rng)
    path = f"{item.name}.xyz"
    write_coordinates(batch.folder / path, solid)
    _declare(batch, item, path, "coordinates")
    _note_solid(batch, item, path, solid)


def _note_solid(batch: _Batch, item: _Item, path: str, solid: "Structure") -> None:
    time = END if item.aliquot is None else aliquot_key(item.aliquot)
    planes = [name for name in np.unique(solid.defect).tolist() if name not in ("none", "axis", "centre")]
    row = {"sample": f"{batch.name}/{time}", "path": path, "kind": solid.kind, "n_atoms": len(solid)}
    batch.solids.append({**row, "planes": " ".join(planes)})


def _draw_solid(batch: _Batch, item: _Item, rng: np.random.Generator) -> "Structure":
    from nanodefect_assets.science.synthetic.population import draw_particle

    settings = FieldParams(
        material=batch.material,
        faulted_fraction=batch.params.faulted_fraction,
        multiply_twinned_fraction=_twinned_fraction(batch),
    )
    return draw_particle(settings, item.median_diameter_nm, rng=rng).centred()


def _twinned_fraction(batch: _Batch) -> float:
    return 0.0 if batch.material == "CdSe" else batch.params.multiply_twinned_fraction


_WRITERS: dict[str, Callable[[_Batch, _Item], None]] = {
    "hrtem": _write_hrtem,
    "hrstem": _write_hrstem,
    "tilt_series": _write_tilts,
    "coordinates": _write_coordinates,
}


def _declare(batch: _Batch, item: _Item, path: str, modality: str, **stated: object) -> None:
    aliquot = {} if item.aliquot is None else {"aliquot": item.aliquot}
    batch.entries.append({"path": path, "modality": modality, **aliquot, **stated})


def _finish(batch: _Batch) -> None:
    from nanodefect_assets.stores.simulated import write_batch_yaml, write_particle_truth

    for name, rows in (("particles.csv", batch.particles), (SOLIDS, batch.solids)):
        if rows:
            (batch.folder / TRUTH).mkdir(exist_ok=True)
            write_particle_truth(batch.folder / TRUTH / name, rows)
    aliquots = [{"time": time} for time in batch.params.growth_times]
    write_batch_yaml(
        batch.folder,
        {
            "batch": batch.name,
            "material": batch.material,
            "note": _NOTE,
            "simulated": True,
            **({"aliquots": aliquots} if aliquots else {}),
            "files": batch.entries,
        },
    )


def write_simulated(out: Path, choices: Mapping[str, object]) -> None:
    """Write batches as the command line asks for them, with progress."""
    try:
        params = SimulateParams.model_validate(choices)
        folders = simulate_batches(out, params, say_step)
    except (ValidationError, FileExistsError) as error:
        raise click.ClickException(str(error)) from error
    for folder in folders:
        click.echo(f"SIMULATED batch in {folder}. Take it in: nanodefect ingest {quote(str(folder))}")


def say_step(progress: Progress) -> None:
    """Write a line of progress, apart from the result."""
    click.echo(f"{progress.task}: {progress.done} of {progress.total} {progress.detail}".rstrip(), err=True)
