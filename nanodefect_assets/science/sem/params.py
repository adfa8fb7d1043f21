"""Free parameters of handedness under label noise."""

from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nanodefect_assets.science.learning.params import Precision

Method = Literal["standard", "two_step", "co_teaching"]
"""How a network is trained on mirror labels."""

SplitKind = Literal["pairs", "leaking"]
"""pairs: an image and its mirror on one side. leaking: images shuffled after mirroring, as published."""


USUAL = "usual"
"""Variant of a study that has the protocol's own network, optimiser and augmentation."""

_NETWORKS = ("plain", "antisymmetric", "averaging")
_OPTIMISERS = ("own", "adam", "adadelta")
_IMAGES = ("sevens", "te_simulated")


class MirrorLabelParams(BaseModel):
    """Free parameters of `plant_error` and `split_labelled`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error_fraction: float = Field(
        default=0.0, ge=0, le=0.5, description="Share of the images that are turned into their mirror before labelling."
    )
    train_fraction: float = Field(default=0.8, gt=0, lt=1, description="Share of the particles trained on.")
    validation_fraction: float = Field(
        default=0.1, gt=0, lt=1, description="Share of the particles that choose the best epoch. The rest is the test."
    )
    split: SplitKind = Field(
        default="pairs",
        description="pairs: an image and its mirror stay on one side. leaking: shuffled after mirroring, as published.",
    )

    @model_validator(mode="after")
    def _check_rest(self) -> "MirrorLabelParams":
        if not self.train_fraction + self.validation_fraction < 1:
            raise ValueError(
                "Expected training and validation to leave a share for the test. Got "
                f"{self.train_fraction:g} and {self.validation_fraction:g}."
            )
        return self


class HandednessNetworkParams(BaseModel):
    """Free parameters of `build_handedness_network`: fig. 5.2a, and what co-teaching's code has besides."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_filters: int = Field(default=64, ge=1, description="Filters of each of the two convolutions.")
    n_hidden: int = Field(default=64, ge=1, description="Width of the dense layer.")
    dropout: float = Field(default=0.5, ge=0, lt=1, description="Share of the dense layer dropped in training.")
    head: Literal["softmax", "sigmoid"] = Field(default="softmax", description="Two outputs, or one.")
    padding: int = Field(default=0, ge=0, le=1, description="Pixels of zeros around each convolution's input.")
    pooling: Literal["flatten", "average"] = Field(
        default="flatten", description="What the dense layer sees: every place, or the mean over all places."
    )
    has_batch_norm: bool = Field(default=False, description="Batch normalisation after each convolution.")
    is_hidden_activated: bool = Field(default=True, description="ReLU between the two dense layers.")
    is_antisymmetric: bool = Field(
        default=False, description="Answer g(image) - g(mirrored image): no bias to a hand, by construction."
    )

    @classmethod
    def thesis(cls, method: Method) -> "HandednessNetworkParams":
        """Return the network of fig. 5.2a; for co-teaching with the average pooling that the text adds."""
        return cls(pooling="average") if method == "co_teaching" else cls()

    @classmethod
    def narrow(cls) -> "HandednessNetworkParams":
        """Return the network of fig. 5.2a with a quarter of the filters: crops of particles on processor cores."""
        return cls(n_filters=16, n_hidden=32)

    @classmethod
    def authors_co_teaching(cls) -> "HandednessNetworkParams":
        """Return the network of the authors' co-teaching code, which is not that of the text."""
        return cls(padding=1, pooling="average", has_batch_norm=True, is_hidden_activated=False, dropout=0.25)


class HandednessTrainingParams(BaseModel):
    """Free parameters of the three trainings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    optimiser: Literal["adam", "adadelta"] = Field(default="adam")
    learning_rate: float = Field(default=1e-3, gt=0)
    batch_size: int = Field(default=128, ge=2)
    max_epochs: int = Field(default=12, ge=1, description="Epochs on the mirror-labelled images at most.")
    images_per_epoch: int | None = Field(
        default=None, ge=2, description="Augmented images of an epoch; None: every image once."
    )
    patience: int | None = Field(
        default=4,
        ge=1,
        description="Training stops after so many epochs no better on the noisy validation images, once something was "
        "learnt; None: never. "
        "The weights kept are those of the best epoch either way.",
    )
    chosen_by: Literal["loss", "rescaled_loss", "last"] = Field(
        default="rescaled_loss",
        description="What is smallest on the noisy validation images in the best epoch: the loss, as published, or the "
        "loss after the answers are scaled by the factor that suits them best. last: the last epoch.",
    )
    clean_epochs: int = Field(default=10, ge=1, description="Two-step: epochs on the few clean images.")
    clean_images_per_epoch: int = Field(default=288, ge=2, description="Two-step: augmented images of a clean epoch.")
    forget_ramp_epochs: int = Field(
        default=10, ge=1, description="Co-teaching: epochs over which the share left out grows to the forget rate."
    )
    forgets_once_learnt: bool = Field(
        default=True,
        description="Co-teaching: that share begins to grow after the first epoch by which noisy validation images say "
        "that something was learnt, and not after the first of all, as published.",
    )
    decay_from_epoch: int | None = Field(
        default=None, ge=0, description="Epoch from which the learning rate falls linearly to zero; None: never."
    )
    decayed_beta1: float | None = Field(
        default=None, gt=0, lt=1, description="Adam's first decay rate while the learning rate falls; None: unchanged."
    )
    precision: Precision = Field(
        default="float32",
        description="Of convolutions and dense layers in training and in choosing the epoch; weights, losses and "
        "final answers are float32 always.",
    )

    def to_the_end(self) -> "HandednessTrainingParams":
        """Return the same training without early stopping, of which the last epoch counts."""
        return self.model_copy(update={"chosen_by": "last", "patience": None})

    def for_epochs(self, max_epochs: int) -> "HandednessTrainingParams":
        """Return the same training, shorter or longer: what comes at a certain epoch comes by its middle at the latest.

        Co-teaching would else never leave out the share that it is told.
        """
        middle = max(1, max_epochs // 2)
        stated = {
            "max_epochs": max_epochs,
            "forget_ramp_epochs": min(self.forget_ramp_epochs, middle),
            "decay_from_epoch": None if self.decay_from_epoch is None else min(self.decay_from_epoch, middle),
        }
        return HandednessTrainingParams.model_validate(self.model_dump() | stated)

    @classmethod
    def thesis(cls, method: Method) -> "HandednessTrainingParams":
        """Return the published settings (chapter 5; decay of co-teaching from the authors' code)."""
        if method == "co_teaching":
            return cls(
                max_epochs=40,
                images_per_epoch=97_984,
                patience=None,
                chosen_by="loss",
                decay_from_epoch=15,
                decayed_beta1=0.1,
                forgets_once_learnt=False,
            )
        return cls(
            optimiser="adadelta",
            batch_size=32,
            max_epochs=100,
            images_per_epoch=91_840,
            patience=None,
            chosen_by="loss",
        )

    @classmethod
    def reduced(cls) -> "HandednessTrainingParams":
        """Return settings for the whole study on a few processor cores: the same for every method.

        An epoch has as many images as the training set of the sevens, also where there are fewer particles: 300 of
        them once each are five steps, in which nothing is learnt.
        """
        return cls(
            max_epochs=6,
            images_per_epoch=10_024,
            patience=3,
            clean_epochs=5,
            forget_ramp_epochs=2,
            precision="fastest",
        )

    @classmethod
    def reduced_for_crops(cls) -> "HandednessTrainingParams":
        """Return settings for crops of particles on a few processor cores: hands of facets are learnt more slowly."""
        slower = {"max_epochs": 12, "patience": 4, "batch_size": 64, "forget_ramp_epochs": 6}
        return cls.reduced().model_copy(update=slower)


class HandednessAugmentationParams(BaseModel):
    """Free parameters of `augment`. There is no mirror: it would change the hand."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    half_turn: bool = Field(default=True, description="Turn every other image by 180 degrees.")
    max_rotation_deg: float = Field(default=5.0, ge=0, le=180, description="Largest further rotation either way.")
    max_zoom: float = Field(default=0.3, ge=0, lt=1, description="Largest relative change of size either way.")
    max_shear: float = Field(default=0.1, ge=0, lt=1, description="Largest shear either way.")
    max_contrast: float = Field(
        default=0.0, ge=0, lt=1, description="Largest relative change of an image's intensity either way."
    )

    @classmethod
    def sevens(cls) -> "HandednessAugmentationParams":
        """Return what a digit bears: a seven upside down is not a seven of the test."""
        return cls(half_turn=False)


class CropParams(BaseModel):
    """Free parameters of `cut_crops`: how particles of a micrograph become images of single particles."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_px: int = Field(default=128, ge=16, le=1024, description="Edge of a crop.")
    size: Literal["kept", "filled"] = Field(
        default="kept",
        description="kept: sizes can be compared, but for particles too large for a crop, which are shrunk. "
        "filled: every particle is scaled to one length, the thesis's control.",
    )
    crop_pixel_size_nm: float | None = Field(
        default=None, gt=0, description="Pixel size of the crops, nm. None: that of the micrograph, whatever it is."
    )
    fill: float = Field(default=0.94, gt=0, le=1, description="Share of the crop's edge that the longest may take.")
    is_upright: bool = Field(default=True, description="Turn the long axis of each particle along the rows' index.")
    min_length_px: float = Field(
        default=20.0, ge=4, description="Particles shorter than this show no facets and are left out, in pixels."
    )
    min_solidity: float = Field(
        default=0.94,
        ge=0,
        le=1,
        description="Faceted particles are convex: what fills less of its convex hull than this is several, one on "
        "another, and is left out. Particles cut by hand fill 0.96 or more.",
    )
    min_whole_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Share that whole particles have of the area of these and clumps: with less, the micrograph is a "
        "pile, of which outlines are not found. What looks whole then is a piece, and is left out; 0: never.",
    )


class ProductionParams(BaseModel):
    """Free parameters of `choose_method` and `train_for_batch`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low_error: float = Field(
        default=0.1, ge=0, le=0.5, description="Minority share up to which few labels are wrong: standard training."
    )
    racemic_from: float = Field(
        default=0.45, gt=0, le=0.5, description="Minority share from which labels tell nothing: no model."
    )
    min_particles: int = Field(default=60, ge=40, description="Particles of a batch that a model needs.")
    validation_fraction: float = Field(default=0.15, gt=0, lt=0.5, description="Share that chooses the best epoch.")
    seed: int = Field(default=2021, ge=0, description="Same seed, machine and threads: same weights.")

    @model_validator(mode="after")
    def _check_order(self) -> "ProductionParams":
        if not self.low_error < self.racemic_from:
            raise ValueError(
                f"Expected low_error below racemic_from. Got {self.low_error:g} and {self.racemic_from:g}."
            )
        return self


class StudyParams(BaseModel):
    """What a study of handedness trains, apart from the share of wrong labels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    methods: list[str] = Field(
        default=list(get_args(Method)), min_length=1, description="standard, two_step, co_teaching: which of them."
    )
    networks: list[str] = Field(
        default=["plain", "antisymmetric"],
        min_length=1,
        description="plain, antisymmetric (no bias to a hand), averaging (of the authors' co-teaching code): which.",
    )
    optimisers: list[str] = Field(
        default=["own"], min_length=1, description="own (the protocol's), adam, adadelta: which of them."
    )
    sizes: Literal["kept", "filled"] = Field(
        default="kept", description="Of simulated particles; filled: all scaled to one length, the thesis's control."
    )
    max_contrast: float = Field(
        default=0.0, ge=0, lt=1, description="Augmentation: largest relative change of intensity either way."
    )
    max_zoom: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="Augmentation: largest relative change of size either way; None: the protocol's; 0: sizes stay.",
    )
    forget_rate_from: Literal["estimate", "truth"] = Field(
        default="estimate", description="Co-teaching: share left out, told from the images or as planted."
    )
    n_repeats: int = Field(default=3, ge=1, le=20, description="Splits and trainings with other random numbers.")
    n_particles: int | None = Field(default=None, ge=20, description="Particles taken; None: all there are.")
    crop_px: int | None = Field(
        default=None, ge=16, le=1024, description="Edge of simulated particles' crops; None: the protocol's."
    )
    max_epochs: int | None = Field(
        default=None, ge=1, description="Epochs on mirror-labelled images at most; None: the protocol's."
    )
    protocol: Literal["by_size", "reduced", "own", "thesis"] = Field(
        default="by_size",
        description="by_size: reduced in a study, own in a full run, a few steps in a fast one. thesis: as published.",
    )
    seed: int = Field(default=2021, ge=0, description="Decides splits, planted errors, weights and order.")

    @property
    def departures(self) -> list[str]:
        """In what crops and length of training differ from the protocol's, in words."""
        words = [
            "filled" if self.sizes == "filled" else None,
            f"{self.crop_px} px" if self.crop_px else None,
            f"{self.max_epochs} epochs" if self.max_epochs else None,
        ]
        return [word for word in words if word]

    @model_validator(mode="after")
    def _check_names(self) -> "StudyParams":
        _check_among("methods", self.methods, get_args(Method))
        _check_among("networks", self.networks, _NETWORKS)
        _check_among("optimisers", self.optimisers, _OPTIMISERS)
        return self


class LabelNoiseParams(StudyParams):
    """Free parameters of the study of planted label error."""

    images: list[str] = Field(default=["sevens"], min_length=1, description="sevens, te_simulated: which of them.")
    split: SplitKind = Field(default="pairs", description="pairs, or leaking as published.")

    @classmethod
    def thesis(cls) -> Self:
        """Return the published study: images shuffled after mirroring, co-teaching told the planted share."""
        return cls(protocol="thesis", split="leaking", forget_rate_from="truth", networks=["plain"])

    @model_validator(mode="after")
    def _check_images(self) -> "LabelNoiseParams":
        _check_among("images", self.images, _IMAGES)
        if "sevens" in self.images and (self.crop_px or self.sizes != "kept"):
            raise ValueError("Expected crop_px and sizes for te_simulated alone: sevens stay as they are in the file.")
        return self


def _check_among(name: str, given: list[str], known: tuple[str, ...]) -> None:
    """Refuse a list with a name that is not known, or one twice; Dagster's forms know no lists of literals."""
    if not set(given) <= set(known) or len(set(given)) < len(given):
        raise ValueError(f"Expected {name} among {', '.join(known)}, each once. Got {', '.join(given)}.")


class HandednessStudyParams(BaseModel):
    """Free parameters of `run_cell`: what is compared, apart from noise and repeat."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Method = Field(default="standard")
    is_antisymmetric: bool = Field(default=False, description="Wrap the network so that it has no bias to a hand.")
    is_averaging: bool = Field(
        default=False, description="The network of the authors' co-teaching code, as wide as the recipe's."
    )
    optimiser: Literal["adam", "adadelta"] | None = Field(default=None, description="None: the recipe's.")
    max_contrast: float = Field(default=0.0, ge=0, lt=1, description="Augmentation of intensity; 0: the recipe's.")
    max_zoom: float | None = Field(default=None, ge=0, lt=1, description="Augmentation of size; None: the recipe's.")
    forget_rate: float | None = Field(
        default=None, ge=0, le=0.5, description="Co-teaching: share left out; None: estimated from the data."
    )
    n_clean: int = Field(default=10, ge=1, description="Two-step: clean images of either hand.")

    @property
    def variant(self) -> str:
        """In what this differs from the study's usual training, but for method and antisymmetry."""
        words = [
            "averaging" if self.is_averaging else None,
            self.optimiser,
            f"contrast {self.max_contrast:g}" if self.max_contrast else None,
            None if self.max_zoom is None else f"zoom {self.max_zoom:g}",
        ]
        return ", ".join(word for word in words if word) or USUAL

    @property
    def plain(self) -> "HandednessStudyParams":
        """The same with a plain network: its label error is estimated for both, whichever is trained first."""
        return self.model_copy(update={"is_antisymmetric": False})
