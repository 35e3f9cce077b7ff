"""What LLaVA-1.5 is made of, tiny and random: Vicuna, CLIP and the connector of stage 1, as published."""

import shutil
from pathlib import Path

import torch
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, LlamaConfig, LlamaForCausalLM

GOLDEN = Path(__file__).parent / "golden/llava"
SIDE, PATCH, WIDTH, SEEN = 336, 14, 32, 16  # pixels, pixels, and the widths of language model and tower


def write(folder: Path, side: int = SIDE) -> dict[str, str]:
    """The pieces under `folder`, as `cadc.model.assemble` takes them: its arguments and their values."""
    torch.manual_seed(0)
    text = LlamaConfig(
        vocab_size=931,
        hidden_size=WIDTH,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=4096,
        pad_token_id=0,
    )
    LlamaForCausalLM(text).half().save_pretrained(folder / "vicuna")
    for file in (GOLDEN / "vicuna_like").iterdir():
        shutil.copy(file, folder / "vicuna")
    small = {"intermediate_size": 24, "num_attention_heads": 2, "hidden_size": SEEN}
    tower = CLIPConfig(
        vision_config={**small, "num_hidden_layers": 3, "image_size": side, "patch_size": PATCH},
        text_config={**small, "num_hidden_layers": 1, "vocab_size": 50},
    )
    CLIPModel(tower).save_pretrained(folder / "clip")
    sides = {"size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side}}
    CLIPImageProcessor(**sides).save_pretrained(folder / "clip")
    torch.save(connector(), folder / "mm_projector.bin")
    return {
        "language": str(folder / "vicuna"),
        "tower": str(folder / "clip"),
        "connecting": str(folder / "mm_projector.bin"),
    }


def connector() -> dict[str, torch.Tensor]:
    """A random connector by LLaVA's names."""
    generator = torch.Generator().manual_seed(1)
    shapes = {"0.weight": (WIDTH, SEEN), "0.bias": (WIDTH,), "2.weight": (WIDTH, WIDTH), "2.bias": (WIDTH,)}
    return {
        f"model.mm_projector.{name}": torch.randn(shape, generator=generator).bfloat16()
        for name, shape in shapes.items()
    }
