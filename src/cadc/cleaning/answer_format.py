"""Find answers that break the format their question asks for: a letter, one word or phrase, yes or no."""

from __future__ import annotations

import re

from cadc.cleaning import asked
from cadc.cleaning.findings import Findings, questions_and_answers, shown
from cadc.cleaning.words import word_count

#: Format requests in the prompts of LLaVA-1.5 (Liu et al. 2023, table 7) and of lmms-eval, and close variants.
LETTER = re.compile(
    r"(?i)\b(answer|respond|reply|choose|select|pick|output)\b[^.?!\n]{0,40}\b(letters?|character)\b(?! (to|"
    r"from (?!the (given|options|choices))))|"
    r"\b(answer|respond|reply)\b[^.?!\n]{0,20}\b(only|just) (with )?[A-D](, | or |/)|(选项|選項)的?字母|"
    r"選択肢の(記号|文字)|"
    r"letra de la opción|lettre de l'option|Buchstaben"
)
_ONE_WORD = r"(?:a |one )?(?:single|few|(?:one|1|two)(?: (?:or|to) (?:two|2|three|3))?)[- ]words?"
#: Matches only instructions on how to answer: "there is a word on the wall" is no request.
PHRASE = re.compile(
    rf"(?i)\b(?:in|with|using|use|as|give|provide)(?: just| only| exactly| the|"
    rf" your answer in)? {_ONE_WORD}\b(?: answers?\b)?(?: or (?:an? )?(?:short |single |"
    rf"brief )?phrase)?\s*(?:[.,:;!?)\n]|$)|"
    rf"\b(?:answer|respond|reply)\b[^.?!\n]{{0,60}}\b(?:{_ONE_WORD}|a word or (?:an? )?(?:short |brief )?phrase|"
    rf"a (?:short|single|brief) phrase)\b|"
    r"\ba (?:single )?word or (?:an? )?(?:short |brief )?phrase\s*[.:]?\s*$|"
    r"(?:用|使用|以|只用)(?:一|单|單|1)?[个個]?(?:单|單|一)?[个個]?(?:单词|單詞|词语?|詞語?|"
    r"词汇|短语|短語)(?:或(?:者)?(?:短语|短語|词组|詞組))?(?:来|"
    r"來)?(?:直接)?(?:回答|作答|回复|回覆)|(?:一言|一語|単語(?:または|か)(?:短い)"
    r"?(?:フレーズ|語句))で(?:答|回答|お答)|한 단어(?:나|로|"
    r" 또는)[^.?\n]{0,10}(?:답|대답)|\b(?:respond[ea]|contest[ae]|responda)\b[^.?!\n]{0,40}\b(?:una|uma) (?:sola |"
    r"única )?palavra\b|\b(?:respond[ea]|contest[ae])\b[^.?!\n]{0,40}\b(?:una|sola|única) (?:sola )?palabra\b|"
    r"\bréponde?[sz]\b[^.?!\n]{0,40}\bun (?:seul )?mot\b|"
    r"\b(?:antworte|beantworte)[nt]?\b[^.?!\n]{0,40}\b(?:einem (?:einzigen |einzelnen )?wort|einzelnen wort)\b|"
    r"\brispond[ie]\b[^.?!\n]{0,40}\b(?:una|sola) (?:sola )?parola\b|\bantwoord\b[^.?!\n]{0,40}\b(?:één|een|"
    r"enkel) (?:enkel )?woord\b|ответь(?:те)? (?:на вопрос )?одним словом|"
    r"أجب[^.؟\n]{0,20}بكلمة واحدة|"
    r"एक शब्द[^।?\n]{0,15}(?:उत्तर|जवाब)"
)
YES_NO = re.compile(
    r"(?i)(?:^|[.?!,;:\n(]\s{0,3}|\b(?:please|just|only|simply|and|must|should) )(?:answer|respond|"
    r"reply)\b[^.?\n]{0,40}\byes or no\b|^\W*yes or no\s*[:,]|\byes or no\s*[?.)]?\s*$|"
    r"\b(?:respond[ea]|contest[ea]|responda)\b[^.?!\n]{0,25}\b(?:s[ií] o no|sim ou não)\b|"
    r"\bréponde?[sz]\b[^.?!\n]{0,25}\boui ou non\b|\b(?:be)?antworten?\b[^.?!\n]{0,25}\bja oder nein\b|"
    r"\brispond[ie]\b[^.?!\n]{0,25}\bs[ìi] o no\b|\bantwoord\b[^.?!\n]{0,25}\bja of nee\b|"
    r"\bответь(?:те)?\b[^.?!\n]{0,25}\bда или нет\b|"
    r"(?:回答|回覆|作答)[^。？\n]{0,6}[是有][”\"」]?(?:或|还是|還是|或者)[“\"「]?(?:否|不是|没有|沒有)|"
    r"(?:用|以)[“\"「]?[是有][”\"」]?(?:或|还是|還是|或者)[“\"「]?(?:否|不是|没有|沒有)[”\"」]?(?:来|來)?(?:回答|作答)|"
    r"「?はい」?(?:か|または)「?いいえ」?で|[예네](?: 또는 |나 |/)아니[요오](?:로|라고)"
)
_OFFERED_WORDS = 8  # maximum words of an alternative answer that a question offers
_SAY = r"\b(?:answer|or|output|reply|respond|return|say|use|with|write)\b"
_ITEM_WORDS = 3  # maximum words of an item in a list
#: Requests for reasoning: the format then applies only to the end of the answer.
_REASONED = re.compile(
    r"(?i)\b(step[- ]by[- ]step|reasoning|rationale|explain|explanation|justif\w+|show your work|then)\b|逐步|推理|"
    r"解释|解釋|原因|理由|説明|说明|설명|이유|\b(?:begründ|erklär|explic|expliqu|motiva|porqu|spieg)\w*|\bleg\b.*\buit\b|"
    r"\b(?:объясн|почему)\w*"
)
#: A closed question, to which a request for a word or phrase made earlier in the row still applies.
_CLOSED = re.compile(
    r"(?i)(?:(?:and|now|ok|okay|so|then)\b,? )?(?:(?:(?:at|behind|by|for|from|in|near|of|on|to|under|with) )?(?:what|"
    r"which) (?!(?:am|are|can|could|did|do|does|has|have|if|is|might|should|was|were|will|would)\b)\w+|"
    r"how (?:big|deep|far|heavy|high|large|long|many|much|often|old|tall|wide)|when|where|who|whom|whose|"
    r"are|did|do|does|had|has|have|is|was|were)\b[^.!?\n]*\?"
)
#: Words of questions that a phrase can't answer, even in a closed form.
_ASKS_MORE = re.compile(
    r"(?i)\b(advice|any\w*|compare|conclude|describe|detail(s|ed)?|differences?|discuss|elaborate|everything|explain|"
    r"feel|happen(s|ed|ing)?|how|implications?|infer|know about|list|mean(s|ing)?|more about|paragraph|poem|reasoning|"
    r"reasons?|say about|sentences?|significance|steps?|story|suggest|summari[sz]e|tell|think|thoughts?|why|write|"
    r"you)\b"
)
_YES_NO_QUESTION = re.compile(r"(?i)\W*(?:and |or )?(?:are|can|did|do|does|had|has|have|is|was|were)\b")
#: Wording that occurs in no title or name.
_SENTENCE_ABOUT = re.compile(
    r"(?i)\b(?:as (?:can be|you can) see|i (?:think|would say)|in the (?:image|photo|picture)|the answer|"
    r"this question)\b"
)
_HOW_MUCH = re.compile(r"(?i)\bhow (big|deep|far|heavy|high|large|long|many|much|often|old|tall|wide)\b")
_MARK = re.compile(r"(?:^|(?<=[\s(（\[,;:?*]))[(（\[]?\**([A-Za-z])\**(?:[)）\]]|[.．:：、)](?=\**\s*\S))")
#: Where the final answer is, if reasoning or markup surrounds it.
_FINAL = re.compile(r"\\boxed\{(?:\\(?:mathrm|mathbf|text)\{)?([^{}]*)\}|(?is:<answer>((?:(?!<answer>).)*?)</answer>)")
_THOUGHTS = re.compile(r"(?is)<(think|thinking|reasoning)>(?:(?!<\1>).)*?</\1>")
_ANSWER_IS = (
    r"(?i)\W*(?:(?:[^\W\d_]{1,8}\W+){0,3}?(?:answers?|choices?|letters?|options?|antwoord|antwort|cevap|odpowiedź|"
    r"respuesta|resposta|risposta|réponse|ответ|відповідь|答え|答案|正解|选择?|選擇?|选项|"
    r"選項|정답)"
    r"(?:\s*(?:are|is|es|est|ist|è|é|は|为|是|項|项))?\W*)?"
)
_LETTER_ANSWER = re.compile(
    rf"{_ANSWER_IS}([A-Za-z])(?:\W*$|\**\s*[).:、,\]\n]| +[-–—] | (?:is|was) (?:the )?(?:best|correct|right)\b|"
    rf" because\b)"
)
#: "A and C", "A e C": only letters and words for "and".
_LETTERS_ANSWER = re.compile(rf"{_ANSWER_IS}(?:both\b)?((?:\W|\b[A-Za-z]\b|\b(?:and|en|et|oder|or|ou|und|ve|и)\b)+)$")
_AND = re.compile("[与及和或與跟と]")
_RUN_OF_LETTERS = re.compile(rf"{_ANSWER_IS}((?-i:[A-Z]{{2,8}}))\W*$")
_YES_NO_WORDS = (
    r"(?:n|no|nope|not? really|y|yeah|yep|yes|false|true|ano|da|ei|evet|hayır|igen|ja|jo|kyllä|nah|não|ne|nee|nei|"
    r"nein|"
    r"nej|nem|nie|non|nu|oo|oui|ndiyo|ya|tidak|si|sim|sí|sì|tak|có|không|vâng|да|нет|ні|так|ναι|"
    r"όχι|כן|לא|نعم|لا|بله|"
    r"خیر|نه)\b|(?:はい|いいえ|不|否|對|对|是|沒|没|有|네|예|아니|हाँ|हां|"
    r"नहीं|ใช่|ไม่)"
)
_YES_NO_ANSWER = re.compile(rf"{_ANSWER_IS}(?:{_YES_NO_WORDS})|(?i:(?s:.*)[,;:.] (?:so |then |thus )?(?:no|yes)\W*$)")


def options_of(question: str) -> list[str]:
    """The option letters of a question, in capitals: A, B and so on without gaps, on lines of their own or on one line;
    [] if there are fewer than two.
    """
    found: list[str] = []
    for match in _MARK.finditer(question):
        letter = match[1].upper()
        if letter == chr(ord("A") + len(found)):
            found.append(letter)
        elif letter == "A":
            found = ["A"]
    return found if len(found) > 1 else []


def final_answer(answer: str) -> str:
    """The final answer: the content of the last box or answer tag, else the text without its thoughts."""
    found = [match[1] or match[2] or "" for match in _FINAL.finditer(answer)]
    return (found[-1] if found else _THOUGHTS.sub(" ", answer)).strip()


def _letters(answer: str, options: list[str]) -> list[str]:
    """The letters that an answer chooses, in capitals; [] if none."""
    answer = _AND.sub(", ", answer)
    if run := _RUN_OF_LETTERS.match(answer):  # "AC", for several correct options
        return list(run[1]) if set(run[1]) <= set(options) else []
    if several := _LETTERS_ANSWER.match(answer):
        letters = re.findall(r"\b[A-Za-z]\b", several[1])
        capitals = [letter for letter in letters if letter.isupper()]  # in "A y C", y means and
        return [letter.upper() for letter in capitals or letters]
    found = _LETTER_ANSWER.match(answer)
    return [found[1].upper()] if found else []


def _offered(question: str, answer: str) -> bool:
    """Whether a question that asks for a format also offers this other answer: "..., or say unknown"."""
    words = re.findall(r"\w+", answer)
    said = r"\W+".join(map(re.escape, words))
    return 0 < len(words) <= _OFFERED_WORDS and bool(
        re.search(rf"(?i){_SAY}\W*{said}(?:[\"'”’]?[.,;!)\n]| if\b|\W*$)", question)
    )


def _is_list(answer: str) -> bool:
    """Whether an answer lists at least three items of a few words each."""
    parts = [part for part in re.split(r"[,;、，；\n]|\b(?:and|or)\b", answer) if part.strip()]
    return len(parts) > 2 and max(map(word_count, parts)) <= _ITEM_WORDS


def _too_long(question: str, answer: str, phrase_words: int) -> str:
    """What is wrong with an answer to a request for a word or phrase; '' if nothing. Titles, quoted texts, names and
    lists may be longer.
    """
    n = word_count(final_answer(answer))
    if n <= phrase_words or _REASONED.search(question) or _is_list(answer):
        return ""
    wording = not _YES_NO_QUESTION.match(question) and asked.for_wording(PHRASE.sub(" ", question))
    if wording and not _SENTENCE_ABOUT.search(answer):
        return ""
    return f"a word or phrase was asked for, but the answer has {n} words: {shown(answer)}"


def _fault(question: str, answer: str, phrase_words: int) -> str:
    """How an answer breaks the format that its own question asks for; '' if it doesn't."""
    if _REASONED.search(question):
        return ""
    options, final = options_of(question), final_answer(answer)
    if options and LETTER.search(question):
        letters = _letters(final, options)
        if not letters:
            return "" if _offered(question, final) else f"a letter was asked for, but the answer is: {shown(answer)}"
        beyond = [letter for letter in letters if letter not in options]
        return f"the letter {beyond[0]} is not one of the options {', '.join(options)}" if beyond else ""
    if YES_NO.search(question):
        right = _YES_NO_ANSWER.match(final) or _offered(question, final)
        return "" if right else f"yes or no was asked for, but the answer is: {shown(answer)}"
    return _too_long(question, answer, phrase_words) if PHRASE.search(question) else ""


def _row_faults(exchanges: list[tuple[str, str]], phrase_words: int) -> list[str]:
    """The format faults of a row's answers."""
    faults, in_force, carried = [], False, []
    for question, answer in exchanges:
        if LETTER.search(question) or YES_NO.search(question) or PHRASE.search(question):
            faults.append(_fault(question, answer, phrase_words))
            in_force = bool(PHRASE.search(question)) and not (LETTER.search(question) or YES_NO.search(question))
            continue
        question = question.strip()
        in_force &= bool(_CLOSED.fullmatch(question)) and not _ASKS_MORE.search(_HOW_MUCH.sub(" ", question))
        if in_force:
            carried.append(_too_long(question, answer, phrase_words))
    long = [fault for fault in carried if fault]
    return [*filter(None, faults), *(long if 2 * len(long) < len(carried) else [])]


def check(turns: list[list[dict[str, str]]], phrase_words: int) -> Findings:
    """Rows with answers that break their question's format; the score is the share of such answers.

    An answer to a request for a word or phrase may have `phrase_words` words. The request also applies to the closed
    questions that follow it, if most of their answers heed it: LLaVA-665K states it once per row, other data per
    question. It ends with the first turn that asks for more or for something else.
    """
    scores, evidence = [], []
    for row in turns:
        exchanges = questions_and_answers(row)
        faults = _row_faults(exchanges, phrase_words)
        scores.append(len(faults) / max(1, len(exchanges)))
        evidence.append(faults[0] if faults else "")
    return Findings.of(scores, [score > 0 for score in scores], evidence)
