import pytest
import torch

from nanodefect_assets.defs.resources import Compute
from nanodefect_assets.domain.refusal import Refusal


@pytest.mark.parametrize(
    ("has_gpu", "device", "found"),
    [(True, "auto", "cuda"), (False, "auto", "cpu"), (True, "cpu", "cpu"), (True, "cuda", "cuda")],
)
def test_networks_compute_where_they_can(has_gpu, device, found, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert Compute(device=device).pick_device() == found


def test_a_gpu_that_was_asked_for_and_is_not_there_is_said(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(Refusal, match=r"a GPU.*Set device to auto"):
        Compute(device="cuda").pick_device()
