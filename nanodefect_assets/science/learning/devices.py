"""Where, with how many threads and how exactly torch computes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from nanodefect_assets.science.learning.params import Precision


@contextmanager
def threads(n_threads: int | None) -> Iterator[None]:
    """Let torch use `n_threads` threads inside, and afterwards as many as before; None leaves them alone."""
    if n_threads is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let torch draw from `seed` inside, and go on afterwards as if nothing had been drawn."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def autocast(device: str, precision: Precision) -> torch.autocast:
    """Return the context in which convolutions compute in `precision`."""
    is_half = settle_precision(device, precision) == "bfloat16"
    return torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=is_half)


def settle_precision(device: str, precision: Precision) -> Precision:
    """Return what `precision` is on `device`: ``float32`` or ``bfloat16``."""
    if precision != "fastest":
        return precision
    return "bfloat16" if computes_bfloat16(device) else "float32"


def computes_bfloat16(device: str) -> bool:
    """Return whether `device` has instructions for bfloat16; without, it is slower than float32, by up to nine times.

    Notes
    -----
    That is AMX or AVX512-BF16 of x86 processors, BF16 of Arm's, and what CUDA says without emulation.
    """
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    able = torch.cpu.get_capabilities()
    return any(bool(able.get(name)) for name in ("amx_bf16", "avx512_bf16", "bf16"))


def used_s(device: str) -> float:
    """Return a reading, in seconds, of the processor time of this process; on a GPU, of the clock."""
    return time.process_time() if torch.device(device).type == "cpu" else time.perf_counter()
