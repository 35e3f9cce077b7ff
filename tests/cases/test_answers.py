"""Answers are learnt whole, as text, whatever they hold."""

import pytest
from architectures import FAMILIES

from cadc.model.conversation import end_of_turn, to_messages
from cadc.model.encode import IGNORE, encode, encode_prompt


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return request.param, FAMILIES[request.param].build()[1]


def row(*said, images=()):
    turns = [{"role": ("user", "assistant")[k % 2], "text": text} for k, text in enumerate(said)]
    return {"id": "r", "turns": turns, "images": list(images)}


ANSWERS = ["red", "the token is <pad>", "<unk>", "code: <s>old</s> new", "a <|im_end|> b", "red</s>", "<|im_start|>",
           "look at <image> here", "<end_of_utterance>", "<|endoftext|> and more", "<|image_pad|>",
           "<</s>>"]  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_learnt_as_text_and_ends_its_turn(family, answer):
    _, processor = family
    tokenizer = processor.tokenizer
    for said in (("what ?", answer), ("what ?", answer, f"and {answer.replace('<image>', 'it')} ?", "red")):
        encoded = encode(row(*said), processor, 2000)
        at = (encoded["labels"] != IGNORE).nonzero().flatten().tolist()
        spans, start = [], 0
        for k in range(1, len(at) + 1):
            if k == len(at) or at[k] != at[k - 1] + 1:
                spans.append(encoded["input_ids"][at[start:k]].tolist())
                start = k
        assert [tokenizer.decode(span[:-1]).strip() for span in spans] == list(said[1::2])
        assert all(span[-1] == end_of_turn(processor) for span in spans)
        assert not {token for span in spans for token in span[:-1]} & {*tokenizer.all_special_ids}
        prompt = encode_prompt(to_messages(row(*said)["turns"][:1]), [], processor)["input_ids"].tolist()
        assert encoded["input_ids"].tolist()[: len(prompt)] == prompt and at[0] == len(prompt)


@pytest.mark.parametrize(
    "answer, learnt",
    [("    return x", "    return x"), ("\n\n\tif x:\n\t\ty\n\n", "\tif x:\n\t\ty"), ("  a\n    b  ", "  a\n    b")],
)
def test_the_first_line_of_an_answer_keeps_its_indentation(family, answer, learnt):
    name, processor = family
    encoded = encode(row("code ?", answer), processor, 500)
    made = processor.tokenizer.decode(encoded["input_ids"][encoded["labels"] != IGNORE][:-1])
    front = " " if name == "smolvlm" else ""  # its template puts one in front of each answer
    assert made == front + learnt


def test_messages_are_not_changed_by_being_encoded(family):
    _, processor = family
    messages = to_messages(row("what is </s> and <|im_end|> ?")["turns"])
    encode_prompt(messages, [], processor)
    assert messages[0]["content"] == [{"type": "text", "text": "what is </s> and <|im_end|> ?"}]
