"""Answers that are none: refusals, and a language model that speaks of itself, in many languages (ours).

A flagged row may be dropped, so a pattern asks for a whole turn of phrase: that the writer can't help, or can't see the
picture, or that there is none. Quoted words are the picture's, not the writer's; "he says that he can't" is a report;
"I can't tell exactly, but about five" is an answer; a letter that was asked for may be sorry.
"""

from __future__ import annotations

import re

from cadc.cleaning.findings import shown
from cadc.cleaning.refusal_words import REFUSALS

#: Quotations and code.
QUOTED = re.compile(
    r"```.*?```|`[^`\n]*`|\"[^\"]*\"|“[^”]*”|«[^»]*»|„[^“”]*[“”]|「[^」]*」|『[^』]*』|"
    r"(?<!\w)'(?:[^'\n]|(?<=\w)'(?=\w))+'(?!\w)",
    re.DOTALL,
)
#: Questions for words that somebody else says: written on the picture, or made up.
_READING = re.compile(
    r"(?i)\b(says?|said|saying|reads?|written|text|transcri\w+|quote\w*|translat\w+|dice|dit|steht|diz|sagt)\b"
    r"|написан|写着|寫著|书いて|書いて|쓰여|적혀|مكتوب|लिखा"
)
_WRITING = re.compile(
    r"(?i)\b(writ(e|ing)|draft|compose|e-?mail|letter|message|note|card|apolog\w+|dialogues?|conversation|story|"
    r"stories|"
    r"poem|song|lyrics|speech|role-?play|pretend|reply|excuse|decline|escrib\w+|redact\w+|carta|correo|écri\w+|"
    r"rédige\w*|"
    r"lettre|schreib\w*|verfass\w*|brief|escrev\w+|scriv\w+|lettera|schrijf\w*|napisz|list)\b|"
    r"напиши|письмо|写|寫|書いて|써|작성|اكتب|लिख"
)
_ABOUT_ITSELF = re.compile(
    r"(?i)\b(who|what) (exactly )?are you\b|\byour (own )?(name|self|maker|training|abilit\w+)\b|\byourself\b|"
    r"\bare you an?\b|\bdo you (have|feel)\b|"
    r"\b(trained|made|created|developed) you\b|qui es-tu|wer bist du|quién eres|你是(谁|什么)|кто ты"
)
_REPORTED = re.compile(
    r"(?i)\b(says?|said|saying|reads?|tells?|told|asks?|repl(y|ies|ied)|answers?|thinks?|writes?|dice|dit|sagt|diz|"
    r"говорит|сказал\w*)\b[^.!?\n]{0,20}$|(说|說|と書|写着)\W*$|[他她們们人](很|非常|感到|表示|深表)*$"
)
#: What turns "I can't" into an answer of sorts. An offer of help does not.
_BUT = re.compile(
    r"(?i)\b(but|however|though|although|yet)\b(?!,? (i('m| am| can| could| would|'d|'ll)( be)?( happy| glad| here|"
    r" try)?( to)? (help|assist|offer|provide|answer|try)|if you|feel free|please|let me know|i('m| am) (happy|glad|"
    r"here)))|"
    r"\b(pero|mais|aber|mas|però|maar|ale|ama|ancak|tetapi|nhưng|но)\b|但|不过|不過|しかし|けど|하지만|لكن|लेकिन"
)

_SEEN = (
    r"(?:images?|pictures?|photos?|photographs?|figures?|screenshots?|videos?|attachments?|visual (?:content|input)s?)"
)
_GIVEN = r"(?:provided|attached|uploaded|included|shared|supplied|sent)"
_CHAT = r"(?:your|this|the|our) (?:\w+ )?(?:message|conversation|chat|prompt|request|question|query)"
_NOT_ELSEWHERE = rf"(?! (?:because|due|by|with (?!me)|on|at|for|of|(?:to|in) (?!{_CHAT}))\b)"
_CANT = (
    r"(?:can't|cannot|can not|couldn't|could not|(?:am|'m|was|were|are|'re) (?:not able|unable|not capable)|"
    r"wasn't able|won't|will not)"
    r"(?: be able)?(?: to| of)?(?: (?:directly|currently|actually|really|physically|properly|personally))?"
)
_I_CANT = rf"\b(?:i|we) ?(?:currently |simply |just |really )?{_CANT}"
_PERCEIVE = (
    r"(?:see|view|access|open|analy[sz]e|interpret|process|look at|examine|load|display)(?:ing)?(?: (?:or|and) \w+)?"
)
#: The picture can't be seen or was not given: no answer to any question.
_BLIND = re.compile(
    r"(?i)"
    rf"(?:{_I_CANT}|\b(?:i|we) (?:do not|don't) have (?:the |any )?(?:ability|capability|capacity|means) (?:to|of)|"
    rf"^(?:sorry,? )?(?:unable to|cannot|can't))"
    rf" {_PERCEIVE} (?:(?:the|this|that|any|your|an?|these|those|actual|provided|given|attached|"
    rf"uploaded) )*{_SEEN}\b(?!'s| of | on | hanging| in the (?!message|conversation))|"
    rf"\b(?:i|we) (?:do not|don't) (?:currently )?have (?:direct |any )?access to (?:(?:the|this|that|any|your|"
    rf"actual) )*{_SEEN}\b|"
    rf"\b(?:i|we) (?:do not|don't|cannot|can't|did not|didn't) (?:see|find|have|receive) (?:any |an |the |"
    rf"your )?(?:attached |uploaded )?{_SEEN} (?:attached|here|{_GIVEN}|in {_CHAT}|to (?:describe|analy[sz]e|"
    rf"look at|work with))|"
    r"\b(?:i|we) (?:do not|don't) see an(?:y)? (?:image|picture|photo)\s*(?:[.,;!]|$)|"
    rf"\bno {_SEEN} (?:(?:was|is|were|are|has been|have been|seems to be|appears to be) )*{_GIVEN}\b{_NOT_ELSEWHERE}|"
    rf"\bthere (?:is|are|was|seems to be|appears to be|doesn't (?:seem|appear) to be|does not (?:seem|appear) to be|"
    rf"isn't) (?:no|any|an) {_SEEN} (?:here|{_GIVEN}|for me|to (?:describe|analy[sz]e|look at)|(?:in|to|"
    rf"with) {_CHAT})\b{_NOT_ELSEWHERE}|"
    rf"\byou (?:have not|haven't|did not|didn't|forgot to|(?:may|might|seem to) have forgotten to) (?:provide|"
    rf"attach|upload|share|include|send|sent)(?:d|ed)? (?:me )?(?:an? |any |the |your )?{_SEEN}|"
    rf"\b(?:please|could you(?: please)?|can you(?: please)?|if you(?: can| could)?) (?:kindly )?(?:re-?)?(?:upload|"
    rf"attach|provide|share|send|try uploading) (?:me )?(?:(?:the|an?|your|that|another|"
    rf"any) )?{_SEEN}[^.!?]{{0,30}}(?:\bi(?:'ll|'d| can| will| would| could)\b|for me\b|again\b)|"
    rf"\b(?:the|your|this) {_SEEN} (?:(?:is|are|was)(?: not|n't) (?:visible|accessible|available|viewable|displayed|"
    rf"showing|loading) (?:to|for|on) (?:me|my)|(?:was|were|has|have|is)(?: not|"
    rf"n't)(?: been)? {_GIVEN}\b{_NOT_ELSEWHERE}|(?:did not|didn't|does not|doesn't) (?:come through|load (?:on my|"
    rf"for me)))"
)
#: What nobody says but one who declines the question itself.
_DECLINED = re.compile(
    r"(?i)"
    rf"{_I_CANT} (?:(?:help|assist)(?: you)?(?: any further)? (?:with|in|on) (?:that|this|your|these|such|"
    rf"identifying|providing|answering|any)\b|(?:help|assist) (?:you )?(?:here|further)\b|(?:help|"
    rf"assist) you\s*(?:[.!]|$)|comply\b|fulfil+ (?:that|this|your|the|such)|"
    r"answer (?:that|this|your|the|these|any)(?: \w+)? questions?\b|(?:discuss|engage (?:in|with)|respond to|"
    r"continue with|process|complete) (?:that|this|your|such)\b|"
    r"(?:provide|offer|give)(?: you)?(?: with)? (?:(?:that|this|the|an?|any|such|you|requested|specific|accurate|"
    r"detailed|further|more|meaningful|direct|exact|definitive|description|kind|type|of) )*(?:information|"
    r"assistance|help|answers?|descriptions?|analysis|captions?|details|responses?|content|interpretation)\b|"
    r"(?:generate|create|produce) (?:that|this|such|the requested|any|explicit|harmful|inappropriate)\b|"
    r"identify (?:(?:the|this|that|these|any|real|specific|or|name) )*(?:person|people|individuals?)\b)|"
    r"\bi (?:must|have to|need to|will have to)(?: (?:respectfully|politely))? decline\b|\bi(?:'d| would) (?:rather|"
    r"prefer) not (?:to )?(?:answer|say|discuss|comment)\b|"
    r"\bi(?:'m| am) not comfortable (?:with )?(?:answering|discussing|providing|describing|assisting)\b|\bi(?:'m|"
    r" am) not (?:programmed|designed|allowed|permitted|authorized) to\b"
)
#: An apology and "I can't": also what a letter or a character may say.
_SORRY = re.compile(
    rf"(?i)\b(?:sorry|apologi[sz]e|apologies|afraid|regret|"
    rf"unfortunately)\b[.!]?[^.!?]{{0,40}}?(?:{_I_CANT}(?! (?:see|find|spot|detect|locate|tell|make out|help (?:but|"
    rf"it)))(?: \w+|$)|\bi (?:do not|don't) (?:know|understand (?:your|the) (?:question|request)|have (?:access|"
    rf"the ability|enough information|any information|sufficient)))|"
    r"^(?:i'm |i am )?(?:very |so )?sorry,? (?:but )?(?:i can't|i cannot|no)\s*[.!]?$"
)

#: (what to look for first, pattern, whether an answer may follow, whether a letter may say it, too)
_PATTERNS = [
    (("not", "n't", " no ", "unable", "forgot", "please", "could you", "can you", "if you"), _BLIND, False, False),
    (("not", "n't", "unable", "decline", "rather", "prefer"), _DECLINED, True, False),
    (("sorry", "apolog", "afraid", "regret", "unfortunately"), _SORRY, True, True),
]
for _signs, _sorry, _cant, _see, _none in REFUSALS.values():
    _blind = re.compile(rf"(?i)(?:{_cant})[^.!?。！？]{{0,20}}?(?:{_see})|{_none}")
    _apology = re.compile(rf"(?i)(?:{_sorry})\w{{0,8}}[.!。]?[^.!?。！？]{{0,60}}?(?:{_cant})")
    _PATTERNS += [(tuple(_signs.split("|")), _blind, True, False), (tuple(_signs.split("|")), _apology, True, True)]

_MAKERS = r"(?:openai|anthropic|google|meta|microsoft|alibaba|deepseek|mistral|lmsys)"
_JOBS = (
    r"(?! (?:engineer|researcher|scientist|developer|expert|student|artist|company|startup|specialist|"
    r"professional|consultant|enthusiast))"
)
_AI = rf"an? (?:ai|artificial intelligence|(?:large |multimodal )?language model|text-based (?:ai|model))\b{_JOBS}"
_META = re.compile(
    "(?i)"
    rf"\bas {_AI}(?: (?:language )?(?:model|assistant|system|chatbot|program|bot))?(?: (?:trained|developed|created|"
    rf"designed|made|built) [^.,\n]{{2,40}})?(?:,| i\b)|"
    rf"\bi(?:'m| am) (?:just |only |merely |simply )?{_AI}|\bmy (?:training data|knowledge cut-?off)\b|\bi(?: was|"
    rf" am|'m) (?:trained|developed|created|made) by {_MAKERS}\b|"
    r"作为(?:一个|一名|一款|一种)?(?:AI|人工智能|大?型?语言模型|大模型)(?!工程师|研究|专家|公司)|作為(?:一個|一名|一款)?(?:AI|人工智慧|人工智能|語言模型)(?!工程師|研究)|"
    r"我(?:只)?是(?:一个|一款|一個)?(?:AI|人工智能|语言模型|大语言模型)|"
    r"(?:AI|人工知能|言語モデル)(?:アシスタント|モデル)?(?:として[、は]|ですので|なので|であるため)|(?:AI|인공지능|언어 ?모델)(?:로서|로써|이기 때문에|이므로|이라서)|"
    r"\bcomo (?:un |una |um |uma )?(?:modelo de (?:lenguaje|linguagem|língua)|ia\b|inteligencia artificial|"
    r"inteligência artificial|asistente de ia|assistente de ia)[^.\n]{0,30},|"
    r"\ben tant qu(?:e |')(?:modèle de langage|ia\b|intelligence artificielle|assistant ia)|\bals (?:ein |eine |"
    r"reines )?(?:ki\b|ki-\w+|künstliche intelligenz|sprachmodell|taalmodel|ai-\w+|kunstmatige intelligentie)|"
    r"\b(?:in quanto|come) (?:un |una |un')?(?:modello linguistico|ia\b|intelligenza artificiale)[^.\n]{0,30},|"
    r"\bjako (?:model językowy|ai\b|sztuczna inteligencja)|\b(?:bir )?(?:yapay zeka|dil) (?:modeli |"
    r"dil modeli )?olarak|"
    r"\blà một (?:mô hình ngôn ngữ|ai\b|trí tuệ nhân tạo)|\bsebagai (?:model bahasa|ai\b|kecerdasan buatan)|"
    r"\bsom (?:en )?(?:ai-\w+|språkmodell)|"
    r"\bкак (?:языковая модель|искусственный интеллект|ии\b)|\bя [—–-]? ?(?:всего лишь |просто )?(?:языковая модель|"
    r"искусственный интеллект)|\bяк (?:мовна модель|штучний інтелект)|"
    r"(?:كنموذج|بصفتي نموذج|باعتباري نموذج|كوني نموذج) ?لغ|بصفتي ذكا|एक (?:AI|एआई|"
    r"भाषा) ?(?:भाषा )?मॉडल (?:के रूप में|होने के नाते)"
)
_MODEL = re.compile(
    r"(?i)\b(?:(?:ai|ia|ki)\b|model|language|openai|artificial|my (?:training|knowledge)|(?:trained|developed|"
    r"created|made) by|taalmodel|sprach|språk|künstliche|kunstmatige|yapay|dil|sztuczna|inteli|trí tuệ|mô hình|"
    r"kecerdasan|modèle|modello)|"
    r"AI|人工|模型|言語モデル|인공지능|언어|модел|интеллект|інтелект|\bии\b|لغ|ذكا|एआई|मॉडल"
)
#: An answer made from a description in the picture's place speaks of it; unless the question does, too.
_FROM_WORDS = re.compile(
    r"(?i)\b(?:on|to|from|in) the (?:provided|given) (captions?|descriptions?|bounding box(?:es)?|context)\b|"
    r"\bfrom the (captions?|descriptions?),? it (?:seems|appears)\b"
)
_LEAD = re.compile(
    "(?i)(?:\\W|\\b(?:i'?m|i am|we|are|very|so|really|truly|sorry|apolog\\w+|unfortunately|my|but|i)\\b|"
    + "|".join(sorry for _, sorry, *_ in REFUSALS.values())
    + ")*"
)


def _plain(text: str) -> str:
    """A text without quotations, with straight apostrophes and no blanks before marks."""
    return re.sub(r" +(?=[.,!?])", "", QUOTED.sub(" ", text.replace("’", "'"))).strip()


def refusal(question: str, answer: str) -> str:
    """The words by which an answer refuses, '' where it does not."""
    said = _plain(answer)
    low = f" {said.lower()} "
    for signs, pattern, answered, in_letters in _PATTERNS:
        if any(sign in low for sign in signs):
            for match in pattern.finditer(said):
                before = said[: match.start()]
                if _REPORTED.search(before) or (answered and _BUT.search(said, match.end())):
                    continue
                reading = _READING.search(question)
                if (reading or _WRITING.search(question)) and (in_letters or not _LEAD.fullmatch(before)):
                    continue
                if reading and pattern is _BLIND and not re.match(r"(?i)(i|we)\b", match[0]):
                    continue
                return shown(match[0])
    return ""


def meta_talk(question: str, answer: str) -> str:
    """The words by which an answer speaks of the model that wrote it, or of what it was given in the picture's place."""
    said = _plain(answer)
    own = _MODEL.search(said) and _META.search(said)
    if own and not _ABOUT_ITSELF.search(question) and not _WRITING.search(question):
        return shown(own[0])
    given = _FROM_WORDS.search(said)
    noun = given and (given[1] or given[2]).lower().rstrip("s")
    return shown(given[0]) if given and noun not in question.lower() else ""
