"""Infer the meaning of unknown fields from their names: media, coordinates in an image, exclusion from training.

Spelling variants count as one name: `systemPrompt`, `System-Prompt` and `system_prompt`. The names come from
LLaMA-Factory, axolotl, ms-swift, TRL, sharegpt, LLaVA-NeXT, Shikra, Vision-Flan, VideoChat, WebDataset, COCO.
"""

from __future__ import annotations

import re
from functools import lru_cache

#: Fields that state a row's source, in order of precedence: ours, Vision-Flan's, LLaVA-OneVision's, others'.
SOURCES = ("source", "taskname", "datasource", "sourcedataset", "dataset", "datasetname", "dataname")
_LONGEST = 60  # longer names are not examined
_PICTURE = "image|img|picture|photo|pic|screenshot"
_NAMED = r"(?:s|es|file|path|filename|filepath|name|url|uri|link|id|key|list|bytes|base64|b64|pil|data)*"
_HAS = "(?:has|with|is|contains?|includes?|num|n|numberof|numof)"
_OF_WHAT = "answer|example|gpt|instance|loss|message|reply|response|row|sample|token|train|training|turn"
_LEARNT = "backprop|learn|learnable|learned|learnt|supervise|supervised|supervision|train|trainable|trained|training"
_UNLEARNT = (
    "deleted|discard|discarded|disabled|drop|dropped|exclude|excluded|hidden|ignore|ignored|mask|masked|masks|remove|"
    "removed|skip|skipped"
)
_LAST = "(?:the)?(?:last|final)(?:turn|round|answer|reply|response)?s?"
#: Kind of field -> pattern of its names, in lower case and without punctuation.
_KINDS = {
    # media that models here don't see
    "video": r"(?:video|movie)s?(?:file|path|url|bytes)?s?\d*|mp4|mov|avi|mkv|webm",
    "sound": r"(?:audio|sound|speech)s?(?:file|path|url|bytes)?s?\d*|wavs?|mp3|flac",
    "frames": "frames|framepaths|framelist|videoframes",
    "media": "medias?(?:file|path|url)?s?",
    # names or announcements of media: they imply a medium if the row is read without images
    "video's name": r"(?:youtube|yt)?(?:video|vid|clip)(?:s|id|uid|name|key|idx|index|file|filename|filepath|path|url)*"
    "|(?:youtube|yt)id",
    "sound's name": "(?:audio|sound|speech|wav)(?:id|uid|name|key)s?",
    "picture": rf"(?:pil|raw|input|main|query|source|original|first|left|right|before|after)?(?:{_PICTURE}){_NAMED}\d*|"
    rf"(?:{_PICTURE})(?:before|after|left|right|a|b)|jpe?g|png|webp|tiff?",
    "another picture": rf"(?:{_PICTURE})s?(?:file|path|url|name|bytes)?\d+|"
    rf"(?:second|2nd|third|3rd|fourth|4th|extra|additional|other)(?:{_PICTURE}){_NAMED}",
    "has a picture": rf"{_HAS}(?:{_PICTURE})s?|(?:{_PICTURE})s?count",
    "has a video": f"{_HAS}(?:video|clip)s?|videos?count",
    "has a sound": f"{_HAS}(?:audio|sound|speech)s?",
    "modality": "(?:row|sample|data|media)?(?:type|kind)|modality|modalities|modal|mime|mimetype|contenttype",
    # coordinates in an image
    "places": r"(?:(?:gt|pred|predicted|ref|target|object|obj|instance|question|answer)?s?(?:bboxe?|boundingboxe?|"
    r"boxe|mask|segmentation|polygon|rle)s?)+(?:seq|list|path|xyxy|xywh|norm|normalized|2d|3d)?s?|boxseqs?",
    "places, if any": "objects?|box(?:2d|3d)?|points?|keypoints?|points?seq|regions?|groundings?",
    # loss weights of an answer or a row, and exclusion from training
    "weight": rf"(?:(?:{_OF_WHAT})s?)?weight(?:ing)?s?|loss(?:scale|factor|multiplier|coef(?:ficient)?)s?",
    "learnt": "(?:is|has|to|be|do|should|will|needs?|use|used|with|compute|calc|calculate|in|on|for|apply|enable|"
    rf"include)*(?:{_LEARNT}|loss)(?:(?:on|for)?(?:this|turns?|it)?|enabled|flags?|masks?)|keep|include|included|"
    "(?:assistant|completion|gpt|label|response|token|turn)s?masks?|"
    "enabled|(?:is)?valid|(?:is)?(?:chosen|preferred|desirable|approved|good)",
    "masked": "mask|masks|masked|ignored?",
    "unlearnt": rf"(?:is|do|to|be)?(?:{_UNLEARNT})(?:from)?(?:loss|train|training|turn|answer|response|history)?|"
    rf"(?:no|not|dont|donot|without)(?:{_LEARNT}|grad|loss)(?:on|onthis)?|is(?:bad|rejected)|only{_LAST}|{_LAST}only|"
    rf"(?:only)?(?:train|learn|loss)(?:on)?(?:only)?{_LAST}(?:only)?",
    "verdict": "labels?|preference|status|verdict|decision|quality|feedback|rating|review|ktotag",
    # text that models here don't see
    "system": "sys(?:tem)?s?(?:(?:prompt|message|instruction|msg|text|content|role)s?)?",
    "words": "instructions?|prompts?|userprompts?|userinstructions?",
    "tools": "tools|functions",
    "history": "history",
    "preference": "chosen|rejected|rejected(?:response|message|conversation|image|answer)s?|ktotag",
    "turns": "messages|conversations?",
    "call": "toolcalls|functioncall",
    "thoughts": "reasoningcontent|reasoning|thinking",
    "part": "traindetail",
    "text": "value|text|content",
    "source": "|".join(SOURCES),
}
_PATTERNS = {kind: re.compile(pattern) for kind, pattern in _KINDS.items()}


@lru_cache(1 << 12)
def spelt(name: str) -> str:
    """A field's name without case, blanks, hyphens and underscores."""
    return re.sub(r"[\W_]", "", name).lower()


@lru_cache(1 << 12)
def kinds(name: str) -> frozenset[str]:
    """The kinds of a field with this name, by the table above; empty if it is not handled here."""
    known = spelt(name)
    if len(known) > _LONGEST:
        return frozenset()
    return frozenset(kind for kind, pattern in _PATTERNS.items() if pattern.fullmatch(known))
