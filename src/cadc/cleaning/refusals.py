"""Find refusals in many languages (ours).

A flagged row may be dropped, so patterns require a whole phrase: the writer can't help, can't see the image, or there
is none. What others say does not count: quotations, dialogues, "he says that he can't". "I can't tell exactly, but
about five" is an answer; a letter that was asked for may apologise; a picture on the wall may be missing.
"""

from __future__ import annotations

import itertools
import re
from functools import lru_cache
from typing import NamedTuple

from cadc.cleaning import asked
from cadc.cleaning import refusal_english as english
from cadc.cleaning.findings import shown
from cadc.cleaning.refusal_east_asian import UNPARTED
from cadc.cleaning.refusal_romance import ROMANCE
from cadc.cleaning.refusal_scripts import PARTED
from cadc.cleaning.refusal_words import LATIN, Wording
from cadc.cleaning.words import one_of, unquoted

#: Lines and line ends spoken by others: block quotes, dialogues after dashes, text after "the sign says:".
_SPEECH = re.compile(
    r"(?im)^[ \t]*(?:>|[—–][ \t]?\w).*$|"
    r"\b(?:answer(?:s|ed)|ask(?:s|ed)|read(?:s|ing)|repl(?:y|ies|ied)|said|say(?:s|ing)?|shouts?|states?|tells?|"
    r"thinks?|told|writ(?:es|ten)|wrote|antwortet|berkata|dice|dijo|dit|diyor|diz|lautet|mówi|nói|pone|répond|sagt|"
    r"schreibt|staat|steht|står|säger|tertulis|yazıyor|zegt|говорит|гласит|каже|написано|"
    r"отвечает|сказал\w*)\b"
    r"[^.!?:\n]{0,40}:.*$|[写寫說说道答][着著]?[：:].*$"
)
#: "Guard: I can't let you in.", if there are at least two speakers.
_LABELLED = re.compile(
    r"(?:^|(?<=\n)|(?<=[.!?] ))[ \t*]*([^\W\d_][\w' ]{0,20})\**: ?[^\n]*?(?=[.!?] [^\W\d_][\w' ]{0,20}: |$|\n)"
)
_OWN_LABELS = "ai answer assistant bot description image model note output response summary"
_REPORTED = re.compile(
    r"(?i)\b(?:answer(?:ed|s)|asks|means|reads?|repl(?:y|ies|ied)|said|says|saying|(?<!\bi )(?<!must )(?<!to )say|"
    r"tells|thinks|told|writes|dice|dit(?= qu)|diz|sagt|говорит|сказал\w*)\b[^.!?\n]{0,20}$|(?:说|說|と書|"
    r"写着)\W*$|"
    r"[他她們们人](?:很|非常|感到|表示|深表)*$"
)
#: "I can't help you, it said"
_SAID_AFTER = re.compile(
    r"(?i)[^.!?\n]{0,60}?[,.!?] (?:\w+ ){1,3}?(?:answered|answers|asks|replied|replies|said|says|shouted|thinks|"
    r"thought)\b|[^.!?\n]{0,60}?, (?:dice|dit|diz|mówi|sagt|säger|zegt|говорит|каже)\b"
)
_IF = re.compile(
    r"(?i)\b(?:als je|eğer|falls|if|in case|indien|jeśli|jika|kalau|nếu|si|unless|wenn|when|whenever|если|"
    r"якщо)\b"
    r"[^.!?;\n]{0,40}$|(?:如果|若|当|當|假如|もし|万一|만약|만일|إذا|اگر|यदि|अगर|"
    r"หาก|ถ้า|אם)[^。，,.!?\n]{0,20}$"
)
#: Words that turn "I can't" into a partial answer. An offer of help does not.
_BUT = re.compile(
    r"(?i)\b(?:although|but|however|though|yet)\b(?!,? (?:i(?:'m| am| can| could| would|'d|'ll)(?: be)?(?: glad| happy|"
    r" here| try)?(?: to)? (?:answer|assist|help|offer|provide|try)|if you|feel free|let me know|please|"
    r"i(?:'m| am) (?:glad|happy|here)))|"
    r"(?:\b(?:aber|ale|ama|ancak|maar|mais|mas|nhưng|pero|però|tetapi|но)\b|不过|不過|但|しかし|けど|"
    r"하지만|لكن|लेकिन)(?![^.!?。]{0,40}?(?:\b(?:aider?|aiut|ajud|ayud|bantu|helfen?|helpe?n?|hjälp|membantu|pom[oó]c|помо[гчщ]|"
    r"yardım|giúp)|帮|幫|协助|協助|手伝|도와|도움|مساعد|أساعد|मदद|सहायता))"
)
#: References to the conversation with the model, after a word for `in`.
_TALK = (
    r"(?:cette|dein\w*|diese\w*|din|ditt|es[st]ae?|este|euer\w*|ihre\w*|je|jouw|nossa|nostr[ao]|notre|nuestr[ao]|ons|onze|"
    r"quest[ao]|sua|suo|su|this|ton|tua|tuo|tu|twojej|uns\w*|uw|vår\w*|votre|vostr[ao]|nasze[jm]|"
    r"ваше[йм]|наше[йм]|тво[её][йм]|этом) "
    r"(?:anfrage|bericht|chat\w*|conversa\w*|frage|gespr\w+|konversation|meddelande|mensa\w+|messag\w+|nachricht|"
    r"question|rozmowie|unterhaltung|vraag|wiadomości|запросе|разговоре|сообщении|чате)\b"
)
#: Questions about pictures in the image, or about something that failed: then a picture may really be missing.
_OF_PICTURES = re.compile(
    rf"(?i)\b(?:another|any|each|framed|how many|many|no|other|some|which) (?:\w+ )?{english.PICTURE}|"
    rf"\b(?:are|did|do|does|has|have|is|was|were)(?:n't)? (?:\w+ ){{1,3}}?an? (?:\w+ )?{english.PICTURE}(?! (?:of|show|"
    rf"taken))|\ban? {english.PICTURE} (?:above|attached|behind|hanging|on|over|under)|\bwas an? {english.PICTURE}|"
    rf"{english.PICTURE} (?:above|attached|behind|beside|frames?|hanging|in the frame|next to|"
    r"on the (?!left|right)|over)\b|"
    r"\b(?:alt|app|blank|browser|code|empty|icons?|placeholders?|errors?|fail(?:s|ed)?|happen(?:s|ed)?|html|load(?:ed|ing)?|missing|pages?|screens?|"
    r"upload(?:ed|s)?|webpages?|websites?|wrong|bildschirm|ekran\w*|layar|màn hình|p[aá]gina|pantalla|scherm\w*|"
    r"seite|"
    r"sitio|skärm\w*|tela|webseite|écran|сайт\w*|страниц\w*|экран\w*)\b|"
    r"شاشة|स्क्रीन|หน้าจอ|サイト|ページ|代码|屏幕|画面|网站|网页|表单|"
    r"页面|사이트|화면"
)


class _Kind(NamedTuple):
    """One kind of refusal."""

    pattern: re.Pattern[str]
    answered: bool = True  # an answer may follow, so that it is no refusal
    letter: bool = False  # may occur in a letter that was asked for
    missing: bool = False  # may be about missing pictures in the image
    tell: re.Pattern[str] | None = None  # if the sentence matches, it is no refusal
    own: re.Pattern[str] | None = None  # must precede it in its sentence, to show that the writer speaks
    picture: re.Pattern[str] | None = None  # must match if the question asks for words in the image


def _small(pattern: str) -> re.Pattern[str]:
    """A case-insensitive pattern."""
    return re.compile(f"(?i){pattern}")


def _kinds_of(wording: Wording, edge: str) -> list[_Kind]:
    """The kinds of refusals in one language. edge: the edge of a word, `\\b` in languages with blanks."""
    picture = f"(?>{one_of(wording.picture)})"
    names = {
        "picture": rf"{picture}(?! (?:{one_of(wording.of)})\b(?! {_TALK}))",
        "end": rf"(?=\s*(?:[.,;!。،]|$)| \w+ {_TALK})",
        "talk": _TALK,
    }
    sorry, cant, see, none, tell, owned = (
        re.sub("<(picture|end|talk)>", lambda name: names[name[1]], one_of(text))
        for text in (wording.sorry, wording.cant, wording.see, wording.none, wording.tell, wording.own)
    )
    own, gap = _small(owned) if owned else None, "[^.!?。！？]"
    blind = _small(rf"(?:{cant}){gap}{{0,20}}?(?:{see})")
    apology = _small(rf"(?:{sorry})\w{{0,8}}[.!。]?{gap}{{0,60}}?(?:{cant})")
    return [
        _Kind(blind, own=own, picture=_small(picture)),
        _Kind(_small(none), missing=True, own=own),
        _Kind(apology, letter=True, own=own, tell=_small(f"{edge}(?:{tell}){edge}")),
    ]


_WORDINGS = [*LATIN.values(), *ROMANCE.values(), *PARTED.values(), *UNPARTED.values()]
_NO = ("n't", "not", " no ", "unable", "lack", "(no", "[no", "<no")
#: (words of which a matching text contains one, in lower case, searched first because it is fast; kinds)
_KINDS = [
    (
        (*_NO, "can you", "could you", "forgot", "if you", "need", "only", "please", "without"),
        [_Kind(_small(english.BLIND), answered=False)],
    ),
    (
        (*_NO, "fail", "error", "missing", "navailable", "inaccess"),
        [_Kind(_small(english.MISSING), answered=False, missing=True)],
    ),
    ((*_NO, "decline", "my ", "our ", "polic", "prefer", "rather"), [_Kind(_small(english.DECLINED))]),
    (("afraid", "apolog", "regret", "sorry", "unfortunately"), [_Kind(_small(english.SORRY), letter=True)]),
]
for _wordings, _edge in ((LATIN | ROMANCE, r"\b"), (PARTED | UNPARTED, "")):
    for _wording in _wordings.values():
        _KINDS.append((tuple(one_of(_wording.signs).replace("_", " ").split("|")), _kinds_of(_wording, _edge)))
_ANY_PICTURE = re.compile("(?i)" + "|".join(one_of(wording.picture) for wording in _WORDINGS))
_LEAD = re.compile(
    r"(?i)(?:\W|\b(?:am|apolog\w+|are|but|i'm|i|my|really|so|sorry|truly|unfortunately|very|we)\b|我们?|我們|"
    + "|".join(one_of(wording.sorry) for wording in _WORDINGS)
    + ")*"
)
#: Questions about why something is not visible, which are answered in such words.
_WHY = re.compile(
    r"(?i)\bwhy\b[^.?!]{0,80}(?:\bcannot|\bnever|\bno|\bnot|n't|\bunable)\b[^.?!]{0,80}\b(?:look|read|see|seen|view|visible)\b"
)
_NOT_IN_ANY = re.compile(
    r"(?i)\b(?:geen|inga|ingen|inte|kein\w*|không|n'|ne|nem|nicht|nie|niet|no|non|não|pas|tidak|не|нет|ні|δεν)\b|"
    r"m[ıiuü]yor|不|没|沒|无|無|ない|ませ|안 |못|않|없|لا|नहीं|ไม่|אין|לא|نمی"
)
_WHY_IN_ANY = re.compile(
    r"(?i)\b(?:cur|czemu|dlaczego|kenapa|mengapa|neden|niçin|perché|por que|por qué|pourquoi|tại sao|varför|waarom|"
    r"warum|why|wieso|почему|чому)\b|为什么|為什麼|为何|なぜ|どうして|왜|لماذا|क्यों|ทำไม|γιατί|למה|چرا"
)
#: A picture within the image: "the photo in his hand".
_LOCATED = re.compile(
    rf"(?i){english.PICTURE} (?:above|at|behind|beside|in|near|on|over|under) (?:a|an|her|his|its|my|our|that|the|"
    rf"their|this|your) (?!{english.PICTURE}|background|foreground|left|middle|right|top|bottom|cent(?:er|re))\w+"
)
_DENIAL = re.compile(r"\b(?:cannot|no|not|sorry|unable)\b|n't\b")
#: Questions about what somebody may say.
_SPOKEN = re.compile(
    r"(?i)\b(?:could|may|might|would)\b[^.?!]*\b(?:answer|reply|respond|say|saying|tell|think|thinking)\b|"
    r"\bwhat (?:did|do|does|has|have|is|was|were) (?!you\b)[^.?!]{0,80}\b(?:answer\w*|repl(?:ied|y|ying)|respond\w*)\b"
)
#: Phrases of signs, not of models.
_OF_OTHERS = re.compile(r"(?i)\b(?:help you|our|we)\b")
_SENTENCE = re.compile(r"[.!?。！？।؟\n]")
_NEAR = 150  # characters before a refusal that show who speaks


@lru_cache(maxsize=1)
def own_words(text: str) -> str:
    """A text without quotations and others' speech, with straight apostrophes and no blanks before punctuation."""
    said = unquoted(text.replace("’", "'").replace("‘", "'"))
    said = _SPEECH.sub(" ", said) if any(mark in said for mark in ":：>—–") else said
    labels = {label[1].strip().lower() for label in _LABELLED.finditer(said)} if ":" in said else set()
    if len(labels) > 1 and labels.isdisjoint(_OWN_LABELS.split()):
        said = _LABELLED.sub(" ", said)
    return re.sub(r"(?<! ) +(?=[.,!?])", "", said).strip()


def reported(said: str, match: re.Match[str]) -> bool:
    """Whether a match is reported speech, a condition, or a title."""
    before, words = said[max(0, match.start() - _NEAR) : match.start()], match[0].split()
    if _REPORTED.search(before) or _IF.search(before) or _SAID_AFTER.match(said, match.end()):
        return True
    return (
        len(words) > 2
        and words[0][0] not in "<[("
        and all(word[0].isupper() or not word[0].isalpha() for word in words)
    )


def refusal(question: str, answer: str) -> str:
    """The words in which an answer refuses; '' if it does not."""
    said = own_words(answer)
    low = f" {said.lower()} "
    last_but = -1
    for kind in (kind for signs, kinds in _KINDS if any(sign in low for sign in signs) for kind in kinds):
        for match in kind.pattern.finditer(said):
            if last_but < 0:
                last_but = max((but.start() for but in _BUT.finditer(said)), default=0)
            if not (kind.answered and last_but >= match.end()) and _refuses(question, said, match, kind):
                return shown(match[0])
    return ""


def _refuses(question: str, said: str, match: re.Match[str], kind: _Kind) -> bool:
    """Whether what looks like a refusal is the writer's own, and not what the question asks for."""
    tail = _SENTENCE.split(said[max(0, match.start() - _NEAR) : match.start()])[-1]
    if reported(said, match) or (kind.own and not kind.own.search(tail)):
        return False
    if kind.tell and kind.tell.search(match[0] + _SENTENCE.split(said[match.end() : match.end() + _NEAR])[0]):
        return False
    if kind.missing and (_OF_PICTURES.search(question) or asked.for_reading(question)):
        return False
    if kind.answered and _SPOKEN.search(question):
        return False
    if not kind.answered and (_WHY.search(question) or _LOCATED.search(question)):
        return False
    if _quotes(question, match[0], kind):
        return False
    reading, words = asked.for_reading(question), match[0]
    if reading and (_OF_OTHERS.search(words) or (kind.picture and not kind.picture.search(words))):
        return False
    if reading or asked.for_writing(question):
        return _LEAD.match(said).end() >= match.start() and not kind.letter
    return not (said[:3].lower() in ("no,", "no ") and _OF_PICTURES.search(question))


@lru_cache(maxsize=1)
def _refuses_itself(question: str) -> bool:
    """Whether a question contains what looks like a refusal."""
    return any(kind.pattern.search(question) for _, kinds in _KINDS for kind in kinds)


def _quotes(question: str, words: str, kind: _Kind) -> bool:
    """Whether the question itself contains the apparent refusal: to be repeated or translated, or in asking why."""
    asked_with = " ".join(question.replace("’", "'").lower().split())
    if asked.COPYING.search(question) or asked.for_reading(question):
        pairs = map(" ".join, itertools.pairwise(words.lower().split()))
        if _refuses_itself(asked_with) or any(_DENIAL.search(pair) and pair in asked_with for pair in pairs):
            return True
    why = _WHY_IN_ANY.search(question) and _NOT_IN_ANY.search(question)
    return bool(why and (kind.pattern.search(asked_with) or _ANY_PICTURE.search(question)))
