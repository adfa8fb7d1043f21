"""The asset graph is the documented one."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from nanodefect_assets.cli.documents import asset_table, with_asset_table
from nanodefect_assets.definitions import defs
from nanodefect_assets.defs.instance import open_instance
from nanodefect_assets.defs.partitions import sample
from nanodefect_assets.stores.dictionary import data_dictionary_markdown

ROOT = Path(__file__).parents[2]

GRAPH = {
    "samples/intake": [],
    "samples/manifest": ["samples/intake"],
    "samples/micrographs": ["samples/manifest"],
    "samples/annotations": ["samples/manifest"],
    "samples/corrections": ["samples/intake"],
    "samples/tilt_series": ["samples/manifest"],
    "samples/coordinates": ["samples/manifest"],
    "hrtem/segmenter": ["hrtem/training_set"],
    "hrtem/champion_segmenter": ["hrtem/segmenter", "hrtem/training_set"],
    "hrtem/classical_segmenters": ["hrtem/training_set"],
    "hrtem/material_study": ["hrtem/training_set"],
    "hrtem/architecture_study": ["hrtem/segmenter", "hrtem/training_set"],
    "hrtem/segmentation_benchmark": [
        "hrtem/classical_segmenters",
        "hrtem/material_study",
        "hrtem/segmenter",
        "hrtem/training_set",
    ],
    "hrtem/segmentation": ["hrtem/champion_segmenter", "samples/manifest", "samples/micrographs"],
    "tomography/denoised": ["samples/tilt_series"],
    "tomography/aligned": ["samples/manifest", "samples/tilt_series", "tomography/denoised"],
    "tomography/reconstruction": ["tomography/aligned"],
    "tomography/refined_reconstruction": ["tomography/aligned", "tomography/reconstruction"],
    "hrtem/mask_scores": ["hrtem/segmentation", "samples/annotations"],
    "hrtem/particles": ["hrtem/segmentation", "samples/micrographs"],
    "hrtem/training_set": ["samples/annotations", "samples/micrographs"],
    "atoms/candidates": ["tomography/reconstruction", "tomography/refined_reconstruction"],
    "atoms/atomic_model": [
        "atoms/candidates",
        "samples/coordinates",
        "tomography/aligned",
        "tomography/refined_reconstruction",
    ],
    "sem/sevens": [],
    "sem/label_noise_study": ["sem/sevens"],
    "sem/as_synthesised_study": [],
    "sem/te_crops": ["hrtem/particles", "hrtem/segmentation", "samples/manifest", "samples/micrographs"],
    "sem/handedness_model": ["sem/te_crops"],
    "sem/handedness": ["sem/handedness_model", "sem/te_crops"],
    "atoms/order": ["atoms/atomic_model"],
    "atoms/grains": ["atoms/atomic_model", "atoms/order"],
    "population/size_distribution": ["hrtem/particles", "samples/micrographs"],
    "population/handedness_fraction": ["sem/handedness"],
    "hrtem/region_training_set": [
        "hrtem/segmentation",
        "samples/annotations",
        "samples/manifest",
        "samples/micrographs",
    ],
    "hrtem/fault_classifier": ["hrtem/region_training_set"],
    "hrtem/label_audit": ["hrtem/region_training_set"],
    "hrtem/particle_classes": [
        "hrtem/fault_classifier",
        "hrtem/particles",
        "hrtem/segmentation",
        "samples/manifest",
        "samples/micrographs",
    ],
    "population/defect_rates": ["hrtem/particle_classes"],
    "population/batch_report": [
        "atoms/grains",
        "hrtem/mask_scores",
        "hrtem/particles",
        "hrtem/segmentation",
        "population/defect_rates",
        "population/handedness_fraction",
        "population/size_distribution",
        "samples/intake",
        "samples/micrographs",
        "samples/tilt_series",
    ],
    "population/warehouse": [
        "atoms/atomic_model",
        "atoms/candidates",
        "atoms/grains",
        "atoms/order",
        "hrtem/architecture_study",
        "hrtem/champion_segmenter",
        "hrtem/classical_segmenters",
        "hrtem/fault_classifier",
        "hrtem/label_audit",
        "hrtem/mask_scores",
        "hrtem/material_study",
        "hrtem/particle_classes",
        "hrtem/particles",
        "hrtem/region_training_set",
        "hrtem/segmentation",
        "hrtem/segmentation_benchmark",
        "hrtem/segmenter",
        "hrtem/training_set",
        "population/defect_rates",
        "population/handedness_fraction",
        "population/size_distribution",
        "samples/annotations",
        "samples/coordinates",
        "samples/corrections",
        "samples/intake",
        "samples/manifest",
        "samples/micrographs",
        "samples/tilt_series",
        "sem/as_synthesised_study",
        "sem/handedness",
        "sem/handedness_model",
        "sem/label_noise_study",
        "sem/te_crops",
        "tomography/aligned",
        "tomography/denoised",
        "tomography/reconstruction",
        "tomography/refined_reconstruction",
    ],
}

HEAVY = (
    "scipy",
    "pandas",
    "torch",
    "skimage",
    "sklearn",
    "duckdb",
    "mlflow",
    "zarr",
    "pyarrow",
    "matplotlib",
    "rsciio",
)


def graph():
    return defs.resolve_asset_graph()


def nodes():
    return [graph().get(key) for key in graph().toposorted_asset_keys]


def test_graph_is_the_documented_one():
    found = {
        node.key.to_user_string(): sorted(parent.to_user_string() for parent in node.parent_keys) for node in nodes()
    }

    assert found == GRAPH


@pytest.mark.parametrize("node", nodes(), ids=lambda node: node.key.to_user_string())
def test_every_asset_says_what_it_is_and_can_fail_a_check(node):
    assert node.description
    assert node.description.strip().splitlines()[0].endswith(".")
    assert node.group_name == node.key.path[0]
    assert node.code_version
    assert node.kinds
    assert node.check_keys


def test_readme_lists_the_assets():
    readme = (ROOT / "README.md").read_text()

    assert readme == with_asset_table(readme, asset_table(defs)), "run: make documents"


def test_data_dictionary_is_the_declared_one():
    assert (ROOT / "DATA_DICTIONARY.md").read_text() == data_dictionary_markdown(), "run: make documents"


def test_code_location_loads_nothing_heavy():
    code = f"import sys, nanodefect_assets.definitions; print([m for m in {HEAVY} if m in sys.modules])"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()

    assert loaded == "[]"


def test_what_no_sample_is_of_reaches_only_samples_that_exist():
    """An update of such an input counts for the whole grid, of which most cells were never sampled."""
    for node in nodes():
        if node.partitions_def != sample or node.automation_condition is None:
            continue
        wide = {str(key) for key in node.parent_keys if graph().get(key).partitions_def != sample}
        label = node.automation_condition.get_label()
        assert not wide or "model in use" in label, f"{node.key} depends on {wide}"


def test_models_that_ship_are_known_to_dagster_once(home):
    for _ in range(2):
        with open_instance(home) as instance:
            events = instance.fetch_materializations(dg.AssetKey(["hrtem", "champion_segmenter"]), limit=9).records
            assert [found.asset_materialization.metadata["model_version"].value for found in events] == ["shipped"]
