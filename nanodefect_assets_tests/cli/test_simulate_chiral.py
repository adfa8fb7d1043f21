import csv

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from nanodefect_assets.cli import main
from nanodefect_assets.cli.simulate import TRUTH
from nanodefect_assets.cli.simulate_chiral import HANDS, simulate_chiral_batch
from nanodefect_assets.domain.anchors import Anchor
from nanodefect_assets.science.synthetic.chiral_params import (
    ChiralBatchParams,
    ChiralFieldParams,
    ChiralParticleParams,
)
from nanodefect_assets.stores.intake import accept_batch
from nanodefect_assets.stores.revisions import current_manifest

SMALL = {
    "growth_times": ("1 h", "8 h"),
    "n_micrographs": 2,
    "n_anchors": 2,
    "field": ChiralFieldParams(n_rows=96, n_cols=160, n_particles=4),
    "particles": ChiralParticleParams(n_px=32, length_px=26),
}


def hands_of(folder):
    with (folder / TRUTH / HANDS).open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("looks", "is_true"), [("ideal", True), ("as_synthesised", False)])
def test_the_door_takes_in_a_chiral_batch_and_knows_what_was_planted(home, tmp_path, looks, is_true):
    folder = simulate_chiral_batch(tmp_path, ChiralBatchParams(looks=looks, left_fraction=0.3, **SMALL))

    accept_batch(home, folder)
    manifest = current_manifest(home, folder.name)

    assert manifest.refused == ()
    assert (manifest.material, manifest.aliquots) == ("Te", ("t0003600", "t0028800"))
    assert [file.modality for file in manifest.files] == ["sem"] * 4
    assert all(file.is_simulated for file in manifest.files)
    assert {file.acquisition.pixel_size_nm for file in manifest.files} == {2.0}
    assert {file.acquisition.voltage_kv for file in manifest.files} == {5.0}
    assert manifest.chirality.true_enantiomers is is_true
    assert manifest.chirality.expected_minority_share == 0.3


def test_an_anchor_is_a_pixel_of_the_particle_whose_hand_it_states(tmp_path):
    folder = simulate_chiral_batch(tmp_path, ChiralBatchParams(left_fraction=0.5, **SMALL))
    lines = [line.strip(" -") for line in (folder / "batch.yaml").read_text().splitlines() if ".tif " in line]
    rows = hands_of(folder)

    assert len(lines) == 2
    for anchor in map(Anchor.of_text, lines):
        here = [row for row in rows if row["micrograph"] == anchor.path]
        centres = np.array([[float(row["centre_row_px"]), float(row["centre_col_px"])] for row in here])
        nearest = here[np.argmin(np.linalg.norm(centres - anchor.position_px, axis=1))]
        counts = tifffile.imread(folder / anchor.path)
        assert nearest["hand"] == anchor.hand
        assert counts[anchor.position_px] > 3 * np.median(counts)


def test_the_same_seed_writes_the_same_bytes_and_nothing_is_overwritten(tmp_path):
    folders = [simulate_chiral_batch(tmp_path / name, ChiralBatchParams(**SMALL)) for name in ("first", "again")]
    files = sorted(path.relative_to(folders[0]) for path in folders[0].rglob("*") if path.is_file())

    assert len(files) == 6
    assert all((folders[0] / file).read_bytes() == (folders[1] / file).read_bytes() for file in files)
    with pytest.raises(FileExistsError, match="another seed"):
        simulate_chiral_batch(tmp_path / "first", ChiralBatchParams(**SMALL))


def test_a_material_cannot_be_chosen_for_a_chiral_batch():
    result = CliRunner().invoke(main, ["simulate", "--chiral", "ideal", "--material", "Au"])

    assert result.exit_code == 2
    assert "--chiral is Te" in result.output
