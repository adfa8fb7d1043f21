import numpy as np
import pytest
import torch

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.sem.network import build_handedness_network, count_parameters
from nanodefect_assets.science.sem.params import HandednessNetworkParams


def crops(n, n_px, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random((n, 1, n_px, n_px), dtype=np.float32))


@pytest.mark.parametrize(("head", "n"), [("sigmoid", 140_097), ("softmax", 140_162)])
def test_the_network_of_the_sevens_has_as_many_parameters_as_the_authors(rng, head, n):
    network = build_handedness_network(HandednessNetworkParams(head=head), n_px=28, rng=rng)

    assert count_parameters(network) == n


@pytest.mark.parametrize(
    "params",
    [
        HandednessNetworkParams.thesis("standard"),
        HandednessNetworkParams.thesis("co_teaching"),
        HandednessNetworkParams.authors_co_teaching(),
    ],
)
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_the_antisymmetric_network_changes_sign_with_the_mirror_to_the_last_bit(rng, params, precision):
    params = params.model_copy(update={"is_antisymmetric": True, "n_filters": 8})
    network = build_handedness_network(params, n_px=28, rng=rng)
    images = crops(7, 28)

    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        answers, of_mirrors = network(images), network(images.flip(-1))

    assert torch.equal(answers, -of_mirrors)
    assert answers.abs().max() > 0


def test_what_is_its_own_mirror_has_no_hand(rng):
    network = build_handedness_network(HandednessNetworkParams(is_antisymmetric=True), n_px=16, rng=rng)
    images = crops(3, 16)

    with torch.inference_mode():
        assert (network(images + images.flip(-1)) == 0).all()


def test_weights_follow_from_the_generator_and_leave_the_process_alone():
    params = HandednessNetworkParams()
    torch.manual_seed(0)
    before = torch.get_rng_state()

    first, again, other = (
        build_handedness_network(params, n_px=16, rng=np.random.default_rng(seed)).state_dict() for seed in (1, 1, 2)
    )

    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["answer.weight"], other["answer.weight"])


def test_a_crop_of_which_nothing_is_left_is_refused(rng):
    with pytest.raises(Refusal, match="at least 10 x 10"):
        build_handedness_network(HandednessNetworkParams(), n_px=9, rng=rng)
