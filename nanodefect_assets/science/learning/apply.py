"""A network on images: probabilities, classes and counts."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nanodefect_assets.domain.patches import PatchSet
from nanodefect_assets.science.learning.devices import autocast, threads
from nanodefect_assets.science.learning.losses import LossName, segmentation_loss
from nanodefect_assets.science.learning.networks import Network, place
from nanodefect_assets.science.learning.params import Precision
from nanodefect_assets.science.learning.scores import ConfusionCounts, add_counts, count_confusion


def probabilities(
    network: Network,
    images: Float[np.ndarray, "n row col"],
    *,
    device: str = "cpu",
    n_per_batch: int = 4,
    precision: Precision = "float32",
    n_threads: int | None = None,
) -> Float[np.ndarray, "n class row col"]:
    """Return the probability of each class at every pixel.

    Parameters
    ----------
    network : Network
        Is moved to the device and left in evaluation mode; several threads may use one network.
    images : ndarray of shape (n, row, col)
        Counts as normalised for the training, of any size.
    device : str
        cpu or cuda.
    n_per_batch : int
        Images in memory at once; batches change no image's result beyond rounding.
    precision : {"float32", "bfloat16"}
        bfloat16 is about twice as fast on processors that have it, to about two digits of a probability.
    n_threads : int or None
        Threads of torch; None: as many as it is set to.

    Returns
    -------
    ndarray of shape (n, class, row, col)
        Sums to 1 over the classes, float32.
    """
    _check_images(images)
    found = np.empty((len(images), network.n_classes, *images.shape[1:]), dtype=np.float32)
    with threads(n_threads), torch.inference_mode():
        place(network, device).eval()
        for first in range(0, len(images), n_per_batch):
            part = slice(first, first + n_per_batch)
            scores = _scores(network, images[part], device, precision)
            found[part] = torch.softmax(scores, dim=1).cpu().numpy()
    return found


def _check_images(images: np.ndarray) -> None:
    if images.ndim != 3 or 0 in images.shape[1:]:
        raise ValueError(f"Expected images of shape (n, row, col). Got {images.shape}.")
    if not np.isfinite(images).all():
        raise ValueError("Expected finite images. Got NaN or infinity.")


def _scores(network: Network, images: Float[np.ndarray, "n row col"], device: str, precision: Precision) -> Tensor:
    batch = torch.from_numpy(np.array(images, dtype=np.float32, order="C")).to(device)
    with autocast(device, precision):
        return network(batch[:, None]).float()


def judge(
    network: Network,
    patches: PatchSet,
    *,
    loss: LossName = "cross_entropy",
    device: str = "cpu",
    n_per_batch: int = 8,
    precision: Precision = "float32",
    class_weights: Tensor | None = None,
) -> tuple[float, ConfusionCounts]:
    """Return the loss and the confusion counts of a network on patches; a pixel gets its most probable class.

    `class_weights` are those of `segmentation_loss`, for the loss alone.
    """
    place(network, device).eval()
    losses, weights, counts = [], [], []
    with torch.inference_mode():
        for part in _parts(len(patches.images), n_per_batch):
            scores = _scores(network, patches.images[part], device, precision)
            classes = torch.from_numpy(np.array(patches.classes[part])).to(device)
            losses.append(float(segmentation_loss(loss, scores, classes, class_weights)))
            weights.append(len(classes))
            predicted = scores.argmax(dim=1).to(torch.uint8).cpu().numpy()
            counts.append(_count(predicted, patches, part))
    return float(np.average(losses, weights=weights)), add_counts(counts)


def _parts(n: int, size: int) -> Iterator[slice]:
    return (slice(first, first + size) for first in range(0, n, size))


def _count(predicted: np.ndarray, patches: PatchSet, part: slice) -> ConfusionCounts:
    return count_confusion(
        predicted,
        patches.classes[part],
        group=patches.group[part],
        micrograph_ids=patches.micrograph_ids,
        class_names=patches.class_names,
    )
