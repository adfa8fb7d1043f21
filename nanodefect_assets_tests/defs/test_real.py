"""Measured and labelled micrographs, as batches through the landing folder."""

import dagster as dg
import numpy as np
import pytest
import tifffile
from PIL import Image

from nanodefect_assets.definitions import defs
from nanodefect_assets.defs.hrtem.training_set import training_set
from nanodefect_assets.defs.ingest import ingest_batch
from nanodefect_assets.defs.instance import open_instance
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.schemas import TRAINING_MICROGRAPHS
from nanodefect_assets.stores.generations import current_generation
from nanodefect_assets.stores.patch_sets import FOLDER, PatchSetReader
from nanodefect_assets.stores.warehouse import run_query

THREE_CLASSES = {"class_names": ["support", "alumina", "Pt"], "class_values": {"alumina": [1], "Pt": [2]}}

HAADF_YAML = """\
batch: pt-alumina
material: Pt on alumina
files:
  - {path: "*.tif", modality: hrstem, uncalibrated: true}
  - {path: "labels/*.png", modality: labels, particle_values: [2]}
"""

AU_YAML = """\
batch: au-patch
material: Au
files:
  - {path: image.tif, modality: hrtem, uncalibrated: true}
  - {path: label.png, modality: labels, label_of: image.tif}
"""


def ingest(home, folder):
    with open_instance(home) as instance:
        return ingest_batch(defs, instance, home, folder, say=lambda line: None)


@pytest.fixture
def au_patch(home, real_data):
    folder = home.landing / "au-patch"
    folder.mkdir()
    image = Image.open(real_data / "hrtem_au_patch" / "image.png").convert("L")
    tifffile.imwrite(folder / "image.tif", np.asarray(image))
    (folder / "label.png").write_bytes((real_data / "hrtem_au_patch" / "label.png").read_bytes())
    (folder / "batch.yaml").write_text(AU_YAML)
    return folder


@pytest.fixture
def haadf(home, real_data):
    folder = home.landing / "pt-alumina"
    (folder / "labels").mkdir(parents=True)
    with np.load(real_data / "haadf_pt_alumina" / "train.npz") as file:
        images, labels = (file[name] for name in sorted(file.files))
    for n, (image, label) in enumerate(zip(images, labels, strict=True)):
        tifffile.imwrite(folder / f"{n:03d}.tif", image)
        Image.fromarray(label.astype(np.uint8)).save(folder / "labels" / f"{n:03d}.png")
    (folder / "batch.yaml").write_text(HAADF_YAML)
    return folder


def test_a_labelled_hrtem_patch_is_scored(home, au_patch):
    done = ingest(home, au_patch)

    assert done.trouble == ()
    (row,) = run_query(home, "SELECT * FROM sample_mask_quality").to_pylist()
    assert row["dice"] > 0.5, "Otsu on the local standard deviation reaches 0.59 with plain settings"
    (particle,) = run_query(home, "SELECT count(*) AS n, count(area_nm2) AS n_nm FROM particles").to_pylist()
    assert particle["n"] > 0
    assert particle["n_nm"] == 0, "nothing in nm is invented"


@pytest.mark.slow
def test_forty_five_labelled_slices_are_scored(home, haadf):
    done = ingest(home, haadf)

    assert done.trouble == ()
    (row,) = run_query(home, "SELECT * FROM sample_mask_quality").to_pylist()
    assert row["n_micrographs"] == 45
    assert 0 < row["dice"] <= 1
    (sizes,) = run_query(home, "SELECT * FROM size_distributions").to_pylist()
    assert sizes["length_unit"] == "px"
    assert sizes["n_micrographs"] <= 45


@pytest.mark.slow
def test_labelled_slices_become_a_training_set_of_three_classes(home, haadf):
    assert ingest(home, haadf).trouble == ()

    result = dg.materialize(
        [training_set, *(dg.AssetSpec(key) for key in training_set.dependency_keys)],
        selection=[training_set],
        resources={"home": HomeResource(root=str(home.root)), "compute": Compute()},
        run_config={"ops": {"hrtem__training_set": {"config": THREE_CLASSES | {"n_simulated": 0}}}},
    )

    assert all(check.passed for check in result.get_asset_check_evaluations())
    made = current_generation(home, AssetName(group="hrtem", noun="training_set"), Place())
    assert made is not None
    found = made.rows(TRAINING_MICROGRAPHS).sort_values("micrograph_id")
    assert len(found) == 45
    assert found["side"].notna().all()
    for twins in ((3, 22, 24), (4, 23, 25, 26), (13, 15), (43, 40)):  # the slices come in mixed order
        assert len({found["side"].iloc[n] for n in twins}) == 1
    test = PatchSetReader(made.folder / FOLDER).read("test")
    assert all(n > 0 for n in test.n_pixels.values())
