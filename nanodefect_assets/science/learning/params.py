"""Free parameters of networks and their training."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

Architecture = Literal["unet", "unet_vgg16", "unet_resnet18", "unet_mobilenet", "atrous", "fpn"]
"""Networks that are compared: the small U-Net of fig. 3.1, and the five of chapter 4."""

Precision = Literal["float32", "bfloat16", "fastest"]
"""fastest: bfloat16 where the processor or GPU computes with it, float32 elsewhere."""


class TrainingParams(BaseModel):
    """Free parameters of `train`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    optimiser: Literal["adam", "adamw", "adadelta", "sgd"] = Field(
        default="adamw", description="sgd has a Nesterov momentum of 0.9."
    )
    learning_rate: float = Field(default=3e-3, gt=0, le=10, description="Largest step of the optimiser.")
    weight_decay: float = Field(default=1e-4, ge=0, le=1, description="Pull of the weights towards zero.")
    schedule: Literal["constant", "cosine"] = Field(
        default="cosine", description="cosine: the learning rate rises over the warm-up, then falls to zero at the end."
    )
    warmup: float = Field(default=0.05, ge=0, le=0.5, description="Share of a cosine schedule that is its rise.")
    max_gradient_norm: float | None = Field(
        default=1.0, gt=0, description="Longer gradients are shortened to this; None: never."
    )
    loss: Literal["cross_entropy", "cross_entropy_dice"] = Field(
        default="cross_entropy_dice", description="cross_entropy_dice: the sum of cross-entropy and soft Dice loss."
    )
    rare_share: float = Field(
        default=0.05,
        ge=0,
        lt=1,
        description="A class that fills a smaller share f of the labelled training pixels weighs rare_share / f times "
        "as much in the cross-entropy when training begins, and the square root of that at its end; 0: all pixels "
        "weigh alike throughout.",
    )
    rare_patch_share: float = Field(
        default=0.25,
        ge=0,
        lt=1,
        description="Patches with a class that a smaller share f of the training patches holds are seen "
        "sqrt(rare_patch_share / f) times as often; 0: all are seen alike.",
    )
    n_per_batch: int = Field(default=8, ge=1, le=1024, description="Patches of a step.")
    steps_per_epoch: int = Field(default=50, ge=1, description="Steps between two looks at the validation set.")
    max_epochs: int = Field(default=20, ge=1, le=10_000, description="Epochs after which training ends.")
    budget_s: float | None = Field(
        default=None,
        gt=0,
        description="Training ends when it has used this much processor time (all threads; on a GPU, time by the "
        "clock), validation included. Two trainings under a budget need not be equal to the bit. None: no budget.",
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        description="Training ends after this many epochs without a gain of min_delta; None: never so.",
    )
    min_delta: float = Field(default=1e-3, ge=0, description="Fall of the validation loss that counts as a gain.")
    ema_decay: float = Field(
        default=0.99,
        ge=0,
        lt=1,
        description="What is judged and kept is a running mean of the weights that forgets with this factor a step; "
        "0: the weights themselves.",
    )
    precision: Precision = Field(
        default="float32",
        description="bfloat16: convolutions in half precision, weights and loss in float32. fastest: so where the "
        "processor or GPU has it, else float32.",
    )
    cropped_share: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the training, from its start, in which a random quarter of each patch, half as wide and "
        "high, stands for it: four steps in the time of one.",
    )

    has_flips: bool = Field(default=True, description="Rotations by 90 degrees and mirror images.")
    rotated_share: float = Field(
        default=0.25, ge=0, le=1, description="Patches turned by any angle, their rim reflected."
    )
    max_zoom: float = Field(
        default=0.15,
        ge=0,
        le=3,
        description="Those are also shrunk or enlarged, by a factor of at most 1 + max_zoom; a large one stands for "
        "micrographs of unknown scale.",
    )
    max_gain: float = Field(
        default=0.2, ge=0, lt=1, description="Contrast changes by a factor of at most 1 + max_gain or its inverse."
    )
    max_offset: float = Field(
        default=0.2, ge=0, description="Brightness shifts by at most this, in standard deviations of the patch."
    )
    max_noise: float = Field(
        default=0.1, ge=0, description="Gaussian noise added, at most this in standard deviations of the patch."
    )

    @classmethod
    def thesis(cls, architecture: Architecture) -> Self:
        """Return the published protocol: chapter 3 for the U-Net of fig. 3.1, chapter 4 for the others.

        Notes
        -----
        An epoch of chapter 3 has 1,000 augmented samples, four fifths of them for training: 40 steps of 20. Chapter 4
        gives no batch size; that of chapter 3 is taken.
        """
        common = {
            "schedule": "constant",
            "weight_decay": 0,
            "max_gradient_norm": None,
            "n_per_batch": 20,
            "ema_decay": 0,
            "rare_share": 0,
            "rare_patch_share": 0,
            "rotated_share": 1,
            "max_zoom": 0,
            "max_gain": 0,
            "max_offset": 0,
            "max_noise": 0,
        }
        return cls.model_validate(common | _CHAPTER[3 if architecture == "unet" else 4] | _OWN.get(architecture, {}))


_CHAPTER: dict[int, dict[str, object]] = {
    3: {
        "optimiser": "adam",
        "learning_rate": 1e-4,
        "loss": "cross_entropy",
        "max_epochs": 10,
        "steps_per_epoch": 40,
        "patience": 2,
        "min_delta": 1e-3,
    },
    4: {
        "optimiser": "adam",
        "learning_rate": 1e-3,
        "loss": "cross_entropy_dice",
        "max_epochs": 20,
        "steps_per_epoch": 100,
    },
}

_OWN: dict[Architecture, dict[str, object]] = {
    "fpn": {"optimiser": "adadelta"},
    "atrous": {"learning_rate": 5e-5, "loss": "cross_entropy"},
}
