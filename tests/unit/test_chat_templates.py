"""What is learnt of a conversation, shown as text, under the chat templates of LLaVA-1.5, SmolVLM and Qwen2-VL."""

import io
import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from architectures import FAMILIES
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from cadc.config.errors import InputError
from cadc.data.pictures import open_image
from cadc.model.batches import collate, model_inputs, pack
from cadc.model.conversation import end_of_turn, segments, to_messages
from cadc.model.encode import IGNORE, encode, encode_prompt
from cadc.model.generate import generate


def png(width: int, height: int) -> dict:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(width).integers(0, 255, (height, width, 3), dtype=np.uint8)).save(
        buffer, "PNG"
    )
    return {"bytes": buffer.getvalue(), "path": None}


def row(images, *said) -> dict:
    return {
        "id": "r",
        "images": images,
        "turns": [{"role": ("user", "assistant")[k % 2], "text": text} for k, text in enumerate(said)],
    }


ROWS = {
    "several turns": row([png(48, 48)], "<image>\nwhat is it ?", "a cat", "what color ?", "it is red ."),
    "several images": row([png(48, 48), png(96, 48)], "<image>\nis it like <image> ?", "no"),
    "an image later": row([png(48, 48)], "hello !", "yes", "<image>\nwhat is it ?", "a cat"),
    "text alone": row([], "what comes after 3 ?", "4"),
}
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
TILES = "".join(
    f"<fake_token_around_image><row_{r}_col_{c}><image>*4" + "\n" * (c == 2) for r in (1, 2) for c in (1, 2)
)
GLOBAL = "<fake_token_around_image><global-img><image>*4<fake_token_around_image>"
SQUARE, WIDE = (
    f"{TILES}\n{GLOBAL}",
    f"<fake_token_around_image><row_1_col_1><image>*4<fake_token_around_image><row_1_col_2><image>*4\n\n{GLOBAL}",
)
#: Learnt tokens stand in [[ ]].
SHOWN = {
    (
        "llava",
        "several turns",
    ): "<s> USER: <image>*16\nwhat is it ? ASSISTANT:[[ a cat</s>]] USER: what color ? ASSISTANT:[[ it is red .</s>]]",
    ("llava", "several images"): "<s> USER: <image>*16\n<image>*16\nis it like ? ASSISTANT:[[ no</s>]]",
    (
        "llava",
        "an image later",
    ): "<s> USER: hello ! ASSISTANT:[[ yes</s>]] USER: <image>*16\nwhat is it ? ASSISTANT:[[ a cat</s>]]",
    ("llava", "text alone"): "<s> USER: what comes after 3 ? ASSISTANT:[[ 4</s>]]",
    ("smolvlm", "several turns"): (
        f"<|im_start|>User:{SQUARE}what is it ?<end_of_utterance>\nAssistant:[[ a cat<end_of_utterance>]]\n"
        "User: what color ?<end_of_utterance>\nAssistant:[[ it is red .<end_of_utterance>]]"
    ),
    (
        "smolvlm",
        "several images",
    ): f"<|im_start|>User:{SQUARE}is it like{WIDE}?<end_of_utterance>\nAssistant:[[ no<end_of_utterance>]]",
    ("smolvlm", "an image later"): (
        "<|im_start|>User: hello !<end_of_utterance>\nAssistant:[[ yes<end_of_utterance>]]\n"
        f"User:{SQUARE}what is it ?<end_of_utterance>\nAssistant:[[ a cat<end_of_utterance>]]"
    ),
    (
        "smolvlm",
        "text alone",
    ): "<|im_start|>User: what comes after 3 ?<end_of_utterance>\nAssistant:[[ 4<end_of_utterance>]]",
    ("qwen2_vl", "several turns"): (
        f"{SYSTEM}<|im_start|>user\n<|vision_start|><|image_pad|>*9<|vision_end|>what is it ?<|im_end|>\n"
        "<|im_start|>assistant\n[[a cat<|im_end|>]]\n"
        "<|im_start|>user\nwhat color ?<|im_end|>\n<|im_start|>assistant\n[[it is red .<|im_end|>]]"
    ),
    ("qwen2_vl", "several images"): (
        f"{SYSTEM}<|im_start|>user\n<|vision_start|><|image_pad|>*9<|vision_end|>is it like"
        "<|vision_start|><|image_pad|>*18<|vision_end|>?<|im_end|>\n"
        "<|im_start|>assistant\n[[no<|im_end|>]]"
    ),
    ("qwen2_vl", "an image later"): (
        f"{SYSTEM}<|im_start|>user\nhello !<|im_end|>\n<|im_start|>assistant\n[[yes<|im_end|>]]\n"
        "<|im_start|>user\n<|vision_start|><|image_pad|>*9<|vision_end|>what is it ?<|im_end|>\n"
        "<|im_start|>assistant\n[[a cat<|im_end|>]]"
    ),
    (
        "qwen2_vl",
        "text alone",
    ): f"{SYSTEM}<|im_start|>user\nwhat comes after 3 ?<|im_end|>\n<|im_start|>assistant\n[[4<|im_end|>]]",
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {name: family.write(tmp_path_factory.mktemp(name)) for name, family in FAMILIES.items()}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, folders):
    return request.param, AutoProcessor.from_pretrained(folders[request.param]), folders[request.param]


def model_of(folder):
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()


def shown(tokenizer, encoded) -> str:
    """The row as text, learnt tokens in [[ ]], runs of image tokens counted."""
    ids, learnt = encoded["input_ids"].tolist(), (encoded["labels"] != IGNORE).tolist()
    cuts = [0, *(i for i in range(1, len(ids)) if learnt[i] != learnt[i - 1]), len(ids)]
    texts = [tokenizer.decode(ids[:cut]) for cut in cuts]  # from the start: a run alone would lose its first space
    runs = [after[len(before) :] for before, after in pairwise(texts)]
    text = "".join(f"[[{run}]]" if learnt[cut] else run for run, cut in zip(runs, cuts, strict=False))
    return re.sub(r"(<image>|<\|image_pad\|>)\1*", lambda run: f"{run[1]}*{len(run[0]) // len(run[1])}", text)


@pytest.mark.parametrize("kind", ROWS)
def test_what_is_learnt_are_the_answers_with_their_ends(family, kind):
    name, processor, _ = family
    assert shown(processor.tokenizer, encode(ROWS[kind], processor, 512)) == SHOWN[name, kind]


@pytest.mark.parametrize("kind", ROWS)
def test_ids_and_images_are_those_of_the_processor_on_the_whole_conversation(family, kind):
    _, processor, _ = family
    encoded, images = encode(ROWS[kind], processor, 512), [open_image(image) for image in ROWS[kind]["images"]]
    pieces = segments(processor, to_messages(ROWS[kind]["turns"]))
    whole = "".join(text for text, _ in pieces)
    begun = whole.startswith(
        processor.tokenizer.bos_token or "\0"
    )  # as `processor.apply_chat_template(tokenize=True)` asks
    made = processor(text=[whole], images=images or None, add_special_tokens=not begun, return_tensors="pt")
    assert torch.equal(encoded["input_ids"], made["input_ids"][0])
    tensors = set(encoded) - {"input_ids", "labels", "row", "mm_token_type_ids"}
    assert tensors == set(made) - {"input_ids", "attention_mask", "mm_token_type_ids"} and bool(tensors) == bool(images)
    assert all(torch.equal(encoded[tensor], made[tensor]) for tensor in tensors)
    assert "mm_token_type_ids" not in made or torch.equal(encoded["mm_token_type_ids"], made["mm_token_type_ids"][0])
    counted = processor._get_num_multimodal_tokens(image_sizes=[image.size[::-1] for image in images])[
        "num_image_tokens"
    ]
    bare = processor.tokenizer(whole, add_special_tokens=not begun)["input_ids"]
    assert len(encoded["input_ids"]) == len(bare) - len(images) + sum(counted)


@pytest.mark.parametrize("kind", ROWS)
def test_generation_is_given_what_training_saw_before_each_answer(family, kind):
    _, processor, _ = family
    row, trained, n_images = ROWS[kind], encode(ROWS[kind], processor, 512), 0
    learnt = trained["labels"] != IGNORE
    starts = [i for i in range(1, len(learnt)) if learnt[i] and not learnt[i - 1]]
    assert len(starts) == len(row["turns"]) // 2
    for k, start in enumerate(starts):
        n_images += row["turns"][2 * k]["text"].count("<image>")
        asked = encode_prompt(
            to_messages(row["turns"][: 2 * k + 1]), [open_image(image) for image in row["images"][:n_images]], processor
        )
        assert torch.equal(asked["input_ids"], trained["input_ids"][:start]) and (asked["labels"] == IGNORE).all()


def test_a_model_taught_one_row_answers_it_and_stops(family):
    _, processor, folder = family
    model, chosen = model_of(folder).train(), row([png(48, 48)], "<image>\nwhat is it ?", "a cat on the left")
    batch = model_inputs(
        collate([encode(chosen, processor, 512)], processor.tokenizer.pad_token_id), torch.device("cpu")
    )
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        model(**batch, use_cache=False).loss.backward()
        optimizer.step()
    asked = encode_prompt(
        to_messages(chosen["turns"][:1]), [open_image(image) for image in chosen["images"]], processor
    )
    own = model.generation_config.eos_token_id
    assert end_of_turn(processor) in (own if isinstance(own, list) else [own])
    model.generation_config.eos_token_id = None  # the end of turn that answers were taught with is enough
    assert generate(model.eval(), processor, [asked], 24, 1) == ["a cat on the left"]


def test_rows_are_packed_with_equal_loss_or_refused(family):
    name, processor, folder = family
    encoded, pad = (
        [encode(ROWS[kind], processor, 512) for kind in ("text alone", "several images", *ROWS)],
        processor.tokenizer.pad_token_id,
    )
    if not FAMILIES[name].packing:
        for part in (encoded, encoded[:1]):  # rows of text alone, too
            with pytest.raises(InputError, match="set model.packing: false"):
                pack(part, pad)
        return
    model, cpu = model_of(folder), torch.device("cpu")
    packed = pack(encoded, pad)
    assert len(packed["input_ids"]) < len(encoded)
    losses = [
        model(**model_inputs(batch, cpu), use_cache=False).loss.item() for batch in (collate(encoded, pad), packed)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_where_a_token_would_reach_from_the_prompt_into_the_answer_the_text_is_cut(folders):
    """`A: ` and `cat`, where byte-pair encoding would put the space to the answer.

    Generation never sees `A:` with ` cat` to come.
    """
    processor = AutoProcessor.from_pretrained(folders["qwen2_vl"])
    processor.chat_template = (
        "{% for message in messages %}{{ 'Q: ' if message['role'] == 'user' else 'A: ' }}"
        "{{ message['content'][0]['text'] }}{% if message['role'] == 'assistant' %}<|im_end|>{% endif %}{{ '\n' }}"
        "{% endfor %}{% if add_generation_prompt %}A: {% endif %}"
    )
    chosen = row([], "what ?", "cat", "what color ?", "red")
    trained = encode(chosen, processor, 64)
    assert (
        shown(processor.tokenizer, trained) == "Q: what ?\nA: [[cat<|im_end|>]]\nQ: what color ?\nA: [[red<|im_end|>]]"
    )
    for k in (1, 3):
        asked = encode_prompt(to_messages(chosen["turns"][:k]), [], processor)["input_ids"]
        assert torch.equal(asked, trained["input_ids"][: len(asked)]) and trained["labels"][len(asked)] != IGNORE


def test_what_can_t_be_learnt_is_refused(folders):
    processor = AutoProcessor.from_pretrained(folders["llava"])
    processor.tokenizer.eos_token = None
    with pytest.raises(InputError, match="ends answers without a special token"):
        encode(ROWS["text alone"], processor, 64)
    processor = AutoProcessor.from_pretrained(folders["qwen2_vl"])
    processor.chat_template = processor.chat_template.replace("<|image_pad|>", "<picture>")
    with pytest.raises(
        InputError, match=r"row r: '<\|image_pad\|>' occurs 0 times in the rendered text, but the row has 1 image"
    ):
        encode(ROWS["several turns"], processor, 512)
    with pytest.raises(InputError, match="row r: .*aspect ratio"):  # what the processor itself refuses
        encode(
            row([png(2100, 8)], "<image>\nwhat is it ?", "a line"),
            AutoProcessor.from_pretrained(folders["qwen2_vl"]),
            512,
        )
