"""What a new forest and the one in use are compared on; both are the one that ships, so that nothing is trained."""

import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from nanodefect_assets.defs.hrtem.fault_trainer import FaultClassifierConfig, FaultTrainer, Trained
from nanodefect_assets.defs.hrtem.faults import classify, rules_of
from nanodefect_assets.defs.hrtem.region_data import RegionData
from nanodefect_assets.defs.tracking import Tracking
from nanodefect_assets.domain.champion import PromotionDecision, Score, marks_of
from nanodefect_assets.science.hrtem.fault_compare import confusions_by_micrograph
from nanodefect_assets.science.hrtem.fault_forest import FAULT_CLASSES, RegionSplit, score_probabilities
from nanodefect_assets.science.hrtem.regions import Region
from nanodefect_assets.science.hrtem.support import describe_support
from nanodefect_assets.stores.mlflow_client import open_tracking
from nanodefect_assets.stores.registry import model_in_use, promote, register_model, shipped_model

HELD_OUT = tuple(f"a/end/{number}.tif" for number in range(6))
OTHERS = ("a/end/8.tif", "a/end/9.tif")
N_EACH = 3


@pytest.fixture(scope="module")
def data():
    """Return regions of noise, three a micrograph, of which six are held out."""
    rng, rows, regions = np.random.default_rng(6), [], {}
    for name in (*HELD_OUT, *OTHERS):
        counts = rng.normal(100, 10, (64, 64))
        support = describe_support(counts, np.ones((64, 64), dtype=bool))
        for number in range(N_EACH):
            region_id = f"{name}#{number + 1}"
            rows.append({"region_id": region_id, "micrograph_id": name})
            regions[region_id] = Region(
                region_id=region_id,
                micrograph_id=name,
                kind="particle",
                particle_id=region_id,
                agglomerate_id=None,
                top=0,
                left=0,
                counts=counts[: 40 + number],
                mask=np.ones((40 + number, 64), dtype=bool),
                contact_fraction=0.0,
                touches_edge=False,
                pixel_size_nm=0.04,
                support=support,
            )
    table = pd.DataFrame(rows)
    test = table["micrograph_id"].isin(HELD_OUT).to_numpy()
    return RegionData(
        rows=table,
        read=regions.__getitem__,
        classes=rng.integers(len(FAULT_CLASSES), size=len(table)),
        split=RegionSplit(train=~test, calibration=~test, test=test),
        fingerprint="f" * 64,
        rules=rules_of(shipped_model("fault_classifier").record),
    )


def registered(home, folder, *, seen):
    """Register the forest that ships as one that has seen some micrographs, or of which that is not known."""
    shipped = shipped_model("fault_classifier")
    shutil.copytree(shipped.folder, folder)
    record = shipped.record.model_copy(update={"seen": None if seen is None else marks_of(seen)})
    (folder / "model.json").write_text(record.model_dump_json())
    run = open_tracking(home).create_run("0")
    return register_model(home, folder, mlflow_run_id=run.info.run_id)


def judged(home, data, folder, *, seen):
    """Return what is decided about a forest where the one in use has seen some micrographs."""
    before = model_in_use(home, "fault_classifier").version
    in_use = registered(home, folder / "in_use", seen=seen)
    by_hand = {"metric": "balanced_accuracy", "compared_on": "nothing", "challenger": Score(value=0.5, n=2)}
    decision = PromotionDecision.judge(
        name="fault_classifier",
        challenger_version=in_use,
        incumbent_version=before,
        override_reason="the test wants it",
        **by_hand,
    )
    promote(home, "fault_classifier", in_use, decision)
    model, test = model_in_use(home, "fault_classifier"), data.split.test
    probabilities = classify(model, model.estimator(), data.regions(test))
    names = data.rows["micrograph_id"].to_numpy().astype(str)[test]
    best = Trained(
        features="local",
        run_id="0" * 32,
        estimator=None,
        scores=score_probabilities(probabilities, data.classes[test]),
        probabilities=probabilities,
        confusions=confusions_by_micrograph(probabilities, data.classes[test], names),
        gate=None,
    )
    config = FaultClassifierConfig(min_balanced_accuracy=0.0, min_recall=0.0)
    trainer = FaultTrainer(None, config, SimpleNamespace(home=home), Tracking(), config.forest(), data)
    return trainer.judge(best, registered(home, folder / "new", seen=()))


def test_forests_are_compared_on_what_the_one_in_use_has_not_seen(home, data, tmp_path):
    decision = judged(home, data, tmp_path, seen=(HELD_OUT[0], HELD_OUT[4], *OTHERS))

    assert decision.incumbent.n == decision.challenger.n == 4
    assert decision.incumbent.value == decision.challenger.value
    assert decision.compared_on == "4 held-out micrographs of ffffffffffff (2 more were seen by the model in use)"


def test_forests_are_compared_on_all_that_is_held_out_where_the_one_in_use_saw_none_of_it(home, data, tmp_path):
    decision = judged(home, data, tmp_path, seen=OTHERS)

    assert decision.incumbent.n == decision.challenger.n == len(HELD_OUT)
    assert decision.compared_on == "6 held-out micrographs of ffffffffffff"


def test_a_forest_is_not_compared_where_the_one_in_use_has_seen_all_but_one(home, data, tmp_path):
    decision = judged(home, data, tmp_path, seen=HELD_OUT[1:])

    assert (decision.is_promoted, decision.incumbent, decision.difference_interval) == (False, None, None)
    assert decision.reason == "failed 2_micrographs_new_to_both"


def test_a_model_of_which_nothing_is_known_is_compared_and_that_is_said(home, data, tmp_path):
    decision = judged(home, data, tmp_path, seen=None)

    assert decision.incumbent.n == len(HELD_OUT)
    assert decision.compared_on.endswith("(what the model in use was trained on is not known)")
