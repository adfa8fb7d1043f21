"""`nanodefect demo`: two simulated batches from the landing folder to SQL."""

from pathlib import Path

import click

from nanodefect_assets.cli.ingest import ingest_folders, say
from nanodefect_assets.cli.query import print_rows
from nanodefect_assets.domain.randomness import generator_for
from nanodefect_assets.stores.files import write_atomically
from nanodefect_assets.stores.home import Home

_SEED = 2021
_N_MICROGRAPHS = 4

_PD_YAML = """\
batch: sim-pd-01
material: Pd
note: Simulated, bright discs and facets on a support. No microscope has seen these particles.
simulated: true
conditions:
  temperature: 90 degC
  reagents:
    - {name: Na2PdCl4, amount: 57, unit: mg}
    - {name: PVP, amount: 105, unit: mg}
    - {name: citric acid, amount: 180, unit: mg}
aliquots:
  - time: 1 h
  - time: 8 h
  - time: 24 h
files:
  - {path: "1h/*.mrc", modality: hrstem, aliquot: 1 h}
  - {path: "8h/*.mrc", modality: hrstem, aliquot: 8 h}
  - {path: "24h/*.mrc", modality: hrstem, aliquot: 24 h}
"""

_AU_YAML = """\
batch: sim-au-01
material: Au
note: Simulated, lattice fringes on a textured support, with the true masks as labels.
simulated: true
conditions:
  temperature: 60 degC
files:
  - {path: "*.tif", modality: hrtem, voltage_kv: 300, dose_e_per_nm2: 40000}
  - {path: "labels/*.png", modality: labels}
"""

_PD_DIAMETERS_NM = {"1h": 5.0, "8h": 8.3, "24h": 11.0}

_LINEAGE_QUERY = """
SELECT * FROM particle_lineage
WHERE particle_id = (SELECT particle_id FROM particles WHERE NOT touches_edge ORDER BY particle_id LIMIT 1)
"""


def run_demo(home: Home) -> None:
    """Write two simulated batches into the landing folder, take them in, and show tables and where to look."""
    home.prepare()
    folders = (_write_pd(home.landing / "sim-pd-01"), _write_au(home.landing / "sim-au-01"))
    say(f"Simulated two batches in {home.landing}")
    ingest_folders(home, folders)
    click.echo("\nMasks against the planted truth (sim-au-01):")
    print_rows(
        home,
        "SELECT sample, round(dice, 3) AS dice, round(precision, 3) AS precision, round(recall, 3) AS recall "
        "FROM sample_mask_quality",
    )
    click.echo("\nWhere one particle comes from:")
    _print_upright(home, _LINEAGE_QUERY)
    click.echo(f"\nEverything above is SIMULATED and lies in {home.root}, apart from any lab's data.")
    click.echo(f'Ask more:  nanodefect --home {home.root} sql "SELECT * FROM aliquot_sizes"')
    click.echo(f"Look:      nanodefect --home {home.root} ui    then http://127.0.0.1:3000")


def _print_upright(home: Home, query: str) -> None:
    """Print one row with a line for each column."""
    from nanodefect_assets.stores.warehouse import run_query

    for name, value in run_query(home, query).to_pylist()[0].items():
        click.echo(f"  {name:28} {'' if value is None else value}")


def _write_pd(folder: Path) -> Path:
    from nanodefect_assets.science.synthetic.fields import particle_field
    from nanodefect_assets.science.synthetic.params import ParticleFieldParams
    from nanodefect_assets.stores.simulated import write_mrc

    for aliquot, diameter_nm in _PD_DIAMETERS_NM.items():
        (folder / aliquot).mkdir(parents=True, exist_ok=True)
        params = ParticleFieldParams(
            modality="hrstem", pixel_size_nm=0.2, median_diameter_nm=diameter_nm, n_particles=24, dose_e_per_nm2=2000.0
        )
        for n in range(_N_MICROGRAPHS):
            rng = generator_for(_SEED, "sim-pd-01", aliquot, str(n))
            field = particle_field(params, rng=rng)
            write_mrc(folder / aliquot / f"{n:03d}.mrc", field.micrograph.counts, pixel_size_nm=params.pixel_size_nm)
    write_atomically(folder / "batch.yaml", _PD_YAML.encode())
    return folder


def _write_au(folder: Path) -> Path:
    from nanodefect_assets.science.synthetic.fields import particle_field
    from nanodefect_assets.science.synthetic.params import ParticleFieldParams
    from nanodefect_assets.stores.simulated import write_labels, write_tiff

    (folder / "labels").mkdir(parents=True, exist_ok=True)
    params = ParticleFieldParams(modality="hrtem", pixel_size_nm=0.05, median_diameter_nm=4.0, n_particles=14)
    for n in range(_N_MICROGRAPHS):
        field = particle_field(params, rng=generator_for(_SEED, "sim-au-01", str(n)))
        write_tiff(folder / f"{n:03d}.tif", field.micrograph.counts, pixel_size_nm=params.pixel_size_nm)
        write_labels(folder / "labels" / f"{n:03d}.png", field.labels)
    write_atomically(folder / "batch.yaml", _AU_YAML.encode())
    return folder
