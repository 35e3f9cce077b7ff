"""Find answers that mention a caption or description given to the model instead of the image (ours).

Nothing is found if the image itself may hold a caption, or if the question contains or asks for a text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cadc.cleaning import asked
from cadc.cleaning.words import one_of, word_count

#: What the model was given, in lower case.
_NOUNS = re.compile(
    one_of(
        """
        bounding box | captions? | context | descriptions? | beschreibung | unterschrift | descripción | légende |
        leyenda | pie de foto | descrição | legenda | descrizione | didascalia | (?:be|om)schrijving | bijschrift |
        beskrivning | bildtext | opis | podpis | açıklama | tanım | mô tả | chú thích | deskripsi | keterangan |
        описани | подпис | опис | 描述 | 图片说明 | 圖片說明 | 説明文 | キャプション | 画像の説明 | 설명 |
        캡션 | وصف | تعليق | विवरण | कैप्शन
        """
    )
)
_NOUN = "(?:captions?|descriptions?)"
_KIND = "(?:image|picture|photo|photograph|scene|visual)"
_GIVEN = "(?:given|provided|supplied|accompanying)"
#: Excludes a caption below the photo, of the meme, on the wall.
_ELSEWHERE = (
    r"(?! (?:above|at|below|beneath|beside|in|near|next|on|that|under|underneath|which|written|"
    rf"of (?!(?:the|this) {_KIND}))\b)"
)
_SAYS = (
    r"(?:(?:also|clearly|only) )?(?:describes?|indicates?|mentions?|notes?|says?|specif(?:y|ies)|states?|suggests?|"
    r"(?:did|do|does)(?: not|n't) (?:describe|give|include|indicate|mention|provide|say|specify|state|tell))\b"
)
_BY = (
    r"(?:according to|as (?:described|detailed|given|indicated|mentioned|noted|seen|specified|stated|suggested) "
    r"(?:by|in)|as per|based (?:solely |only )?(?:on|upon)|going by|judging (?:by|from))"
)
#: Mentions of a caption that can only be the model's input.
_SURE = one_of(
    rf"""
    \b(?:by|from|on|per|to) the {_GIVEN} (?:bounding box(?:es)?|captions?|context|descriptions?)\b |
    \b(?:by|from|in|on|per|to) the bounding box(?:es)? (?:(?:i (?:was|have been) |that (?:are|were) |
    you (?:have )?)?{_GIVEN}|you (?:gave|sent)) |
    \bin the {_GIVEN} (?:bounding box(?:es)?|captions?|descriptions?)\b |
    \bfrom the (?:caption|description)s?,? it (?:appears|seems)\b |
    \b{_BY} (?:the |your )?(?:{_GIVEN} )?(?:{_KIND} {_NOUN}|{_NOUN} (?:you )?{_GIVEN}|{_NOUN} of the {_KIND}) |
    \b(?:the|your) (?:{_GIVEN} {_KIND}|{_GIVEN}|{_KIND}) {_NOUN} {_SAYS} |
    \b(?:the|your) {_NOUN} (?:(?:that )?(?:i (?:was|have been) |you )?{_GIVEN}|of the {_KIND}) {_SAYS}
    """
)
#: Mentions of a caption that may also be part of the image.
_MAYBE = one_of(
    rf"""
    \b{_BY} the {_NOUN}\b{_ELSEWHERE} |
    (?:^|[.!?,;]\s+(?:and |but |however, |so )?)the {_NOUN} {_SAYS} |
    \blaut (?:der )?(?:bild)?(?:beschreibung|unterschrift)\b(?! (?:auf|de[rs]|im|unter|von)\b) |
    \b(?:gemäß|nach) der bild(?:beschreibung|unterschrift)\b |
    \b(?:d'après|selon) la (?:description(?: fournie| de l'image|,)|légende (?:fournie|de l'image)) |
    \b(?:de acuerdo con|según) (?:la descripción|el pie de foto)\b(?! del?) |
    \bsegún la leyenda (?:de la imagen|proporcionada) |
    \b(?:conforme|de acordo com|segundo) a (?:descrição\b(?! d[aeo])|legenda (?:da imagem|fornecida)) |
    \b(?:in base alla|secondo la) (?:descrizione|didascalia)\b(?! de) |
    \bvolgens (?:de (?:be|om)schrijving|het bijschrift) | \benligt (?:bildtexten|beskrivningen)\b |
    \b(?:według|zgodnie z) (?:opis|podpis)(?:em|u)\b | \b(?:açıklamaya|tanıma) göre\b |
    \btheo (?:mô tả|chú thích)\b | \b(?:berdasarkan|menurut) (?:deskripsi|keterangan)\b |
    \b(?:согласно|судя по) (?:\w+ому )?(?:описани|подпис)[юи]\b |
    \bв описании (?:говорится|не указано|сказано|упоминается|указано) | \bзгідно з описом\b |
    (?:根据|根據|按照)(?:所|您|你)?(?:提供|给出|給出|给定|图[片像]|圖[片像])?的?(?:描述|图片说明|圖片說明) |
    (?:^|[，。])(?:图片|圖片|图像)?的?描述中?(?:提到|没有|沒有|未|指出|说|說) |
    (?:説明文|キャプション|画像の説明)(?:によ[るれ]|では|に(?:は)?[^。]{{0,20}}(?:とあり|書かれ|記載)) |
    (?:설명|캡션)에 (?:따르면|의하면) | (?:وفقًا|وفقا|بناءً على|استنادًا|حسب) ?(?:إلى )?(?:ال|لل)(?:وصف|تعليق) |
    (?:विवरण|कैप्शन) के अनुसार
    """
)
_FOUND = re.compile(f"(?i)(?P<sure>{_SURE})|{_MAYBE}")
#: Signs of an image with text in it, in an answer or its question.
_WORDS_IN_PICTURE = re.compile(
    r"(?i)\b(?:adverts?|advertisements?|articles?|banners?|cartoons?|comics?|exhibits?|flyers?|funny|headlines?|"
    r"humou?r\w*|ironic|irony|jokes?|magazines?|memes?|museums?|newspapers?|plaques?|posters?|posts?|printed|reading|reads|"
    r"screenshots?|slides?|subtitles?|texts?|tweets?|web ?(?:pages?|sites?)|words|written)\b|"
    r"\b(?:an?|its|with (?:the )?) ?(?:\w+ )?captions?\b"
)
_OF_FIGURES = re.compile(r"(?i)\b(?:charts?|diagrams?|documents?|figures?|graphs?|maps?|pages?|papers?|plots?)\b")
_OWN_TEXT = 30  # a question of at least this many words may contain a description itself


def given_words(question: str, said: str, before: Sequence[str] = ()) -> str:
    """The words in which an answer mentions a caption or description given with its question; '' if there are none.

    said: the answer without quotations and others' speech. before: the row's earlier questions.
    """
    if not _NOUNS.search(said.lower()):
        return ""
    asked_for = "\n".join((*before, question)).lower()
    if word_count(asked_for) >= _OWN_TEXT:
        return ""
    in_picture = (
        asked.for_words(question, before)
        or _OF_FIGURES.search(question)
        or any(map(_WORDS_IN_PICTURE.search, (question, said)))
    )
    for match in _FOUND.finditer(said):
        noun = _NOUNS.search(match[0].lower())[0].removesuffix("s")
        if noun not in asked_for and (match["sure"] or not in_picture):
            return match[0].strip(" .,;!?，。")
    return ""
