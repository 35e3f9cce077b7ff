"""LLaVA-1.5 put together from Vicuna, CLIP and a connector: it loads, and computes what its pieces compute."""

import pytest
import torch
from llava_pieces import SEEN, WIDTH, connector, write
from PIL import Image
from safetensors.torch import save_file
from transformers import AutoModelForImageTextToText, AutoProcessor, CLIPVisionModel, LlamaForCausalLM

from cadc.config.errors import InputError
from cadc.model.assemble import assemble, main
from cadc.model.assemble import connector as read_connector
from cadc.model.load import load_base
from cadc.model.sentence_pieces import llama_tokenizer

SIDE = 56  # 16 tokens a picture


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    return write(tmp_path_factory.mktemp("pieces"), SIDE)


@pytest.fixture(scope="module")
def start(pieces, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "start"
    assemble(**pieces, out=folder)
    return folder


def test_it_computes_what_its_pieces_compute(start, pieces):
    model = AutoModelForImageTextToText.from_pretrained(start, dtype=torch.float32)
    processor = AutoProcessor.from_pretrained(start)
    said = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}]
    text = processor.apply_chat_template(said, add_generation_prompt=True)
    image = Image.linear_gradient("L").convert("RGB")
    made = processor(text=[text], images=[image], return_tensors="pt")
    with torch.no_grad():
        whole = model(**made).logits[0, :, :931]
        tower = CLIPVisionModel.from_pretrained(pieces["tower"], dtype=torch.float32)
        language = LlamaForCausalLM.from_pretrained(pieces["language"], dtype=torch.float32)
        seen = tower(made["pixel_values"], output_hidden_states=True).hidden_states[-2][0, 1:]
        held = {name.removeprefix("model.mm_projector."): weight.float() for name, weight in connector().items()}
        hidden = torch.nn.functional.gelu(seen @ held["0.weight"].T + held["0.bias"])
        shown = hidden @ held["2.weight"].T + held["2.bias"]
        ids = made["input_ids"][0]
        is_image = ids == processor.image_token_id
        assert int(is_image.sum()) == 16 == len(shown)
        embedded = language.model.embed_tokens(ids.masked_fill(is_image, 0))
        embedded[is_image] = shown
        apart = language(inputs_embeds=embedded[None]).logits[0]
    assert torch.allclose(whole, apart, atol=1e-5) and whole.std() > 0.01


def test_weights_keep_their_precision_and_new_rows_are_means(start, pieces):
    model = AutoModelForImageTextToText.from_pretrained(start, dtype=torch.float32)
    language = LlamaForCausalLM.from_pretrained(pieces["language"])
    assert model.config.text_config.vocab_size == 960 == len(model.lm_head.weight)  # a multiple of 64
    for grown, own in (
        (model.lm_head.weight, language.lm_head.weight),
        (model.model.language_model.embed_tokens.weight, language.model.embed_tokens.weight),
    ):
        assert own.dtype == torch.float16 and torch.equal(grown[:931], own.float())
        assert torch.equal(grown[931:], own.float().mean(0).half().float().expand(29, -1))
    assert model.generation_config.eos_token_id == 2 and model.config.image_token_id == 931
    assert str(start.parent.parent) not in (start / "config.json").read_text()  # no path of this machine


def test_the_pipeline_loads_it(start, params):
    base = load_base(params.model.model_copy(update={"path": str(start)}))
    assert base.dtype == torch.float32 and not any(parameter.requires_grad for parameter in base.parameters())


def test_the_same_pieces_give_the_same_bytes(start, pieces, tmp_path):
    asked = [f"--{name}={value}".replace("connecting", "connector") for name, value in pieces.items()]
    asked.append(f"--out={tmp_path / 'again'}")
    main(asked)
    names = sorted(path.name for path in start.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    assert all((start / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in names)
    with pytest.raises(SystemExit, match="assemble: --out: .* already exists"):
        main(asked)


def test_connectors_in_other_files_are_read(tmp_path):
    torch.save(connector(), tmp_path / "mm_projector.bin")
    read = read_connector(str(tmp_path))  # the folder that stage 1 leaves
    assert set(read) == {"linear_1.weight", "linear_1.bias", "linear_2.weight", "linear_2.bias"}
    save_file({name.removeprefix("model."): weight for name, weight in connector().items()}, tmp_path / "c.safetensors")
    other = read_connector(str(tmp_path / "c.safetensors"))
    assert all(torch.equal(read[name], other[name]) for name in read)


class Evil:
    def __reduce__(self):
        return print, ("run",)


REFUSED = {
    "code in a pickle": (lambda file: torch.save({**connector(), "x": Evil()}, file), "as tensors"),
    "no file of torch's": (lambda file: file.write_bytes(b"hello"), "as tensors"),
    "one layer": (
        lambda file: torch.save(dict(list(connector().items())[:2]), file),
        "is not a connector of LLaVA-1.5",
    ),
    "more than a connector": (
        lambda file: torch.save({**connector(), "lm_head.weight": torch.zeros(1)}, file),
        "nothing else",
    ),
    "tensors without names": (lambda file: torch.save(torch.zeros(3), file), "is not a connector of LLaVA-1.5"),
}


@pytest.mark.parametrize("make, said", REFUSED.values(), ids=REFUSED)
def test_what_is_no_connector_is_refused(tmp_path, capsys, make, said):
    make(tmp_path / "mm_projector.bin")
    with pytest.raises(InputError, match=said):
        read_connector(str(tmp_path / "mm_projector.bin"))
    assert "run" not in capsys.readouterr().out


def test_a_connector_of_another_size_is_refused_and_nothing_is_left(pieces, tmp_path):
    wide = {**connector(), "model.mm_projector.0.weight": torch.zeros(WIDTH, SEEN + 1)}
    torch.save(wide, tmp_path / "wide.bin")
    with pytest.raises(InputError, match=rf"linear_1.weight has the shape \({WIDTH}, {SEEN + 1}\)"):
        assemble(**{**pieces, "connecting": str(tmp_path / "wide.bin")}, out=tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["wide.bin"]


def test_a_tokenizer_that_is_none_is_refused(pieces, tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(b"no pieces")
    with pytest.raises(InputError, match="is not a SentencePiece model"):
        llama_tokenizer(str(tmp_path / "tokenizer.model"), legacy=False)
    with pytest.raises(InputError, match="neither tokenizer.json nor tokenizer.model"):
        assemble(**{**pieces, "language": pieces["tower"]}, out=tmp_path / "out")


@pytest.mark.parametrize("text", ["Hello", " one", "  two\n\nlines ", "é 日本 🚗", ""])
@pytest.mark.parametrize("legacy", [True, False])
def test_a_text_is_cut_as_sentencepiece_cuts_it_and_comes_back(pieces, text, legacy):
    tokenizer = llama_tokenizer(f"{pieces['language']}/tokenizer.model", legacy)
    ids = tokenizer(text)["input_ids"]
    assert ids[0] == 1 and tokenizer.decode(ids, skip_special_tokens=True) == text
    behind = tokenizer(f"x</s>{text}", add_special_tokens=False)["input_ids"]
    at = behind.index(2) + 1
    assert (behind[at:] == ids[1:]) is (legacy or text == "")
