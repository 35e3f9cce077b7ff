"""Tiny random LLaVA-1.5, SmolVLM (Idefics3) and Qwen2-VL as folders that look like the published ones.

Configs, tokenizers of the families' own classes and processors are small; special tokens, chat templates and generation
configs are those of llava-hf/llava-1.5-7b-hf, HuggingFaceTB/SmolVLM-256M-Instruct and Qwen/Qwen2-VL-7B-Instruct.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    GenerationConfig,
    GPT2Tokenizer,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessor,
    Idefics3Processor,
    LlamaTokenizer,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedModel,
    ProcessorMixin,
    Qwen2Tokenizer,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
)

from cadc.data.wording import LLAVA_LETTER, MMT_LETTER, SHORT_ANSWER
from cadc.world.vocabulary import vocabulary

LLAVA_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}{% endif %}"
    "{# Render all images first #}{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}"
    "{{ '<image>\n' }}{% endfor %}"
    "{# Render all text next #}{% if message['role'] != 'assistant' %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' '}}"
    "{% endfor %}{% else %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% generation %}{{ content['text'] + ' '}}{% endgeneration %}"
    "{% endfor %}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
SMOLVLM_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}"
    "{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}"
    "{% endfor %}<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
QWEN_TEMPLATE = (
    "{% set image_count = namespace(value=0) %}{% set video_count = namespace(value=0) %}{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}"
    "{% for content in message['content'] %}"
    "{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}"
    "{% set image_count.value = image_count.value + 1 %}"
    "{% if add_vision_id %}Picture {{ image_count.value }}: {% endif %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% elif content['type'] == 'video' or 'video' in content %}"
    "{% set video_count.value = video_count.value + 1 %}"
    "{% if add_vision_id %}Video {{ video_count.value }}: {% endif %}"
    "<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
#: The small sizes of all families' parts.
TEXT = dict(
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=2048,
)
VISION = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2)
QWEN_VISION = dict(
    depth=2, embed_dim=16, hidden_size=32, num_heads=2, mlp_ratio=2, spatial_merge_size=2, temporal_patch_size=2
)
QWEN_ROPE = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}


def _vocabulary(pre_tokenizer: pre_tokenizers.PreTokenizer, first: list[str], alphabet: list[str]) -> dict:
    """`vocab` and `merges` of a byte-pair encoding learnt on the mini world's words, `first` in front."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    trainer = trainers.BpeTrainer(vocab_size=1200, special_tokens=first, initial_alphabet=alphabet, show_progress=False)
    said = (
        "USER: ASSISTANT: User: Assistant: system user assistant You are a helpful assistant. "
        f"{SHORT_ANSWER} {LLAVA_LETTER} {MMT_LETTER} Question: A: B: C: D:"
    )
    tokenizer.train_from_iterator([said, " ".join(vocabulary())] * 3, trainer)
    made = json.loads(tokenizer.to_str())["model"]
    return {"vocab": made["vocab"], "merges": [tuple(pair) for pair in made["merges"]]}


def _bytes(first: list[str]) -> dict:
    return _vocabulary(pre_tokenizers.ByteLevel(add_prefix_space=False), first, pre_tokenizers.ByteLevel.alphabet())


def llava() -> tuple[PreTrainedModel, ProcessorMixin]:
    """CLIP tower, 16 tokens an image.

    Llama's own tokenizer puts <s> in front and a space before a text; the template has no end of turn.
    """
    words = _vocabulary(
        pre_tokenizers.Metaspace(), ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))], []
    )
    tokenizer = LlamaTokenizer(
        **words, add_bos_token=True, pad_token="<pad>", extra_special_tokens={"image_token": "<image>"}
    )
    images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor = LlavaProcessor(images, tokenizer, 8, "default", LLAVA_TEMPLATE, num_additional_image_tokens=1)
    vision = CLIPVisionConfig(**VISION | {"num_hidden_layers": 3}, image_size=32, patch_size=8, projection_dim=16)
    text = {**TEXT, "model_type": "llama", "vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=vision, text_config=text, image_token_id=processor.image_token_id, image_seq_length=16
        )
    )
    model.generation_config = GenerationConfig(bos_token_id=1, eos_token_id=2, pad_token_id=tokenizer.pad_token_id)
    return model, processor


def smolvlm() -> tuple[PreTrainedModel, ProcessorMixin]:
    """Tiles of 4 tokens and a global one; <end_of_utterance> ends a turn."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tiles = ["<global-img>", *(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7))]
    tokenizer = GPT2Tokenizer(
        **_bytes(special), bos_token="<|im_start|>", eos_token="<end_of_utterance>", pad_token="<|im_end|>"
    )
    tokenizer.add_special_tokens(
        {"additional_special_tokens": ["<fake_token_around_image>", "<image>", "<end_of_utterance>", *tiles]}
    )
    images = Idefics3ImageProcessor(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    processor = Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=SMOLVLM_TEMPLATE)
    vision = {**VISION, "image_size": 32, "patch_size": 8}
    pad, end = tokenizer.pad_token_id, tokenizer.eos_token_id
    text = {**TEXT, "model_type": "llama", "vocab_size": len(tokenizer), "pad_token_id": pad}
    config = Idefics3Config(
        image_token_id=processor.image_token_id,
        vision_config=vision,
        text_config=text,
        scale_factor=2,
        pad_token_id=pad,
    )
    model = Idefics3ForConditionalGeneration(config)
    model.generation_config = GenerationConfig(bos_token_id=tokenizer.bos_token_id, eos_token_id=end, pad_token_id=pad)
    return model, processor


def qwen2_vl() -> tuple[PreTrainedModel, ProcessorMixin]:
    """As many tokens as an image has squares of 16 pixels; ChatML with a system prompt of its own."""
    marks = ["<|im_start|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    tokenizer = Qwen2Tokenizer(**_bytes(["<|endoftext|>"]), eos_token="<|im_end|>", extra_special_tokens=marks)
    size = {"shortest_edge": 32 * 32, "longest_edge": 96 * 96}
    pictures = dict(patch_size=8, merge_size=2, temporal_patch_size=2, size=size)
    processor = Qwen2VLProcessor(
        Qwen2VLImageProcessor(**pictures), tokenizer, Qwen2VLVideoProcessor(**pictures), QWEN_TEMPLATE
    )
    token = tokenizer.convert_tokens_to_ids
    config = Qwen2VLConfig(
        text_config={
            **TEXT,
            "vocab_size": len(tokenizer),
            "rope_parameters": QWEN_ROPE,
            **dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), 0),
        },
        vision_config={**QWEN_VISION, "patch_size": 8},
        image_token_id=processor.image_token_id,
        video_token_id=processor.video_token_id,
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
    )
    model = Qwen2VLForConditionalGeneration(config)
    pad = tokenizer.pad_token_id
    model.generation_config = GenerationConfig(
        do_sample=True,
        temperature=0.01,
        top_k=1,
        top_p=0.001,
        bos_token_id=pad,
        eos_token_id=[tokenizer.eos_token_id, pad],
        pad_token_id=pad,
    )
    return model, processor


@dataclass(frozen=True)
class Family:
    """A model of random weights, and the LoRA targets that reach its language model, connector and vision tower."""

    build: Callable[[], tuple[PreTrainedModel, ProcessorMixin]]
    targets: str
    parts: tuple[str, str, str]
    packing: bool = True

    def write(self, folder: Path) -> Path:
        """The model and its processor, as their authors publish them."""
        torch.manual_seed(0)
        model, processor = self.build()
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
        return folder


FAMILIES = {
    "llava": Family(
        llava,
        r".*language_model.*_proj|.*multi_modal_projector\.linear_[12]|.*vision_tower.*(q|v)_proj",
        ("language_model", "multi_modal_projector", "vision_tower"),
    ),
    "smolvlm": Family(
        smolvlm,
        r".*text_model.*_proj|.*connector.*proj|.*vision_model.*(q|v)_proj",
        ("text_model", "connector", "vision_model"),
    ),
    "qwen2_vl": Family(
        qwen2_vl,
        r".*language_model.*_proj|.*visual\.merger\.mlp\.[02]|.*visual\.blocks.*qkv",
        ("language_model", "merger", "visual.blocks"),
        packing=False,
    ),
}
