"""Make the fault classifier that ships with the package: ``python -m nanodefect_assets.cli.ship_forest``.

It simulates regions, trains a small forest and writes it with its card into the package's own folder.
"""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

N_FIELDS = 320
N_TREES = 60
"""A tenth of the published number: on held-out regions it differs from 500 by less than chance, and it is small."""

FIELD_SEED = 2021
"""Not the seed of training sets made later: on their held-out fields a forest that saw them would seem better."""

CARD = "CARD.md"


def ship_forest(folder: Path, *, n_fields: int = N_FIELDS, n_trees: int = N_TREES) -> str:
    """Train a forest in a home of its own, write it into `folder` and return its card."""
    import dagster as dg

    from nanodefect_assets.defs.hrtem.fault_classifier import fault_classifier
    from nanodefect_assets.defs.hrtem.faults import FAULT_CLASSIFIER
    from nanodefect_assets.defs.hrtem.region_training_set import region_training_set
    from nanodefect_assets.defs.resources import Compute, HomeResource
    from nanodefect_assets.defs.tracking import Tracking
    from nanodefect_assets.domain.model_card import model_card
    from nanodefect_assets.stores.home import Home
    from nanodefect_assets.stores.registry import SHIPPED, model_version

    config = {
        "hrtem__region_training_set": {
            "config": {"n_fields": n_fields, "field_seed": FIELD_SEED, "use_experts": False}
        },
        "hrtem__fault_classifier": {
            "config": {"n_trees": n_trees, "min_samples_leaf": 3, "compare_features": False, "min_balanced_accuracy": 0}
        },
    }
    with TemporaryDirectory() as root:
        home = Home(Path(root)).prepare()
        done = dg.materialize(
            [region_training_set, fault_classifier],
            instance=dg.DagsterInstance.ephemeral(),
            resources={"home": HomeResource(root=root), "compute": Compute(), "tracking": Tracking()},
            run_config={"ops": config},
        )
        made = done.asset_materializations_for_node("hrtem__fault_classifier")[0]
        found = model_version(home, FAULT_CLASSIFIER, str(made.metadata["model_version"].value))
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(found.folder, folder)
    card = f"# Fault classifier\n\n{model_card(found.record, SHIPPED)}\n"
    (folder / CARD).write_text(card)
    return card


if __name__ == "__main__":
    sys.stdout.write(ship_forest(Path(__file__).parents[1] / "shipped" / "fault_classifier"))
