"""Answers that are none: refusals, in many languages (ours).

A flagged row may be dropped, so a pattern asks for a whole turn of phrase: that the writer can't help, or can't see the
picture, or that there is none. What others say is not the writer's: quotations, dialogues, "he says that he can't". "I
can't tell exactly, but about five" is an answer; a letter that was asked for may be sorry; a picture on the wall may be
missing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from cadc.cleaning import asked
from cadc.cleaning.findings import shown
from cadc.cleaning.refusal_scripts import OTHERS
from cadc.cleaning.refusal_words import LATIN, Wording
from cadc.cleaning.words import one_of, unquoted

#: Lines and ends of lines that others speak: block quotes, dialogues after dashes, what follows "the sign says:".
_SPEECH = re.compile(
    r"(?im)^[ \t]*(?:>|[—–][ \t]?\w).*$|"
    r"\b(?:answer(?:s|ed)|ask(?:s|ed)|read(?:s|ing)|repl(?:y|ies|ied)|said|say(?:s|ing)?|shouts?|states?|tells?|"
    r"thinks?|told|writ(?:es|ten)|wrote|antwortet|berkata|dice|dijo|dit|diyor|diz|lautet|mówi|nói|pone|répond|sagt|"
    r"schreibt|staat|steht|står|säger|tertulis|yazıyor|zegt|говорит|гласит|каже|написано|отвечает|сказал\w*)\b"
    r"[^.!?:\n]{0,40}:.*$|[写寫說说道答][着著]?[：:].*$"
)
#: "Guard: I can't let you in." of two speakers or more.
_LABELLED = re.compile(
    r"(?:^|(?<=\n)|(?<=[.!?] ))[ \t*]*([^\W\d_][\w' ]{0,20})\**: ?[^\n]*?(?=[.!?] [^\W\d_][\w' ]{0,20}: |$|\n)"
)
_OWN_LABELS = "ai answer assistant bot description image model note output response summary"
_REPORTED = re.compile(
    r"(?i)\b(?:answer(?:ed|s)|asks|reads?|repl(?:y|ies|ied)|said|says|saying|(?<!\bi )(?<!must )(?<!to )say|tells|thinks|told|"
    r"writes|dice|dit(?= qu)|diz|sagt|говорит|сказал\w*)\b[^.!?\n]{0,20}$|(?:说|說|と書|写着)\W*$|"
    r"[他她們们人](?:很|非常|感到|表示|深表)*$"
)
#: "I can't help you, it said"
_SAID_AFTER = re.compile(
    r"(?i)[^.!?\n]{0,60}?[,.!?] (?:\w+ ){1,3}?(?:answered|answers|asks|replied|replies|said|says|shouted|thinks|thought)\b"
)
_IF = re.compile(
    r"(?i)\b(?:als je|eğer|falls|if|in case|indien|jeśli|jika|kalau|nếu|si|unless|wenn|when|whenever|если|якщо)\b"
    r"[^.!?;\n]{0,40}$|(?:如果|若|当|當|假如|もし|万一|만약|만일|إذا|اگر|यदि|अगर|หาก|ถ้า|אם)[^。，,.!?\n]{0,20}$"
)
#: What turns "I can't" into an answer of sorts. An offer of help does not.
_BUT = re.compile(
    r"(?i)\b(?:although|but|however|though|yet)\b(?!,? (?:i(?:'m| am| can| could| would|'d|'ll)(?: be)?(?: glad| happy|"
    r" here| try)?(?: to)? (?:answer|assist|help|offer|provide|try)|if you|feel free|let me know|please|"
    r"i(?:'m| am) (?:glad|happy|here)))|"
    r"\b(?:aber|ale|ama|ancak|maar|mais|mas|nhưng|pero|però|tetapi|но)\b|不过|不過|但|しかし|けど|하지만|لكن|लेकिन"
)
_PICTURE = one_of(
    r"(?:attachments? | figures? | images? | photographs? | photos? | pictures? | screenshots? | videos? |"
    r" visual (?:content|input)s?)(?: (?:data|files?|links?|urls?))?\b"
)
#: Questions for pictures in the picture, or for what did not work: then such a one may be missing.
_OF_PICTURES = re.compile(
    rf"(?i)\b(?:another|any|each|framed|how many|many|no|other|some|which) (?:\w+ )?{_PICTURE}|"
    rf"\b(?:are|did|do|does|has|have|is|was|were)(?:n't)? (?:\w+ ){{1,3}}?an? (?:\w+ )?{_PICTURE}(?! (?:of|show|taken))|"
    rf"\ban? {_PICTURE} (?:above|attached|behind|hanging|on|over|under)|\bwas an? {_PICTURE}|"
    rf"{_PICTURE} (?:above|attached|behind|beside|frames?|hanging|in the frame|next to|on the (?!left|right)|over)\b|"
    r"\b(?:app|browser|code|errors?|fail(?:s|ed)?|happen(?:s|ed)?|html|load(?:ed|ing)?|missing|pages?|screens?|"
    r"upload(?:ed|s)?|webpages?|websites?|wrong|bildschirm|ekran\w*|layar|màn hình|p[aá]gina|pantalla|scherm\w*|seite|"
    r"sitio|skärm\w*|tela|webseite|écran|сайт\w*|страниц\w*|экран\w*)\b|"
    r"شاشة|स्क्रीन|หน้าจอ|サイト|ページ|代码|屏幕|画面|网站|网页|表单|页面|사이트|화면"
)
_GIVEN = r"(?:attached|included|provided|sent|shared|supplied|uploaded)"
_CHAT = r"(?:our|the|this|your) (?:\w+ )?(?:chat|conversation|message|prompt|query|question|request)"
_NOT_ELSEWHERE = rf"(?! (?:because|due|by|with (?!me)|on (?!my)|at|for (?!me)|of|(?:to|in) (?!{_CHAT}))\b)"
#: How the sentence goes on where the picture is the one that is asked about, and none of its parts.
_ALONE = (
    r"(?=\W*$|\s*[.,;:!?()—–]|"
    rf" (?:and|as|at (?:all|present|the moment|this time)|but|currently|directly|due to|either|for (?:some|you)|here|"
    rf"in {_CHAT}|itself|mentioned|now|or|referenced|right now|since|so|that (?:has|is|was|you)|to (?:answer|describe)|"
    rf"{_GIVEN}|which|without|yet|you|"
    r"because (?:i|no|of|there (?:is|was) no|(?:it|the \w+) (?:could|did|has|is|was)(?: not|n't)|you))\b)"
)
_CANT = (
    r"(?:can ?not|can't|could not|couldn't|(?:'m|'re|am|are|was|were) (?:not able|not capable|unable)|wasn't able|"
    r"will not|won't)(?: be able)?(?: to| of)?(?: (?:actually|currently|directly|personally|physically|properly|really))?"
)
_I_CANT = rf"\b(?:i|we) ?(?:currently |just |really |simply )?{_CANT}"
_PERCEIVE = (
    r"(?:access|analy[sz]e|display|examine|interpret|load|look at|open|process|see|view)(?:ing)?(?: (?:and|or) \w+)?"
)
_THE = r"(?:(?:actual|an?|any|attached|given|provided|that|the|these|this|those|uploaded|your) )*"
#: The picture can't be seen: no answer to any question.
_BLIND = one_of(
    rf"""
    (?:{_I_CANT}|\b(?:i|we) (?:do not|don't) have (?:any |the )?(?:ability|capability|capacity|means) (?:of|to)|
    ^(?:sorry,? )?(?:can't|cannot|unable to)) {_PERCEIVE} {_THE}{_PICTURE}{_ALONE} |
    \b(?:i|we) (?:do not|don't) (?:currently )?have (?:any |direct )?access to {_THE}{_PICTURE}{_ALONE} |
    \b(?:can you|could you)(?: please)? (?:kindly )?(?:re-?)?(?:attach|provide|send|share|try uploading|upload)
    (?:me )?{_THE}{_PICTURE}[^.!?]{{0,30}}(?:again\b|for me\b|\bi(?:'d|'ll| can| could| will| would)\b) |
    \b(?:if you(?: can| could)?|please) (?:kindly )?(?:re-?)?(?:attach|provide|send|share|try uploading|upload)
    (?:me )?{_THE}{_PICTURE}[^.!?]{{0,30}}(?:for me\b|\bi(?:'d|'ll| can| could| will| would)\b) |
    \bi(?:'m| am)? (?:can )?only (?:able to |capable of )?(?:handl|process|read|see|understand|work with)(?:e|ing)? text |
    \bi (?:have not|haven't|was not|wasn't) (?:been )?(?:given|provided|shown)(?: with)? (?:an|any|the) {_PICTURE} |
    \byou (?:did not|didn't|forgot to|have not|haven't|(?:may|might|seem to) have forgotten to) (?:attach|include|provide|
    send|sent|share|upload)(?:d|ed)? (?:me )?(?:any |an? |the |your )?{_PICTURE}
    """
)
#: There is none, or it did not arrive: an answer to questions for pictures in the picture.
_MISSING = one_of(
    rf"""
    \b(?:i|we) (?:can't|cannot|did not|didn't|do not|don't) (?:find|have|receive|see)
    (?:an |any |the |your )?(?:attached |uploaded )?{_PICTURE} (?:attached|here|in {_CHAT}|to (?:analy[sz]e|describe|look at|work with)|{_GIVEN}) |
    \b(?:i|we) (?:do not|don't) see any? (?:image|photo|picture)\s*(?:[.,;!]|$) |
    \bno {_PICTURE} (?:(?:appears to be|are|has been|have been|is|seems to be|was|were) )*{_GIVEN}\b{_NOT_ELSEWHERE} |
    \bthere(?:'s| are| is| was|(?: appears| seems) to be| does(?: not|n't) (?:appear|seem) to be| isn't| wasn't) (?:an?|any|
    no) {_PICTURE} (?:(?:here|{_GIVEN})\b{_NOT_ELSEWHERE}|for me\b|(?:in|to|with) {_CHAT}|that i (?:can|could)|
    to (?:analy[sz]e|comment on|describe|examine|look at|refer to|view|work with)\b) |
    ^\W*(?:sorry,? )?(?:but )?there(?:'s| is) no {_PICTURE}\s*(?:[.!,]|$) |
    \b(?:the|this|your) (?:{_PICTURE}(?: (?:that )?you (?:provided|sent|shared|uploaded))?) (?:
    (?:are|is|was)(?: not|n't) (?:accessible|available|displayed|loading|showing|viewable|visible) (?:for|on|to) (?:me|my)|
    (?:has|have|is|was|were)(?: not|n't)(?: been)? {_GIVEN}\b{_NOT_ELSEWHERE}|
    (?:did|does)(?: not|n't) (?:come through|load|open|display)\b{_NOT_ELSEWHERE}|
    (?:can|could)(?: ?not|n't) be (?:accessed|analy[sz]ed|displayed|downloaded|fetched|found|loaded|opened|processed|
    rendered|retrieved|viewed)\b{_NOT_ELSEWHERE}|(?:has )?failed to (?:display|load|open|upload)\b{_NOT_ELSEWHERE}|
    (?:appears to be|is|seems to be|was) (?:missing from {_CHAT}|(?:inaccessible|unavailable)\W*$)) |
    ^\W*(?:error:? )?(?:(?:error|problem) loading (?:the )?{_PICTURE}|{_PICTURE} (?:could not be loaded|failed to load|
    loading failed|not (?:found|provided)))\W*$
    """
)
_THAT = r"(?:any|that|the|these|this|those|your)"
_RULES = (
    r"(?:my|our|openai's|(?:the|openai) (?:content|safety|usage|use)) (?:\w+ ){0,2}?(?:capabilities|guidelines?|polic(?:y|ies)|"
    r"principles|programming|rules|standards|terms)\b"
)
#: What nobody says but one who declines the question itself.
_DECLINED = one_of(
    rf"""
    {_I_CANT} (?:
    (?:assist|help)(?: you)?(?: any further)? (?:in|on|with) (?:{_THAT}|answering|identifying|providing|such)\b|
    (?:assist|help) (?:you )?(?:further|here)\b|(?:assist|help) you\s*(?:[.!]|$)|comply\b|fulfil+ (?:such|{_THAT})|
    answer {_THAT}(?: \w+)? questions?\b|
    (?:complete|continue with|discuss|engage (?:in|with)|process|respond to) (?:such|{_THAT})(?: \w+)? (?:content|
    conversation|file|image|photo|picture|prompt|query|question|request|task|topic)s?\b|
    (?:give|offer|provide)(?: you)?(?: with)? (?:(?:accurate|an?|any|definitive|description|detailed|direct|exact|further|
    kind|meaningful|more|of|requested|specific|such|that|the|this|type|you) )*(?:analysis|answers?|assistance|captions?|
    content|descriptions?|details|help|information|interpretation|responses?)\b|
    (?:create|generate|produce) (?:any |such |that |the |this )*(?:content|explicit|harmful|inappropriate|requested)\b|
    identify (?:(?:any|name|or|real|specific|that|the|these|this) )*(?:individuals?|people|person)\b) |
    ^\W*(?:(?:i'm |i am )?(?:so |very )?sorry\W+(?:but )?)?i (?:can't|cannot|will not|won't) do (?:so|that|this)\W*$ |
    \bi (?:have to|must|need to|will have to)(?: (?:politely|respectfully))? decline\b |
    \bi(?:'d| would) (?:prefer|rather) not (?:to )?(?:answer|comment|discuss|say)\b |
    \bi(?:'m| am) not comfortable (?:with )?(?:answering|assisting|describing|discussing|providing)\b |
    \bi(?:'m| am) not (?:allowed|authorized|designed|permitted|programmed) to\b |
    \b(?:\w+ing {_THAT} \w+|it|that|this|{_THAT} (?:content|image|photo|picture|
    prompt|query|question|request|topic))(?: (?:appears to|may|might|seems to|would))? (?:breach(?:es)?|conflicts? with|contravenes?|goes against|go against|
    (?:be|is|'s) (?:against|in violation of|not (?:allowed|permitted) (?:by|under)|outside|prohibited by)|infringes?(?: on)?|
    violates?) {_RULES} |
    \b(?:because of|due to|per|under) {_RULES},? i\b | \bmy (?:guidelines|policies|programming|safety guidelines) (?:do not|don't|
    forbid|prevents?|prohibits?) |
    \bnot something (?:that )?i(?:'m able to| am able to| can) (?:answer|assist|describe|discuss|do|help)\b |
    \bit (?:is|'s|was|would)(?: not|n't)?(?: be)? (?:in|un)?(?:appropriate|ethical) for me to\b
    """
)
#: "I can't tell" is an answer of one who looked.
_TELL = one_of(
    r"""
    (?:accurately |clearly |definitively |exactly |really )?(?:be (?:certain|sure) | confirm | count | detect | determine |
    discern | distinguish | estimate | find | guess | help (?:but|it) | identify | judge | know | locate | make out | measure |
    read | recogni[sz]e | say | see | spot | tell | think | verify)
    """
)
#: An apology and "I can't": also what a letter or a character may say.
_SORRY = one_of(
    rf"""
    \b(?:afraid|apologies|apologi[sz]e|regret|sorry|unfortunately)\b[.!]?[^.!?]{{0,40}}?(?:{_I_CANT}(?! (?:{_TELL})\b)(?: \w+|
    $)|\bi (?:do not|don't) (?:have (?:access|any information|enough information|sufficient|the ability)|know\b(?! (?:how|if|
    that|the|what|when|where|which|who))|understand (?:the|your) (?:question|request))) |
    ^(?:i'm |i am )?(?:so |very )?sorry,? (?:but )?(?:i can't|i cannot|no)\s*[.!]?$
    """
)


class _Kind(NamedTuple):
    """One kind of refusal."""

    pattern: re.Pattern[str]
    answered: bool = True  # an answer may follow, and be one
    letter: bool = False  # a letter that was asked for may say it
    missing: bool = False  # pictures in the picture may be missing
    tell: re.Pattern[str] | None = None  # in whose sentence it is no refusal
    own: re.Pattern[str] | None = None  # what comes before it in its sentence, if it is the writer who speaks
    picture: re.Pattern[str] | None = None  # what it names, if it answers a question for words in the picture


def _kinds_of(wording: Wording, edge: str) -> list[_Kind]:
    """The kinds of one language. edge: of its words, `\\b` where they are parted."""
    picture = f"(?>{one_of(wording.picture)})"
    names = {"picture": rf"{picture}(?! (?:{one_of(wording.of)})\b)", "end": r"(?=\s*(?:[.,;!。،]|$))"}
    sorry, cant, see, none, tell, own = (
        re.sub("<(picture|end)>", lambda name: names[name[1]], one_of(text))
        for text in (wording.sorry, wording.cant, wording.see, wording.none, wording.tell, wording.own)
    )
    own, picture = re.compile(f"(?i){own}") if own else None, re.compile(f"(?i){picture}")
    gap = "[^.!?。！？]"
    blind = re.compile(rf"(?i)(?:{cant}){gap}{{0,20}}?(?:{see})")
    apology = re.compile(rf"(?i)(?:{sorry})\w{{0,8}}[.!。]?{gap}{{0,60}}?(?:{cant})")
    return [
        _Kind(blind, own=own, picture=picture),
        _Kind(re.compile(f"(?i){none}"), missing=True, own=own),
        _Kind(apology, letter=True, own=own, tell=re.compile(f"(?i){edge}(?:{tell}){edge}")),
    ]


_BLIND, _MISSING, _DECLINED, _SORRY = (
    re.compile(f"(?i){pattern}") for pattern in (_BLIND, _MISSING, _DECLINED, _SORRY)
)
_NO = ("n't", "not", " no ", "unable")
#: (what each text has one of, in small letters, that has one of the kinds: looked for first, as that is quick; kinds)
_KINDS = [
    ((*_NO, "can you", "could you", "forgot", "if you", "only", "please"), [_Kind(_BLIND, answered=False)]),
    ((*_NO, "fail", "error", "missing", "navailable", "inaccess"), [_Kind(_MISSING, answered=False, missing=True)]),
    ((*_NO, "decline", "my ", "our ", "polic", "prefer", "rather"), [_Kind(_DECLINED)]),
    (("afraid", "apolog", "regret", "sorry", "unfortunately"), [_Kind(_SORRY, letter=True)]),
]
for _wordings, _edge in ((LATIN, r"\b"), (OTHERS, "")):
    for _wording in _wordings.values():
        _KINDS.append((tuple(_wording.signs.replace("_", " ").split(" | ")), _kinds_of(_wording, _edge)))
_LEAD = re.compile(
    r"(?i)(?:\W|\b(?:am|apolog\w+|are|but|i'm|i|my|really|so|sorry|truly|unfortunately|very|we)\b|我们?|我們|"
    + "|".join(one_of(wording.sorry) for wording in (*LATIN.values(), *OTHERS.values()))
    + ")*"
)
#: Questions for what somebody may say.
_SPOKEN = re.compile(
    r"(?i)\b(?:could|may|might|would)\b[^.?!]*\b(?:answer|reply|respond|say|saying|tell|think|thinking)\b"
)
_SENTENCE = re.compile(r"[.!?。！？।؟\n]")
_NEAR = 150  # characters before a refusal that tell who speaks


@lru_cache(maxsize=1)
def own_words(text: str) -> str:
    """What a text's writer says: without quotations and others' speech, with straight apostrophes and no blanks before
    marks.
    """
    said = unquoted(text.replace("’", "'").replace("‘", "'"))
    said = _SPEECH.sub(" ", said) if any(mark in said for mark in ":：>—–") else said
    labels = {label[1].strip().lower() for label in _LABELLED.finditer(said)} if ":" in said else set()
    if len(labels) > 1 and labels.isdisjoint(_OWN_LABELS.split()):
        said = _LABELLED.sub(" ", said)
    return re.sub(r"(?<! ) +(?=[.,!?])", "", said).strip()


def reported(said: str, match: re.Match[str]) -> bool:
    """Whether what is found in a text is reported, supposed, or a title."""
    before, words = said[max(0, match.start() - _NEAR) : match.start()], match[0].split()
    if _REPORTED.search(before) or _IF.search(before) or _SAID_AFTER.match(said, match.end()):
        return True
    return len(words) > 2 and all(word[0].isupper() or not word[0].isalpha() for word in words)


def refusal(question: str, answer: str) -> str:
    """The words by which an answer refuses, '' where it does not."""
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
    """Whether what looks like a refusal is the writer's, and the question does not ask for it."""
    tail = _SENTENCE.split(said[max(0, match.start() - _NEAR) : match.start()])[-1]
    if reported(said, match) or (kind.own and not kind.own.search(tail)):
        return False
    if kind.tell and kind.tell.search(match[0] + _SENTENCE.split(said[match.end() : match.end() + _NEAR])[0]):
        return False
    if kind.missing and (_OF_PICTURES.search(question) or asked.for_reading(question)):
        return False
    reading = asked.for_reading(question)
    first = _LEAD.match(said).end() >= match.start()
    if reading and (
        re.search(r"(?i)\b(?:help you|our|we)\b", match[0]) or (kind.picture and not kind.picture.search(match[0]))
    ):
        return False
    if kind.answered and _SPOKEN.search(question):
        return False
    if reading or asked.for_writing(question):
        return first and not kind.letter
    return not (said[:3].lower() in ("no,", "no ") and _OF_PICTURES.search(question))
