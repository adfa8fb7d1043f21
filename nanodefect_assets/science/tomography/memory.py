"""Work that would not fit in memory is refused before it is begun."""

import psutil

from nanodefect_assets.domain.refusal import Refusal


def require_memory(needed_bytes: int, what: str, allowed_bytes: int | None = None) -> None:
    """Refuse work that needs more memory than there is.

    Parameters
    ----------
    needed_bytes : int
        About what is needed at the peak.
    what : str
        What needs it, with its size.
    allowed_bytes : int or None
        What may be taken; None for what is free.
    """
    free = psutil.virtual_memory().available if allowed_bytes is None else allowed_bytes
    if needed_bytes > free:
        raise Refusal(
            "too_large",
            expected=f"work that fits in {free / 1e9:.1f} GB",
            got=f"{needed_bytes / 1e9:.1f} GB for {what}",
            advice="Crop or bin the images, or use a machine with more memory.",
        )
