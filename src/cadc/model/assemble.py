"""Assemble the starting point of LLaVA-1.5's instruction tuning: Vicuna, CLIP and stage 1's connector in one folder.

    python -m cadc.model.assemble --language VICUNA --tower CLIP --connector mm_projector.bin --out FOLDER

VICUNA and CLIP are folders or hub ids; see docs/real_runs.md. No weight is changed or cast; each keeps its own dtype.
Pickles are only read for tensors (`weights_only`).

The vocabulary gets the image token and is padded to a multiple of 64 rows, as in the hub's conversions. New rows are
the mean of the old ones, so each new token is at most as probable as the mean over the old tokens (Jensen). Nothing
else that LLaVA computes changes. The padding token is the unknown token, as in LLaVA's training.
"""

from __future__ import annotations

import argparse
import json
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import AddedToken
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    CLIPImageProcessor,
    CLIPVisionModel,
    GenerationConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerBase,
)
from transformers.utils import cached_file

from cadc.config.errors import InputError, first_line
from cadc.data.wording import IMAGE_TOKEN
from cadc.model.sentence_pieces import llama_tokenizer

TEMPLATE = Path("conf/templates/vicuna_v1.jinja")
_ROWS = 64  # the vocabulary is padded to a multiple of this
_LAYERS = {"0": "linear_1", "2": "linear_2"}  # of mlp2x_gelu: LLaVA's names -> transformers' names
_FILES = ("mm_projector.safetensors", "mm_projector.bin")


def _loaded(kind: Any, path: str, what: str, **options):
    """Load `kind` from a folder or hub id. Raises InputError if it can't be loaded."""
    try:
        return kind.from_pretrained(path, **options)
    except (OSError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
        raise InputError(
            f"--{what}: {path} can't be loaded ({first_line(error)}); give its folder or hub id"
        ) from error


def connector(path: str) -> dict[str, torch.Tensor]:
    """The weights of stage 1's connector under transformers' names, from mm_projector.bin, a safetensors file with the
    same names, or a folder with either.

    Raises InputError if there is none, if a pickle holds more than tensors, or if it is not a two-layer MLP.
    """
    file = next((Path(path) / name for name in _FILES if (Path(path) / name).is_file()), Path(path))
    if not file.is_file():
        raise InputError(f"--connector: {path} is neither a file nor a folder with {' or '.join(_FILES)}")
    try:
        held = load_file(file) if file.suffix == ".safetensors" else torch.load(file, "cpu", weights_only=True)
    except Exception as error:  # readers raise arbitrary errors at other files
        raise InputError(
            f"--connector: {file} can't be read as tensors ({first_line(error)}); give mm_projector.bin as "
            "LLaVA's stage 1 writes it, or a safetensors file"
        ) from error
    named = {}
    for name, tensor in held.items() if isinstance(held, dict) else ():
        layer, _, part = name.rpartition("mm_projector.")[2].partition(".")
        if "mm_projector." in name and layer in _LAYERS and part in ("weight", "bias"):
            named[f"{_LAYERS[layer]}.{part}"] = tensor
    if len(named) != 4 or len(held) != 4:
        raise InputError(
            f"--connector: {file} is not a connector of LLaVA-1.5 (mlp2x_gelu), which holds mm_projector.0 and .2, "
            "weight and bias, and nothing else"
        )
    return named


def tokenizer_of(path: str) -> PreTrainedTokenizerBase:
    """The language model's tokenizer with the image token appended; the unknown token is the padding token.

    Reads tokenizer.json, or else tokenizer.model. Raises InputError if there is neither, or if it can't be read.
    """
    found = {
        name: cached_file(path, name, _raise_exceptions_for_missing_entries=False)
        for name in ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")
    }
    if found["tokenizer.json"]:
        tokenizer = _loaded(AutoTokenizer, path, "language")
    elif found["tokenizer.model"]:
        said = (
            json.loads(Path(found["tokenizer_config.json"]).read_text("utf-8"))
            if found["tokenizer_config.json"]
            else {}
        )
        tokenizer = llama_tokenizer(found["tokenizer.model"], said.get("legacy", True))  # transformers' default
    else:
        raise InputError(f"--language: {path} has neither tokenizer.json nor tokenizer.model; fetch one of them")
    tokenizer.pad_token = tokenizer.unk_token
    tokenizer.add_tokens(AddedToken(IMAGE_TOKEN, special=True, normalized=False), special_tokens=True)
    return tokenizer


def padded_rows(tokenizer: PreTrainedTokenizerBase) -> int:
    """Size of a vocabulary that holds all tokens, rounded up to a multiple of 64."""
    return -(-len(tokenizer) // _ROWS) * _ROWS


def grown(weight: torch.Tensor, n_rows: int) -> torch.nn.Parameter:
    """float [vocabulary, width] extended to `n_rows` rows; each new row is the mean of the old ones."""
    mean = weight.detach().float().mean(0, keepdim=True).to(weight.dtype)
    return torch.nn.Parameter(torch.cat([weight.detach(), mean.expand(n_rows - len(weight), -1)]), requires_grad=False)


def assembled(
    language: LlamaForCausalLM, tower: CLIPVisionModel, connecting: dict[str, torch.Tensor], tokenizer
) -> LlavaForConditionalGeneration:
    """LLaVA-1.5 assembled from its parts; `language` and `tower` become parts of the model.

    Raises InputError if the connector's shapes don't match them.
    """
    mark = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
    n_rows = max(padded_rows(tokenizer), language.config.vocab_size)
    text, vision = language.config, tower.config
    wanted = {
        "linear_1.weight": (text.hidden_size, vision.hidden_size),
        "linear_1.bias": (text.hidden_size,),
        "linear_2.weight": (text.hidden_size, text.hidden_size),
        "linear_2.bias": (text.hidden_size,),
    }
    for name, shape in wanted.items():
        if tuple(connecting[name].shape) != shape:
            raise InputError(
                f"--connector: {name} has the shape {tuple(connecting[name].shape)}, but the tower and the language "
                f"model need {shape}; use the connector that was trained with these two"
            )
    language.model.embed_tokens.weight = grown(language.model.embed_tokens.weight, n_rows)
    language.lm_head.weight = grown(language.lm_head.weight, n_rows)
    text.vocab_size, text.pad_token_id = n_rows, tokenizer.pad_token_id
    text._name_or_path = vision._name_or_path = ""  # drop local paths
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=mark,
        image_seq_length=(vision.image_size // vision.patch_size) ** 2,
        vision_feature_layer=-2,  # LLaVA-1.5's
        vision_feature_select_strategy="default",
        tie_word_embeddings=False,
    )
    with torch.device("meta"):
        model = LlavaForConditionalGeneration(config)
    model.model.language_model, model.lm_head, model.model.vision_tower = language.model, language.lm_head, tower
    model.model.multi_modal_projector.load_state_dict(connecting, assign=True)
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    return model.eval()


def processor_of(tower: str, vision, tokenizer: PreTrainedTokenizerBase) -> LlavaProcessor:
    """CLIP's image processor and the language model's tokenizer, with LLaVA's prompt as chat template."""
    return LlavaProcessor(
        _loaded(CLIPImageProcessor, tower, "tower"),
        tokenizer,
        patch_size=vision.patch_size,
        vision_feature_select_strategy="default",
        chat_template=TEMPLATE.read_text(encoding="utf-8"),
        num_additional_image_tokens=1,  # CLIP's class token
    )


def assemble(language: str, tower: str, connecting: str, out: Path) -> None:
    """Write the folder `out`: a `LlavaForConditionalGeneration` in safetensors, with its processor.

    Raises InputError if a part can't be loaded or does not match the others, or if `out` already exists.
    """
    if out.exists():
        raise InputError(f"--out: {out} already exists; name another folder, or remove it")
    weights, tokenizer = connector(connecting), tokenizer_of(language)
    speaking = _loaded(AutoModelForCausalLM, language, "language", dtype="auto")
    if not isinstance(speaking, LlamaForCausalLM):
        raise InputError(f"--language: {language} is a {type(speaking).__name__}, but LLaVA-1.5 needs a Llama model")
    seeing = _loaded(CLIPVisionModel, tower, "tower", dtype="auto")
    processor = processor_of(tower, seeing.config, tokenizer)
    unfinished = out.with_name(out.name + ".partial")
    try:
        assembled(speaking, seeing, weights, tokenizer).save_pretrained(unfinished)
        processor.save_pretrained(unfinished)
        unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="Assemble LLaVA-1.5 before its instruction tuning from its parts")
    parser.add_argument("--language", required=True, help="folder or hub id of Vicuna-1.5")
    parser.add_argument("--tower", required=True, help="folder or hub id of CLIP ViT-L/14 at 336 pixels")
    parser.add_argument("--connector", required=True, help="mm_projector.bin or .safetensors of LLaVA's stage 1")
    parser.add_argument("--out", required=True, type=Path, help="the folder to write")
    asked = parser.parse_args(arguments)
    try:
        assemble(asked.language, asked.tower, asked.connector, asked.out)
    except InputError as error:
        raise SystemExit(f"assemble: {error}") from None


if __name__ == "__main__":
    main(sys.argv[1:])
