"""`nanodefect demo`: two simulated batches from the landing folder to SQL."""

import csv
from collections.abc import Iterator
from pathlib import Path

import click

from nanodefect_assets.cli.ingest import ingest_folders, say
from nanodefect_assets.cli.query import print_rows, table_text
from nanodefect_assets.cli.simulate import SOLIDS, TRUTH, batch_folders, say_step, simulate_batches
from nanodefect_assets.science.synthetic.batch_params import SimulateParams
from nanodefect_assets.stores.home import Home

_MICROGRAPHS = SimulateParams(
    materials=("Au",),
    kinds=("hrtem",),
    growth_times=("10 min", "1 h", "8 h"),
    n_micrographs=5,
    n_pixels=768,
    n_particles=18,
    pixel_size_nm=(0.045, 0.055),
    diameter_nm=(3.0, 5.0),
)
"""Growing gold on carbon, as high-resolution TEM sees it."""

_SOLIDS = SimulateParams(
    materials=("Pd",),
    kinds=("hrstem", "coordinates", "tilt_series"),
    growth_times=("1 h", "24 h"),
    n_micrographs=2,
    n_particles=24,
    n_solids=3,
    n_tilt_series=1,
    n_tilts=15,
    pixel_size_nm=(0.09, 0.11),
    diameter_nm=(3.0, 4.0),
    faulted_fraction=0.9,
    multiply_twinned_fraction=0.5,
)
"""Twinned palladium: dark field, coordinates of every atom, and short tilt series."""

_WHAT_COMES = """\
Two synthesis batches are simulated, written as microscope files and taken in: gold micrographs (particles, sizes,
faults), then palladium (particles, crystals of which every atom is known, two tilt series from images to atoms, which
take most of the time). Some ten minutes on two free cores. Tables, and where to look, come at the end."""

_MASKS_QUERY = """
SELECT sample, round(dice, 3) AS dice, round(precision, 3) AS precision, round(recall, 3) AS recall
FROM sample_mask_quality ORDER BY sample
"""

_READINGS_QUERY = """
SELECT structure_id, kind AS read_as, n_atoms, n_grains, n_twin_planes, n_intrinsic_faults, n_extrinsic_faults,
       n_five_fold_axes, round(fcc_fraction, 2) AS fcc, round(hcp_fraction, 2) AS hcp, round(bond_angstrom, 2) AS bond_A
FROM particle_readings ORDER BY structure_id
"""

_LINEAGE_QUERY = """
SELECT * FROM particle_lineage
WHERE particle_id = (SELECT particle_id FROM particles WHERE NOT touches_edge ORDER BY particle_id LIMIT 1)
"""


def run_demo(home: Home) -> None:
    """Write two simulated batches into the landing folder, take them in, and show tables and where to look."""
    home.prepare()
    say(_WHAT_COMES)
    folders = tuple(folder for params in (_MICROGRAPHS, _SOLIDS) for folder in _simulated(home, params))
    ingest_folders(home, folders)
    click.echo("\nMasks against the planted truth:")
    print_rows(home, _MASKS_QUERY)
    click.echo("\nPlanted particles of which every atom is known, and what was read from their coordinates:")
    _print_readings(home, folders)
    click.echo("\nWhere one particle comes from:")
    _print_upright(home, _LINEAGE_QUERY)
    click.echo(f"\nEverything above is SIMULATED and lies in {home.root}, apart from any lab's data.")
    click.echo(f'Ask more:  nanodefect --home {home.root} sql "SELECT * FROM aliquot_sizes"')
    click.echo(f"Look:      nanodefect --home {home.root} ui    then http://127.0.0.1:3000")


def _simulated(home: Home, params: SimulateParams) -> list[Path]:
    """Simulate batches, but for those that an earlier demo left: the same parameters give the same bytes."""
    folders = batch_folders(home.landing, params)
    if all(folder.exists() for folder in folders):
        say(f"Simulated before: {', '.join(folder.name for folder in folders)}")
        return folders
    return simulate_batches(home.landing, params, say_step)


def _print_readings(home: Home, folders: tuple[Path, ...]) -> None:
    from nanodefect_assets.stores.warehouse import run_query

    planted = dict(_planted(folders))
    rows = run_query(home, _READINGS_QUERY)
    names = [planted.get(structure_id, "") for structure_id in rows.column("structure_id").to_pylist()]
    click.echo(table_text(rows.add_column(1, "planted", [names])))


def _planted(folders: tuple[Path, ...]) -> Iterator[tuple[str, str]]:
    """Yield what each particle in 3D is, by the id that it has in the tables."""
    for path in (folder / TRUTH / SOLIDS for folder in folders):
        if not path.exists():
            continue
        with path.open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                yield f"{row['sample']}/{row['path']}", f"{row['kind']} {row['planes']}".strip()


def _print_upright(home: Home, query: str) -> None:
    """Print one row with a line for each column."""
    from nanodefect_assets.stores.warehouse import run_query

    for name, value in run_query(home, query).to_pylist()[0].items():
        click.echo(f"  {name:28} {'' if value is None else value}")
