"""Find answers in which a language model talks about itself or about what it was given instead of the image (ours).

"As an AI" may also be said of robots in stories, so it counts only in a sentence in the first person.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cadc.cleaning import asked
from cadc.cleaning.findings import shown
from cadc.cleaning.given_words import given_words
from cadc.cleaning.refusals import own_words, reported
from cadc.cleaning.words import one_of

_ABOUT_ITSELF = re.compile(
    r"(?i)\b(?:what|who) (?:exactly )?are you\b|\byour (?:own )?(?:abilit\w+|maker|name|self|training)\b|\byourself\b|"
    r"\bare you (?:alive|an?|conscious|human|real|sentient)\b|"
    r"\bdo you (?:dream|eat|enjoy|feel|have|like|love|sleep)\b|\b(?:created|developed|made|trained) you\b|"
    r"\b(?:bist du|eres|es-tu|quem é você|tu sei)\b|\b(?:cómo te llamas|come ti chiami|comment (?:t'appelles|"
    r"vous appelez)|wie heißt du|как тебя зовут)\b|"
    r"你(?:叫|是(?:不是|人|什么|机器|谁)|的名字)|이름이 뭐|あなたは(?:AI|人間|誰)|кто ты|"
    r"ты (?:робот|человек)"
)
_MAKERS = r"(?:alibaba|anthropic|deepseek|google|lmsys|meta|microsoft|mistral|openai)"
_JOBS = (
    r"(?! (?:artist|company|consultant|developer|engineer|enthusiast|expert|professional|researcher|scientist|"
    r"specialist|start-?up|student))"
)
_AI = (
    r"an? (?:ai|artificial intelligence|(?:large |multimodal )?language model|"
    rf"text-(?:based|only) (?:ai|(?:ai |language )?(?:assistant|model)))\b{_JOBS}"
)
_KIND = r"(?: (?:language )?(?:assistant|bot|chatbot|model|program|system))?"
#: Statements that only a model makes about itself.
_SELF = one_of(
    rf"""
    \bi(?:'m| am) (?:just |merely |only |simply )?{_AI} | \bi(?: am| was|'m) (?:created|developed|made|trained) by
    {_MAKERS}\b | \bmy knowledge cut-?off\b | \b(?:according to|based on|from|in|of|since) my training data\b |
    \bmy training data (?:does|goes|has|included|includes|is|only|was) |
    我(?:只)?是(?:一个|一個|一款)?(?:AI|人工智能|大语言模型|语言模型)(?!专家|公司|学生|
    工程师|教授|爱好者|研究) | (?:AI|人工知能|言語モデル)(?:アシスタント|モデル)?(?:
    であるため|ですので|なので) | (?:AI|언어 ?모델|인공지능)(?:이기 때문에|이라서|
    이므로) | \bя [—–-]? ?(?:всего лишь |просто )?(?:искусственный
    интеллект|языковая модель)
    """
)
#: Statements that a story may also make about a robot.
_ROLE = one_of(
    rf"""
    (?<!\bact )(?<!\bacts )(?<!\bserves )(?<!\bworks )(?<!\bknown )(?<!\bsuch )\bas {_AI}{_KIND}(?: (?:built|created|
    designed|developed|made|trained) [^.,\n]{{2,40}})?(?:,| i\b) |
    作为(?:一个|一名|一款|一种)?(?:AI|人工智能|大?型?语言模型|大模型)(?!专家|公司|工程师|
    研究|的) | 作為(?:一個|一名|一款)?(?:AI|人工智慧|人工智能|語言模型)(?!工程師|研究|的) |
    (?:AI|人工知能|言語モデル)(?:アシスタント|モデル)?として[、は] |
    (?:AI|언어 ?모델|인공지능)(?:로서|로써) | \b(?:come|in quanto) (?:un |un'|una )?(?:ia\b|intelligenza
    artificiale|modello linguistico)[^.\n]{{0,30}}, | \bcomo (?:um |uma |un |una )?(?:asistente de ia|assistente de ia|
    ia\b|inteligencia artificial|inteligência artificial|modelo de (?:lenguaje|linguagem|língua))[^.\n]{{0,30}}, |
    \ben tant qu(?:'|e )(?:assistant ia|ia\b|intelligence artificielle|modèle de langage) |
    \bals (?:ein |eine |reines )?(?:ai-\w+|ki\b|ki-\w+|kunstmatige intelligentie|künstliche intelligenz|sprachmodell|
    taalmodel) | \bjako (?:ai\b|model językowy|sztuczna inteligencja) |
    \b(?:bir )?(?:dil|yapay zeka) (?:dil modeli |modeli )?olarak |
    \blà một (?:ai\b|mô hình ngôn ngữ|trí tuệ nhân tạo) |
    \bsebagai (?:ai\b|kecerdasan buatan|model bahasa) | \bsom (?:en )?(?:ai-\w+|språkmodell) |
    \bкак (?:ии\b|искусственный интеллект|языковая модель) |
    \bяк (?:мовна модель|штучний інтелект) |
    (?:باعتباري نموذج|بصفتي نموذج|كنموذج|كوني نموذج) ?لغ | بصفتي ذكا |
    एक (?:AI|एआई|भाषा) ?(?:भाषा )?मॉडल (?:के रूप में|होने
    के नाते)
    """
)
#: First-person words.
_FIRST = re.compile(
    r"(?i)\b(?:i|me|mine|my|myself|creo|mi|mis|puedo|soy|tengo|yo|j'|je|ma|mes|mon|ich|mein\w*|mich|mir|consigo|eu|meu|"
    r"minha|posso|sou|tenho|credo|ho|io|mia|mio|sono|ik|mijn|jag|min|mitt|jestem|mam|mogę|mój|nie \w+[ęm]|ben|benim|"
    r"\w+(?:amam|emem|mam|mem|yorum|yım|yim)|tôi|saya|мене|мне|могу|можу|мо[йяеёї]|я|μου|"
    r"μπορώ|είμαι)\b|"
    r"我|本人|本模型|私|わたし|ません|저|제가|내가|습니다|أستطيع|أملك|ليس لدي|"
    r"يمكنني|मुझे|मेर[ाीे]|मैं"
)
#: A text that matches contains one of these (lower case; _ is a blank). Searched first, because it is fast.
_IN_SELF_TALK = one_of(
    """
    _ai | _ia | _ki | aiで | aiと | aiな | aiア | aiモ | ai로 | ai이 | artificial | created by | developed by |
    dil_ | intelig | intellig | kecerdasan | knowledge cut | made by | model | modèle | mô hình | språk | sztuczna |
    taalm | text-based | text-only | trained by | training data | trí tuệ | yapay | ии | интеллект | модел |
    інтелект | ذكا | لغ | एआई | मॉडल | モデル | 作为 | 作為 | 我只是 | 我是 |
    知能 | 모델 | 지능
    """
)
_SIGNS = tuple(_IN_SELF_TALK.replace("_", " ").split("|"))
_SELF_TALK = re.compile(f"(?i){_SELF}|(?P<role>{_ROLE})")
_SENTENCE = re.compile(r"[.!?。！？।؟\n]")
_NEAR = 200  # characters searched on both sides for the rest of the sentence


def meta_talk(question: str, answer: str, before: Sequence[str] = ()) -> str:
    """The words in which an answer talks about the model that wrote it, or about what that was given instead of the
    image; '' if there are none.

    before: the row's earlier questions.
    """
    said = own_words(answer)
    low = f" {said.lower()}"
    if any(sign in low for sign in _SIGNS) and not (_ABOUT_ITSELF.search(question) or asked.for_writing(question)):
        reading = asked.for_reading(question)  # "I am an AI" may be a text on a shirt
        for match in _SELF_TALK.finditer(said):
            own = _in_first_person(said, match) if match["role"] else not reading
            if own and not reported(said, match):
                return shown(match[0])
    given = given_words(question, said, before)
    return shown(given) if given else ""


def _in_first_person(said: str, match: re.Match[str]) -> bool:
    """Whether the sentence around a match is in the first person."""
    start = _SENTENCE.split(said[max(0, match.start() - _NEAR) : match.start()])[-1]
    end = _SENTENCE.split(said[match.end() : match.end() + _NEAR])[0]
    return bool(_FIRST.search(f"{start} {match[0]} {end}"))
