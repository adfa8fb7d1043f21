import pytest
import torch

from nanodefect_assets.science.learning.devices import autocast

CONVOLUTION, IMAGES = torch.nn.Conv2d(1, 2, 3), torch.ones(1, 1, 8, 8)


def computed_in(precision, monkeypatch, **able):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, **able})
    with torch.inference_mode(), autocast("cpu", precision):
        return CONVOLUTION(IMAGES).dtype


@pytest.mark.parametrize("name", ["amx_bf16", "avx512_bf16", "bf16"])
def test_the_fastest_precision_is_half_where_the_processor_has_it(name, monkeypatch):
    assert computed_in("fastest", monkeypatch, **{name: True}) == torch.bfloat16


@pytest.mark.parametrize("able", [{}, {"amx_bf16": False, "avx512_f": True}])
def test_it_is_single_where_half_is_only_imitated(able, monkeypatch):
    assert computed_in("fastest", monkeypatch, **able) == torch.float32


def test_a_stated_precision_is_taken_whatever_the_processor(monkeypatch):
    assert computed_in("bfloat16", monkeypatch) == torch.bfloat16
    assert computed_in("float32", monkeypatch, amx_bf16=True) == torch.float32
