"""Automation on a sparse grid: two batches that share no aliquot time."""

import dagster as dg
import pytest

from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.conditions import when_inputs_or_models_pass, when_inputs_pass, when_inputs_settle
from nanodefect_assets.defs.partitions import batch_of_sample, register_places, sample, sample_key, synthesis_batch
from nanodefect_assets.domain.keys import Place

CELLS = (
    Place(batch="a", aliquot="t0003600"),
    Place(batch="a", aliquot="t0028800"),
    Place(batch="b", aliquot="end"),
)


class Verdict(dg.ConfigurableResource):
    bad: list[str]


@dg.asset(
    key=["g", "source"], partitions_def=sample, check_specs=[declare_check(("g", "source"), "sound", "", blocking=True)]
)
def source(context: dg.AssetExecutionContext, verdict: Verdict) -> dg.MaterializeResult:
    result = dg.AssetCheckResult(check_name="sound", passed=str(context.partition_key) not in verdict.bad)
    return dg.MaterializeResult(check_results=[result])


@dg.asset(key=["g", "cell"], deps=[source], partitions_def=sample, automation_condition=when_inputs_pass)
def cell() -> None: ...


@dg.asset(
    key=["g", "batch"],
    deps=[dg.AssetDep(cell, partition_mapping=batch_of_sample)],
    partitions_def=synthesis_batch,
    automation_condition=when_inputs_settle,
)
def batch() -> None: ...


@dg.asset(key=["g", "all"], deps=[cell, batch], automation_condition=when_inputs_settle)
def everything() -> None: ...


ASSETS = [source, cell, batch, everything]
DEFS = dg.Definitions(ASSETS, resources={"verdict": Verdict(bad=[])})


@pytest.fixture
def grid():
    """Evaluate ticks; requests are not carried out unless the test does so."""
    with dg.DagsterInstance.ephemeral() as instance:
        register_places(instance, CELLS)
        yield Grid(instance)


class Grid:
    def __init__(self, instance):
        self.instance = instance
        self.cursor = None
        self.tick()

    def tick(self):
        result = dg.evaluate_automation_conditions(DEFS, self.instance, cursor=self.cursor)
        self.cursor = result.cursor
        return {
            (asset.key.to_user_string(), str(partition))
            for asset in ASSETS
            for partition in result.get_requested_partitions(asset.key)
        }

    def make(self, asset, place=None, *, bad=()):
        key = None if place is None else (sample_key(place) if asset in (source, cell) else place.batch)
        dg.materialize(
            [asset],
            selection=[asset],
            instance=self.instance,
            partition_key=key,
            resources={"verdict": Verdict(bad=list(bad))},
            raise_on_error=False,
        )


def keys(requested, asset):
    return {partition for name, partition in requested if name == asset}


def test_nothing_is_asked_for_while_nothing_changes(grid):
    assert grid.tick() == set()


def test_a_changed_cell_asks_for_what_stands_below_it_alone(grid):
    grid.make(source, CELLS[0])

    requested = grid.tick()

    assert keys(requested, "g/cell") == {str(sample_key(CELLS[0]))}


def test_a_cell_that_failed_its_blocking_check_is_held_back_alone(grid):
    grid.make(source, CELLS[0], bad=[str(sample_key(CELLS[0]))])
    grid.make(source, CELLS[2])

    requested = grid.tick()

    assert keys(requested, "g/cell") == {str(sample_key(CELLS[2]))}


def test_gathering_assets_fire_on_a_sparse_grid(grid):
    grid.make(cell, CELLS[0])

    requested = grid.tick()

    assert keys(requested, "g/batch") == {"a"}


def test_gathering_assets_do_not_wait_for_a_failed_cell(grid):
    grid.make(source, CELLS[1], bad=[str(sample_key(CELLS[1]))])
    grid.make(cell, CELLS[0])

    requested = grid.tick()

    assert keys(requested, "g/batch") == {"a"}


def test_once_made_nothing_is_asked_for_again(grid):
    grid.make(cell, CELLS[0])
    grid.tick()
    grid.make(batch, CELLS[0])
    grid.tick()
    grid.make(everything)

    assert grid.tick() == set()


def test_an_input_asked_for_beside_the_gathering_asset_is_not_forgotten(grid):
    """Both are asked for in one tick, and the gathering asset is done last though it has read first."""
    grid.make(cell, CELLS[0])
    grid.tick()
    grid.make(batch, CELLS[0])
    grid.make(everything)

    assert keys(grid.tick(), "g/all") == {"None"}


def test_an_input_made_while_the_gathering_asset_is_at_work_is_not_forgotten(grid):
    grid.make(cell, CELLS[0])
    grid.tick()
    grid.make(batch, CELLS[0])
    grid.tick()
    assert grid.tick() == set()
    grid.make(source, CELLS[0])
    grid.tick()

    grid.make(batch, CELLS[2])  # after `everything` has read its inputs
    grid.make(everything)

    assert keys(grid.tick(), "g/all") == {"None"}


@dg.asset(key=["g", "model"])
def model() -> None: ...


@dg.asset(
    key=["g", "by_model"],
    deps=[source, model],
    partitions_def=sample,
    automation_condition=when_inputs_or_models_pass(["g", "model"]),
)
def by_model() -> None: ...


class TestModels:
    """An asset of a sample that uses a model: `source` of two of the three cells was made."""

    @pytest.fixture
    def ticks(self):
        with dg.DagsterInstance.ephemeral() as instance:
            register_places(instance, CELLS)
            yield ModelTicks(instance)

    def test_no_model_holds_nothing_back(self, ticks):
        ticks.make(source, CELLS[0])

        assert ticks.tick() == {str(sample_key(CELLS[0]))}

    def test_another_model_reaches_the_samples_that_exist_and_no_other(self, ticks):
        for place in CELLS[:2]:
            ticks.make(source, place)
        ticks.tick()
        ticks.tick()  # what was asked for is seen to be made
        ticks.make(model)

        assert ticks.tick() == {str(sample_key(place)) for place in CELLS[:2]}


class ModelTicks:
    def __init__(self, instance):
        self.instance, self.cursor = instance, None
        self.defs = dg.Definitions([source, model, by_model], resources={"verdict": Verdict(bad=[])})
        self.tick()

    def tick(self):
        result = dg.evaluate_automation_conditions(self.defs, self.instance, cursor=self.cursor)
        self.cursor = result.cursor
        found = {str(partition) for partition in result.get_requested_partitions(by_model.key)}
        for place in CELLS:
            if str(sample_key(place)) in found:
                self.make(by_model, place)
        return found

    def make(self, asset, place=None):
        dg.materialize(
            [asset],
            selection=[asset],
            instance=self.instance,
            partition_key=None if place is None else sample_key(place),
            resources={"verdict": Verdict(bad=[])},
        )
