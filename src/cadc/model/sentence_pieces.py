"""Build Llama's tokenizer from a SentencePiece model, with exactly the ids of Vicuna's and LLaVA's slow tokenizer.

transformers reads such a model with protobuf, whose version may conflict with the sentencepiece package, and its
Metaspace adds no space in front of a text that begins with one. So the pieces are read here.
"""

from __future__ import annotations

from sentencepiece import SentencePieceProcessor
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast
from transformers.tokenization_utils_base import generate_merges

from cadc.config.errors import InputError

_SPACE = "\u2581"  # SentencePiece's
#: Texts on which the result must agree with SentencePiece, in addition to all pieces in a row.
_TRIED = (
    "Hello, world!",
    "  two spaces\n\nand\tmore ",
    "naïve café, 日本語 🚗",
    "USER: 12 + 30? ASSISTANT: 42",
    " one",
)


def llama_tokenizer(file: str, legacy: bool) -> PreTrainedTokenizerFast:
    """The tokenizer of a SentencePiece model: adds `<s>` in front; has no padding token.

    `legacy` (transformers' term): a space in front of every stretch between control tokens, as in the hub's
    tokenizer.json files; otherwise only at the beginning of a text. Raises InputError if `file` is not such a model, or
    if the ids would differ.
    """
    try:
        spoken = SentencePieceProcessor(model_file=file)
    except (RuntimeError, OSError) as error:
        raise InputError(f"{file} is not a SentencePiece model ({str(error).splitlines()[0]})") from error
    every = range(spoken.get_piece_size())
    pieces, marks = [spoken.id_to_piece(i) for i in every], ("<unk>", "<s>", "</s>")
    if not all(map(spoken.is_control, (1, 2))) or tuple(pieces[:3]) != marks:
        raise InputError(f"{file}: its first pieces are {', '.join(pieces[:3])}, but Llama's are {', '.join(marks)}")
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    merges = generate_merges(vocabulary, skip_tokens=[pieces[i] for i in every if not _is_text(spoken, i)])
    made = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    marked = normalizers.Replace(" ", _SPACE)
    if legacy:
        made.normalizer = normalizers.Sequence([normalizers.Prepend(_SPACE), marked])
    else:  # the first step adds a space at the beginning of a text, the second marks it
        made.normalizer = marked
        first = pre_tokenizers.Metaspace(replacement=" ", prepend_scheme="first", split=False)
        made.pre_tokenizer = pre_tokenizers.Sequence(
            [first, pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme="never", split=False)]
        )
    spaced, single = decoders.Replace(_SPACE, " "), decoders.Strip(content=" ", left=1, right=0)
    made.decoder = decoders.Sequence([spaced, decoders.ByteFallback(), decoders.Fuse(), single])
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        clean_up_tokenization_spaces=False,
    )
    for text in (*_TRIED, "".join(pieces[i] for i in every if _is_text(spoken, i)).replace(_SPACE, " ")):
        if tokenizer(text, add_special_tokens=False)["input_ids"] != spoken.encode(text):
            raise InputError(f"{file}: not a SentencePiece model of Llama's kind; the tokens of {text[:40]!r} differ")
    return tokenizer


def _is_text(spoken: SentencePieceProcessor, i: int) -> bool:
    return not (spoken.is_control(i) or spoken.is_unknown(i) or spoken.is_byte(i) or spoken.is_unused(i))
