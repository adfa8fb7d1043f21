import dagster as dg
import pytest

from nanodefect_assets.defs.partitions import register_places, sample_key
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.refusal import Refusal


def test_places_become_partition_keys():
    with dg.DagsterInstance.ephemeral() as instance:
        register_places(instance, (Place(batch="pd-1", aliquot="t0028800"), Place(batch="pd-2", aliquot="end")))

        assert instance.get_dynamic_partitions("synthesis_batch") == ["pd-1", "pd-2"]
        assert instance.get_dynamic_partitions("aliquot_time") == ["end", "t0028800"]


def test_sample_key_names_its_dimensions():
    key = sample_key(Place(batch="pd-1", aliquot="t0028800"))

    assert key.keys_by_dimension == {"synthesis_batch": "pd-1", "aliquot_time": "t0028800"}


@pytest.mark.parametrize("place", [Place(), Place(batch="pd-1"), Place(aliquot="end")])
def test_what_is_no_sample_has_no_sample_key(place):
    with pytest.raises(ValueError, match="Expected a sample"):
        sample_key(place)


@pytest.mark.parametrize("batch", ["../x", "a/b", "A", "", "-a", "a" * 64, "ä"])
def test_what_dagster_would_take_for_a_key_is_refused(batch):
    with pytest.raises(Refusal, match="batch id"):
        Place(batch=batch)
