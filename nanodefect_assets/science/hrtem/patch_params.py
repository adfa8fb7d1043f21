"""Free parameters of training patches: their classes, how they are cut, and on which side of a split they lie."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ClassParams(BaseModel):
    """What the values of label images mean."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    class_names: list[str] = Field(
        default=["support", "particle"],
        min_length=2,
        max_length=32,
        description="What a pixel can be, the support first.",
    )
    class_values: dict[str, list[int]] = Field(
        default={},
        description="Values of label images that mean a class, such as {alumina: [1], Pt: [2]}; 0 is the support if "
        "not listed. Empty: every value that a batch declares to be particle is the second class.",
    )
    unlabelled_values: list[int] = Field(default=[], description="Values of label images that say: not known.")

    @model_validator(mode="after")
    def _check_classes(self) -> Self:
        if len(set(self.class_names)) != len(self.class_names):
            raise ValueError(f"Expected each class once. Got {', '.join(self.class_names)}.")
        listed = [value for values in self.class_values.values() for value in values] + self.unlabelled_values
        if unknown := sorted(set(self.class_values) - set(self.class_names)):
            raise ValueError(f"Expected values of {', '.join(self.class_names)}. Got {', '.join(unknown)}.")
        if len(set(listed)) != len(listed) or any(value < 0 for value in listed):
            raise ValueError(f"Expected each value once, from 0 up. Got {listed}.")
        if not self.class_values and len(self.class_names) > 2:
            raise ValueError("Expected class_values where there are more than two classes. Got none.")
        return self


class PatchParams(BaseModel):
    """Free parameters of `cut_patches`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    patch_px: int = Field(default=512, ge=16, le=4096, multiple_of=16, description="Edge of a patch.")
    min_particle_px: int = Field(
        default=1, ge=0, description="Patches with fewer pixels of any class but the support are dropped; 0 keeps all."
    )


class SplitParams(BaseModel):
    """Free parameters of `split_micrographs`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    validation_fraction: float = Field(default=0.15, ge=0, lt=0.5, description="Share of micrographs to stop training.")
    test_fraction: float = Field(default=0.15, ge=0, lt=0.5, description="Share of micrographs held out to the end.")
    split: Literal["auto", "random", "blocks"] = Field(
        default="auto",
        description="How the micrographs of a sample are parted, the frames of a file never. blocks: in the order of "
        "their names, in contiguous blocks, as slices of one volume want it. auto: at random, those that look alike "
        "kept together; in blocks where that links most of a sample. A sample that is one file has blocks of frames.",
    )
    block_gap: int = Field(
        default=1, ge=0, le=100, description="Micrographs left out between two blocks, because they resemble both."
    )
    split_seed: int = Field(default=2021, ge=0, description="The same seed parts the same micrographs alike.")

    @classmethod
    def thesis(cls) -> Self:
        """Return the published shares: 43 of 172 held out, the others 4 : 1; by micrograph, not by patch."""
        return cls(validation_fraction=0.15, test_fraction=0.25, split="random")
