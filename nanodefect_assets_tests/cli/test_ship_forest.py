import numpy as np
import pytest

from nanodefect_assets.cli.ship_forest import CARD, FIELD_SEED, ship_forest
from nanodefect_assets.defs.hrtem.faults import confusion_of, rules_of
from nanodefect_assets.science.hrtem.fault_features import feature_names
from nanodefect_assets.science.hrtem.fault_forest import FAULT_CLASSES, class_probabilities
from nanodefect_assets.science.hrtem.fault_params import FeatureParams, RegionParams
from nanodefect_assets.science.workflows.region_params import RegionFieldParams
from nanodefect_assets.stores.models import read_estimator
from nanodefect_assets.stores.registry import shipped_model


def probabilities_of_two(record, estimator):
    """Classify two regions of which the record's own features are all zero."""
    return class_probabilities(estimator, np.zeros((2, len(feature_names(record.architecture.params["features"])))))


@pytest.mark.slow
def test_a_small_forest_is_made_and_can_be_read(tmp_path):
    card = ship_forest(tmp_path / "forest", n_fields=20, n_trees=10)

    record, estimator = read_estimator(tmp_path / "forest")
    assert (tmp_path / "forest" / CARD).read_text() == card
    assert record.is_simulated_training
    assert confusion_of(record).sum() > 10
    assert probabilities_of_two(record, estimator).sum(axis=1) == pytest.approx(1)


def test_the_shipped_forest_is_whole_and_good():
    model = shipped_model("fault_classifier")

    assert model is not None
    assert model.record.classes == FAULT_CLASSES
    assert model.record.scores["balanced_accuracy"].value > 0.8
    assert rules_of(model.record) == RegionParams()
    assert (confusion_of(model.record).sum(axis=1) >= 10).all()
    FeatureParams.model_validate(model.record.normalisation.params["features"])
    assert probabilities_of_two(model.record, model.estimator()).sum(axis=1) == pytest.approx(1)


def test_the_shipped_forest_has_not_seen_the_fields_that_later_ones_are_compared_on():
    assert RegionFieldParams().field_seed != FIELD_SEED
