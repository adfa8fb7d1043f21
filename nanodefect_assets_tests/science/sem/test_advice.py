import pytest

from nanodefect_assets.domain.manifest import Chirality
from nanodefect_assets.science.sem.advice import choose_method
from nanodefect_assets.science.sem.params import ProductionParams


@pytest.mark.parametrize(
    ("share", "is_true", "n_anchors", "method"),
    [
        (0.05, True, 0, "standard"),
        (0.3, True, 2, "two_step"),
        (0.3, True, 0, "co_teaching"),
        (0.05, False, 2, "co_teaching"),
        (0.05, None, 2, "co_teaching"),
        (None, True, 2, "co_teaching"),
        (None, None, 0, "co_teaching"),
        (0.45, True, 2, None),
        (0.5, None, 2, None),
    ],
)
def test_the_method_is_that_of_the_thesis_s_advice_and_says_why(share, is_true, n_anchors, method):
    stated = Chirality(expected_minority_share=share, true_enantiomers=is_true)

    choice = choose_method(stated, ProductionParams(), n_anchors=n_anchors)

    assert choice.method == method
    assert choice.reason.endswith(".")
