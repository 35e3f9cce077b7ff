"""The mini vision-language model: transformers' LLaVA classes with a tiny config, and its processor (ours).

A SigLIP tower without CLS token (patch 16 on 48x48 pixels: one token per grid cell), LLaVA's two-layer connector and a
Llama language model with tied word embeddings: about one million parameters, 4 MB of weights.
"""

from __future__ import annotations

from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import (
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    SiglipImageProcessor,
    SiglipVisionConfig,
)

from cadc.world.scene import CELL, IMAGE_SIZE
from cadc.world.vocabulary import vocabulary

PAD, UNK, END, USER, ASSISTANT, IMAGE = "<pad>", "<unk>", "<end>", "<user>", "<assistant>", "<image>"

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<user>' if message['role'] == 'user' else '<assistant>' }} "
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}"
    "{% if message['role'] == 'assistant' %} <end>{% endif %}\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def build_processor() -> LlavaProcessor:
    """A word-level tokenizer over the mini world's vocabulary and a 48-pixel image processor."""
    special = [PAD, UNK, END, USER, ASSISTANT, IMAGE]
    words = {word: i for i, word in enumerate([*special, *vocabulary()])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token=UNK))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\w+|[^\w\s]"), behavior="removed", invert=True)
    tokenizer.add_special_tokens(special)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNK,
        eos_token=END,
        padding_side="right",
        clean_up_tokenization_spaces=False,
        extra_special_tokens={"image_token": IMAGE},
    )
    images = SiglipImageProcessor(size={"height": IMAGE_SIZE, "width": IMAGE_SIZE}, do_resize=True, resample=2)
    return LlavaProcessor(
        image_processor=images,
        tokenizer=fast,
        patch_size=CELL,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        image_token=IMAGE,
        chat_template=CHAT_TEMPLATE,
    )


def build_model(
    processor: LlavaProcessor, vision_width: int = 96, width: int = 128, layers: int = 4
) -> LlavaForConditionalGeneration:
    """A freshly initialised mini model for `processor`; the caller seeds torch."""
    tokenizer = processor.tokenizer
    config = LlavaConfig(
        vision_config=SiglipVisionConfig(
            hidden_size=vision_width,
            intermediate_size=2 * vision_width,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=IMAGE_SIZE,
            patch_size=CELL,
            vision_use_head=False,
        ),
        text_config=LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            initializer_range=0.05,
        ),
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=(IMAGE_SIZE // CELL) ** 2,
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        tie_word_embeddings=True,
    )
    model = LlavaForConditionalGeneration(config)
    model.generation_config.update(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, bos_token_id=None
    )
    return model
