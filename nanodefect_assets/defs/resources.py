"""What assets are given: the home, and a share of the machine."""

import ctypes
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import dagster as dg
from pydantic import Field, PrivateAttr

from nanodefect_assets.domain.generation import RunSize
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.processes import PROCESS_TAG, ProcessIdentity

_FAST_MICROGRAPHS = 4
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Numbers of two settings in glibc's malloc.h."""


class HomeResource(dg.ConfigurableResource):
    """The folder that holds everything, and the size in which things are made."""

    root: str | None = Field(default=None, description="Folder; the environment's NANODEFECT_HOME if not given.")
    run_size: RunSize = Field(
        default="full",
        description="fast: the first four micrographs of a sample, for trying settings; study and full: all of them.",
    )
    _home: Home = PrivateAttr()

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Find the folder, and tag the run with the process that works on it."""
        self._home = (Home.of_environment() if self.root is None else Home(Path(self.root))).prepare()
        if context.run is not None and context.instance is not None and context.instance.has_run(context.run.run_id):
            context.instance.add_run_tags(context.run.run_id, {PROCESS_TAG: ProcessIdentity.of_this().to_text()})

    @property
    def home(self) -> Home:
        """The folders."""
        return self._home

    @property
    def max_micrographs(self) -> int | None:
        """How many micrographs of a sample are looked at; None for all."""
        return _FAST_MICROGRAPHS if self.run_size == "fast" else None


def keep_freed_memory() -> None:
    """Let this process use again what it freed, where it would give every array of more than 32 MB back.

    Fresh memory is cleared page by page: of the passes of a network over a large micrograph that is a quarter of the
    time. Other C libraries than glibc have no such setting, and are left alone.
    """
    allocator = ctypes.CDLL(None)
    if hasattr(allocator, "gnu_get_libc_version"):
        allocator.mallopt(_M_MMAP_THRESHOLD, 2**30)
        allocator.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


class Compute(dg.ConfigurableResource):
    """How much of the machine one run may use."""

    threads: int = Field(
        default=0, ge=0, description="Threads of one run. 0: NANODEFECT_THREADS if set, else every core of the machine."
    )

    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where networks compute. auto: on a GPU where torch finds one, else on the CPU."
    )

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Let the process keep the memory that it frees, see `keep_freed_memory`."""
        keep_freed_memory()

    def pick_device(self) -> Literal["cpu", "cuda"]:
        """Return where networks compute; looks for a GPU only when asked, because torch takes seconds to load."""
        if self.device == "cpu":
            return "cpu"
        import torch

        if torch.cuda.is_available():
            return "cuda"
        if self.device == "cuda":
            raise Refusal(
                "no_gpu",
                expected="a GPU, because the resource compute has device cuda",
                got="none that torch can use",
                advice="Set device to auto or cpu, or install the CUDA build of torch and a driver.",
            )
        return "cpu"

    @property
    def n_threads(self) -> int:
        """Threads of one run."""
        return self.threads or int(os.environ.get("NANODEFECT_THREADS", "0")) or len(os.sched_getaffinity(0))

    @contextmanager
    def numba_threads(self) -> Iterator[None]:
        """Let compiled loops take this run's threads and no more."""
        from numba import get_num_threads, set_num_threads

        before = get_num_threads()
        set_num_threads(min(self.n_threads, before))
        try:
            yield
        finally:
            set_num_threads(before)

    @contextmanager
    def executor(self) -> Iterator[Executor]:
        """Provide what science fans out over."""
        with ThreadPoolExecutor(self.n_threads) as executor:
            yield executor
