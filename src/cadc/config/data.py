"""The sections of params.yaml that select the data and the rules for its rows."""

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
            raise ValueError("path is set; set annotations and images, too, to their names inside it")
        return self

    def inside(self, name: str) -> Path:
        """A file or folder of `path`."""
        assert self.path is not None, "data.path is null: the generated world has no folder"
        return Path(self.path) / name


class Planted(Section):
    """Shares of the pool's rows that get another row's first answer, or another row's images (`data.planting`)."""

    answers: Annotated[float, Field(ge=0, le=0.5)]
    pictures: Annotated[float, Field(ge=0, le=0.5)]
    seed: Seed


class Pool(Section):
    on_bad_row: Literal["fail", "skip", "llava"]
    repeated_ids: Literal["fail", "number"]
    unknown_tokens: Share
    min_image_side: Positive
    embed_images: bool
    max_image_pixels: Annotated[int, Field(ge=1, le=178_956_970)]  # Pillow refuses to open larger images
    max_image_ratio: Annotated[float, Field(ge=1)]
    lineage: str | None
    planted: Planted

    @property
    def image_rules(self) -> dict:
        """The rules for images, as arguments of `checks.check_image`."""
        return {
            "min_side": self.min_image_side,
            "max_pixels": self.max_image_pixels,
            "max_ratio": self.max_image_ratio,
        }

    @property
    def rules(self) -> dict:
        """The rules for rows and their images, as arguments of `reader.read_pool`."""
        return {"repeated_ids": self.repeated_ids, "embed_images": self.embed_images, **self.image_rules}
