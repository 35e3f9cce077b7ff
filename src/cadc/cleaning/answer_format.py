"""Answers that break the format their own question asks for: a letter, one word or phrase, yes or no."""

from __future__ import annotations

import re

from cadc.cleaning.findings import Findings, questions_and_answers, shown
from cadc.cleaning.words import word_count

#: What the prompts of LLaVA-1.5 (Liu et al. 2023, table 7) and of lmms-eval's tasks ask for, and close wordings of it.
LETTER = re.compile(
    r"(?i)\b(answer|respond|reply|choose|select|pick|output)\b[^.?!\n]{0,40}\b(letters?|character)\b(?! (to|"
    r"from (?!the (given|options|choices))))|"
    r"\b(answer|respond|reply)\b[^.?!\n]{0,20}\b(only|just) (with )?[A-D](, | or |/)|(选项|選項)的?字母|選択肢の(記号|文字)|"
    r"letra de la opción|lettre de l'option|Buchstaben"
)
_ONE_WORD = r"(?:a |one )?(?:single|few|(?:one|1|two)(?: (?:or|to) (?:two|2|three|3))?)[- ]words?"
#: Only where it says how to answer: "there is a word on the wall" asks for nothing.
PHRASE = re.compile(
    rf"(?i)\b(?:in|with|using|use|as|give|provide)(?: just| only| exactly| the|"
    rf" your answer in)? {_ONE_WORD}\b(?: answers?\b)?(?: or (?:an? )?(?:short |single |"
    rf"brief )?phrase)?\s*(?:[.,:;!?)\n]|$)|"
    rf"\b(?:answer|respond|reply)\b[^.?!\n]{{0,60}}\b(?:{_ONE_WORD}|a word or (?:an? )?(?:short |brief )?phrase|"
    rf"a (?:short|single|brief) phrase)\b|"
    r"\ba (?:single )?word or (?:an? )?(?:short |brief )?phrase\s*[.:]?\s*$|"
    r"(?:用|使用|以|只用)(?:一|单|單|1)?[个個]?(?:单|單|一)?[个個]?(?:单词|單詞|词语?|詞語?|词汇|短语|短語)(?:或(?:者)?(?:短语|短語|词组|詞組))?(?:来|"
    r"來)?(?:直接)?(?:回答|作答|回复|回覆)|(?:一言|一語|単語(?:または|か)(?:短い)?(?:フレーズ|語句))で(?:答|回答|お答)|한 단어(?:나|로|"
    r" 또는)[^.?\n]{0,10}(?:답|대답)|"
    r"\b(?:respond[ea]|contest[ae]|responda)\b[^.?!\n]{0,40}\b(?:una|uma) (?:sola |única )?palavra\b|"
    r"\b(?:respond[ea]|contest[ae])\b[^.?!\n]{0,40}\b(?:una|sola|única) (?:sola )?palabra\b|"
    r"\bréponde?[sz]\b[^.?!\n]{0,40}\bun (?:seul )?mot\b|"
    r"\b(?:antworte|beantworte)[nt]?\b[^.?!\n]{0,40}\b(?:einem (?:einzigen |einzelnen )?wort|einzelnen wort)\b|"
    r"\brispond[ie]\b[^.?!\n]{0,40}\b(?:una|sola) (?:sola )?parola\b|\bantwoord\b[^.?!\n]{0,40}\b(?:één|een|"
    r"enkel) (?:enkel )?woord\b|"
    r"ответь(?:те)? (?:на вопрос )?одним словом|أجب[^.؟\n]{0,20}بكلمة واحدة|एक शब्द[^।?\n]{0,15}(?:उत्तर|जवाब)"
)
YES_NO = re.compile(
    r"(?i)(?:^|[.?!,;:\n(]\s*|\b(?:please|just|only|simply|and|must|should) )(?:answer|respond|"
    r"reply)\b[^.?\n]{0,40}\byes or no\b|^\s*yes or no\s*[:,]|\byes or no\s*[?.)]?\s*$"
)
#: Then the form is asked of the end of the answer alone.
_REASONED = re.compile(
    r"(?i)\b(step[- ]by[- ]step|reasoning|rationale|explain|explanation|justif\w+|show your work|then)\b|逐步|推理|解释|解釋"
)
#: A short question, of the kind that a request for a word or phrase still holds for when it is said once a row.
_SHORT_QUESTION = re.compile(
    r"(?i)(?:(?:and|so|then|now|ok|okay)\b,? )?(?:what|which|who|whom|whose|where|when|how (?:many|much|old|big|"
    r"tall|long|far|often|large|wide|deep|high|heavy)|"
    r"(?:in|on|at|from|to|of|for|with|by|near|behind|under) (?:what|which|whose)|is|are|was|were|does|do|did|has|"
    r"have|had|can|could|will|would)\b[^.!?\n]*\?"
)
#: What even a question in that form can't be answered to in a phrase.
_ASKS_MORE = re.compile(
    r"(?i)\b(describe|explain|elaborate|detail(s|ed)?|why|reasons?|reasoning|steps?|story|think|thoughts?|feel|"
    r"happen(s|ed|ing)?|mean(s|ing)?|significance|difference|differences|compare|"
    r"list|write|tell|summari[sz]e|discuss|suggest|infer|conclude|say about|know about|more about|advice|describe|"
    r"implications?|sentences?|paragraph|everything|poem|how)\b"
)
_HOW_MUCH = re.compile(r"(?i)\bhow (many|much|old|big|tall|long|far|often|large|wide|deep|high|heavy)\b")
_MARK = re.compile(r"(?:^|(?<=[\s(（\[,;:?*]))[(（\[]?\**([A-Za-z])\**(?:[)）\]]|[.．:：、)](?=\**\s*\S))")
_LETTER_ANSWER = re.compile(
    r"^\W*(?:(?:the )?(?:correct |best |right )?(?:answer|option|choice|"
    r"letter)(?: is)?:?\s*\W*)*\(?([A-Za-z])(?:\W*$|\**\s*[).:、,]\s*\**(?s:.*)$)",
    re.IGNORECASE,
)
_SEVERAL = re.compile(r"(?i)^\W*[A-Z](?:(?:\s*(?:,|;|/|&|and|\s)\s*)+[A-Z])+\W*$")
_YES_NO_ANSWER = re.compile(
    r"(?i)^\W*(?:(?:the )?(?:correct )?answer(?: is)?:?\s*\W*)?(yes|no|yeah|yep|nope|true|false|y|n)\b"
)


def options_of(question: str) -> list[str]:
    """The letters of a question's options, in capitals: A, B and so on, as far as they go on, each on a line of its own
    or all on one; [] for less than two.
    """
    found: list[str] = []
    for match in _MARK.finditer(question):
        letter = match[1].upper()
        if letter == chr(ord("A") + len(found)):
            found.append(letter)
        elif letter == "A":
            found = ["A"]
    return found if len(found) > 1 else []


def _fault(question: str, answer: str, phrase_in_force: bool, phrase_words: int) -> str:
    """What is wrong with an answer, '' for nothing."""
    if _REASONED.search(question):
        return ""
    options = options_of(question)
    if options and LETTER.search(question):
        found = _LETTER_ANSWER.match(answer)
        letters = [found[1]] if found else re.findall(r"(?i)\b[A-Z]\b", answer) if _SEVERAL.match(answer) else []
        if not letters:
            return f"a letter was asked for, the answer is: {shown(answer)}"
        beyond = [letter.upper() for letter in letters if letter.upper() not in options]
        return f"the letter {beyond[0]} is none of the options {', '.join(options)}" if beyond else ""
    if YES_NO.search(question):
        return "" if _YES_NO_ANSWER.match(answer) else f"yes or no was asked for, the answer is: {shown(answer)}"
    if (phrase_in_force or PHRASE.search(question)) and word_count(answer) > phrase_words:
        return f"a word or phrase was asked for, the answer has {word_count(answer)} words: {shown(answer)}"
    return ""


def _still_short(question: str) -> bool:
    """Whether a request for a word or phrase of an earlier turn may hold for this question, too."""
    question = question.strip()
    return bool(_SHORT_QUESTION.fullmatch(question)) and not _ASKS_MORE.search(_HOW_MUCH.sub(" ", question))


def check(turns: list[list[dict[str, str]]], phrase_words: int) -> Findings:
    """Rows with answers that break their question's format; the score is the share of such answers.

    A request for a word or phrase also holds for the short questions that follow it: LLaVA-665K says it once a row. It
    ends with the first turn that asks for more, or for something else. The answer may then have `phrase_words` words.
    """
    scores, evidence = [], []
    for row in turns:
        faults, in_force, exchanges = [], False, questions_and_answers(row)
        for question, answer in exchanges:
            asked = bool(PHRASE.search(question)) or (in_force and _still_short(question))
            in_force = asked and not (LETTER.search(question) or YES_NO.search(question))
            fault = _fault(question, answer, in_force, phrase_words)
            if fault:
                faults.append(fault)
        scores.append(len(faults) / max(1, len(exchanges)))
        evidence.append(faults[0] if faults else "")
    return Findings.of(scores, [score > 0 for score in scores], evidence)
