"""What the checks of samples say of images with holes, and of classes that nobody knows."""

import dagster as dg
import numpy as np
import pytest
import tifffile

from nanodefect_assets.defs.check_results import outcome_of, words_of
from nanodefect_assets.defs.partitions import register_places, sample_key
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.defs.samples.annotations import annotations
from nanodefect_assets.defs.samples.intake import intake
from nanodefect_assets.defs.samples.manifest import manifest
from nanodefect_assets.defs.samples.micrographs import micrographs
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.stores.home import Home

YAML = """\
batch: holed-1
files:
  - {path: "*.tif", modality: hrstem, pixel_size_nm: 0.2}
  - {path: classes.csv, modality: labels}
"""
PLACE = Place(batch="holed-1", aliquot="end")


@pytest.fixture(scope="module")
def checks(tmp_path_factory):
    """Return what the checks said of a whole image, one with a dead pixel, and two with holes."""
    home = Home(tmp_path_factory.mktemp("holed") / "home").prepare()
    folder = home.landing / "holed-1"
    folder.mkdir()
    for number, name in enumerate(("whole", "dead", "hole", "huge")):
        counts = np.random.default_rng(number).normal(100, 10, (128, 256))
        counts[5, 5] = np.nan if name == "dead" else counts[5, 5]
        counts[20:60, 20:60] = {"hole": np.nan, "huge": 1e300}.get(name, counts[20:60, 20:60])
        tifffile.imwrite(folder / f"{name}.tif", counts)
    (folder / "classes.csv").write_text("micrograph,class,row,col\nwhole.tif,backgroud,3,4\ndead.tif,misoriented,5,6\n")
    (folder / "batch.yaml").write_text(YAML)
    resources = {"home": HomeResource(root=str(home.root)), "compute": Compute()}
    assets = [intake, manifest, micrographs, annotations]
    with dg.DagsterInstance.ephemeral() as instance:
        register_places(instance, (PLACE,))
        options = {"instance": instance, "resources": resources}
        assert dg.materialize([intake], partition_key="holed-1", **options).success
        made = dg.materialize(assets, selection=assets[1:], partition_key=sample_key(PLACE), **options)
    return {found.check_name: found for found in made.get_asset_check_evaluations()}


def test_images_with_holes_that_were_filled_are_named(checks):
    found = checks["few_pixels_filled"]

    assert outcome_of(found) == "warning"
    assert "hole.tif: 4.88% of its pixels held no number" in words_of(found)
    assert "huge.tif: 4.88%" in words_of(found)
    assert "n filled 2" in words_of(found)


def test_classes_that_nobody_knows_are_doubted(checks):
    found = checks["classes_known"]

    assert outcome_of(found) == "warning"
    assert "'backgroud' (1 row) is kept and not used: did you mean 'background'?" in words_of(found)
    assert "misoriented'" not in words_of(found)
