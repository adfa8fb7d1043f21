"""Faults from a simulated batch to rates, by the forest that ships."""

import pytest

from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.schemas import DEFECT_RATES, PARTICLE_CLASSES
from nanodefect_assets.science.synthetic.micrographs import hrtem_field
from nanodefect_assets.science.synthetic.params import HrtemFieldParams
from nanodefect_assets.stores.generations import current_generation
from nanodefect_assets.stores.simulated import write_tiff

N_MICROGRAPHS = 6
YAML = """\
batch: faults-01
material: Au
simulated: true
files:
  - {path: "*.tif", modality: hrtem}
"""


@pytest.mark.slow
def test_particles_of_a_batch_get_classes_and_the_batch_gets_rates(home, ingest, monkeypatch, rng):
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    folder = home.landing / "faults-01"
    folder.mkdir(parents=True)
    params = HrtemFieldParams(n_rows=400, n_cols=400, pixel_size_nm=0.04, n_particles=10, edge_on_fraction=0.6)
    for number in range(N_MICROGRAPHS):
        made = hrtem_field(params, rng=rng).micrograph
        write_tiff(folder / f"{number}.tif", made.counts, pixel_size_nm=0.04)
    (folder / "batch.yaml").write_text(YAML)

    ingest(home, folder)

    classes = AssetName(group="hrtem", noun="particle_classes")
    found = current_generation(home, classes, Place(batch="faults-01", aliquot="end"))
    rates = current_generation(home, AssetName(group="population", noun="defect_rates"), Place(batch="faults-01"))
    assert found is not None
    assert rates is not None
    particles, rows = found.rows(PARTICLE_CLASSES), rates.rows(DEFECT_RATES)
    chances = particles[["p_fault_visible", "p_no_fault", "p_misoriented", "p_agglomeration", "p_background"]]
    assert len(particles) > N_MICROGRAPHS
    assert chances.sum(axis=1).to_numpy() == pytest.approx(1)
    assert particles["p_like_training"].between(0, 1).all()
    whole = particles[(particles["kind"] == "particle") & ~particles["touches_edge"]]
    assert (whole["p_like_training"] <= 0.05).mean() < 0.2
    assert set(particles["model_version"]) == {"shipped"}
    assert set(rows["rate"]) == {"oriented", "faulted"}
    for row in rows.itertuples():
        assert row.refused is not None or row.corrected_low <= row.corrected <= row.corrected_high
