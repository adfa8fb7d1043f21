from typing import get_args

import numpy as np
import pytest
import torch

from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.learning.networks import (
    build_network,
    count_parameters,
    fused,
    load_weights,
    weights_of,
)
from nanodefect_assets.science.learning.params import Architecture
from nanodefect_assets.science.learning.unet import UNet

SLOW = ("unet_resnet18", "unet_mobilenet", "atrous")


@pytest.mark.parametrize("variant", ["text", "authors"])
def test_the_unet_of_figure_3_1_has_65490_numbers(variant, rng):
    network = build_network("unet", n_classes=2, rng=rng, variant=variant)

    assert count_parameters(network) == 65_490
    assert sum(array.size for array in weights_of(network).values()) == 65_490


def test_variants_differ_in_what_the_next_level_receives(rng):
    text = UNet(2)
    authors = UNet(2, variant="authors")
    authors.load_state_dict(text.state_dict())
    image = torch.from_numpy(rng.standard_normal((1, 1, 32, 32), dtype=np.float32))
    seen = {}
    for name, network in (("text", text), ("authors", authors)):
        network.encoder[1].register_forward_pre_hook(lambda _, features, name=name: seen.update({name: features[0]}))
        network.eval()(image)

    assert (seen["text"] >= 0).all()
    assert (seen["authors"] < 0).any()
    torch.testing.assert_close(seen["text"], seen["authors"].clamp(min=0))


@pytest.mark.parametrize(
    "architecture", ["unet", "fpn", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_any_size_goes_through_any_network(architecture, rng):
    network = build_network(architecture, n_classes=3, rng=rng).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 1, 50, 71)).shape == (1, 3, 50, 71)


def test_padding_does_not_touch_images_whose_size_fits(rng):
    network = build_network("unet", n_classes=2, rng=rng).eval()
    image = torch.from_numpy(rng.standard_normal((1, 1, 48, 64), dtype=np.float32))
    with torch.inference_mode():
        assert torch.equal(network(image), network.body(image))


@pytest.mark.slow  # sixteen million numbers are drawn
def test_the_largest_network_can_be_built(rng):
    assert {"unet", "fpn", "unet_vgg16", *SLOW} == set(get_args(Architecture))
    assert count_parameters(build_network("unet_vgg16", n_classes=2, rng=rng)) > 1e7


def test_same_generator_same_weights_and_torchs_own_randomness_untouched():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first, second, other = (build_network("unet", n_classes=2, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))

    assert torch.equal(torch.rand(3), expected)
    assert all(np.array_equal(weights_of(first)[name], array) for name, array in weights_of(second).items())
    assert not np.array_equal(weights_of(first)["head.weight"], weights_of(other)["head.weight"])


def test_weights_go_out_and_in_again(rng):
    first, second = (build_network("unet", n_classes=2, rng=rng) for _ in range(2))
    with torch.no_grad():
        first.body.centre[0][1].running_mean += 1
    load_weights(second, weights_of(first))

    assert all(array.dtype == np.float32 for array in weights_of(first).values())
    assert all(np.array_equal(weights_of(first)[name], array) for name, array in weights_of(second).items())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda weights: weights.pop("head.bias"), "head.bias"),
        (lambda weights: weights.update({"head.bias": np.zeros(3, np.float32)}), r"shape \(2,\).*shape \(3,\)"),
        (lambda weights: weights["head.bias"].fill(np.nan), "finite"),
    ],
    ids=["missing", "shape", "not finite"],
)
def test_foreign_weights_are_refused_and_leave_the_network_alone(change, words, rng):
    network = build_network("unet", n_classes=2, rng=rng)
    before = weights_of(network)
    weights = {name: array + 1 for name, array in before.items()}
    change(weights)

    with pytest.raises(Refusal, match=words):
        load_weights(network, weights)
    assert all(np.array_equal(weights_of(network)[name], array) for name, array in before.items())


def test_what_cannot_be_built_is_said(rng):
    with pytest.raises(ValueError, match="Expected one of unet, "):
        build_network("resunet", n_classes=2, rng=rng)
    with pytest.raises(ValueError, match="at least 2 classes"):
        build_network("unet", n_classes=1, rng=rng)


@pytest.mark.parametrize(
    ("architecture", "given"), [("unet", {}), ("unet", {"variant": "authors", "in_channels": 2}), ("unet_vgg16", {})]
)
def test_fused_norms_change_no_answer_and_not_the_network(architecture, given, rng):
    network = build_network(architecture, n_classes=2, rng=rng, **given)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-1, 1)
            module.running_var.uniform_(0.5, 2)
    images, before = torch.rand(2, network.in_channels, 64, 96), weights_of(network)
    applied = fused(network)

    with torch.inference_mode():
        np.testing.assert_allclose(applied(images), network.eval()(images), atol=1e-4)
        np.testing.assert_allclose(applied(images[..., :50, :71]), network(images[..., :50, :71]), atol=1e-4)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in applied.modules())
    assert all(np.array_equal(array, before[name]) for name, array in weights_of(network).items())


def test_the_folded_decoder_never_holds_repeated_features(rng):
    applied = fused(build_network("unet", n_classes=2, rng=rng))

    assert not any(isinstance(module, torch.nn.Upsample) for module in applied.modules())
    assert [block.below.weight.shape[0] for block in applied.body.decoder] == [32, 32, 16, 8]
