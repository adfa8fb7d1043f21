from itertools import combinations

import pytest

from nanodefect_assets.science.hrtem.params import GateParams, NetworkParams, SegmentationParams


@pytest.mark.parametrize(("one", "other"), [*combinations((GateParams, NetworkParams, SegmentationParams), 2)])
def test_models_that_make_up_one_form_share_no_name(one, other):
    assert not one.model_fields.keys() & other.model_fields.keys()
