"""The sections of params.yaml that say which data is read, and what its rows are held to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cadc.config.section import Positive, Section, Seed, Share


class Expected(Section):
    rows: Positive | None
    images: dict[str, Positive]


class Data(Section):
    path: str | None
    annotations: str | None
    images: str | None
    choice: str | None
    yesno: str | None
    probe: str | None
    score: str | None
    watched: str
    expected: Expected

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.path is not None and (self.annotations is None or self.images is None):
            raise ValueError("path is set; set annotations and images, too: what they are called in it")
        return self

    def inside(self, name: str) -> Path:
        """A file or folder of `path`."""
        assert self.path is not None, "data.path is null: the embedded world lies in no folder"
        return Path(self.path) / name


class Planted(Section):
    """Shares of the pool's rows that get another row's first answer, or another row's pictures (`data.planting`)."""

    answers: Annotated[float, Field(ge=0, le=0.5)]
    pictures: Annotated[float, Field(ge=0, le=0.5)]
    seed: Seed


class Pool(Section):
    on_bad_row: Literal["fail", "skip", "llava"]
    repeated_ids: Literal["fail", "number"]
    unknown_tokens: Share
    min_image_side: Positive
    embed_images: bool
    max_image_pixels: Annotated[
        int, Field(ge=1, le=178_956_970)
    ]  # beyond it Pillow refuses to open an image, here and later
    max_image_ratio: Annotated[float, Field(ge=1)]
    lineage: str | None
    planted: Planted

    @property
    def image_rules(self) -> dict:
        """What images are held to, as `checks.check_image` takes it."""
        return {
            "min_side": self.min_image_side,
            "max_pixels": self.max_image_pixels,
            "max_ratio": self.max_image_ratio,
        }

    @property
    def rules(self) -> dict:
        """What rows and their images are held to, as `reader.read_pool` takes it."""
        return {"repeated_ids": self.repeated_ids, "embed_images": self.embed_images, **self.image_rules}
