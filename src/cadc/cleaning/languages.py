"""Detect the language of an answer, and whether it differs from its question's (ours).

Scripts distinguish many languages; languages that share a script are distinguished by function words. Answers are short
and contain names and loan words ("Los Angeles", "a van"), so a language is only named if several words support it. A
trained language identifier names one for every line, however uncertain. tests/cases/test_words.py states what this rule
finds and what it flags wrongly.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache

from cadc.cleaning import asked
from cadc.cleaning.asked import INSTRUCTION
from cadc.cleaning.words import unquoted

#: Function words, and the most frequent words of questions about images. A word of several languages counts for each.
_WORDS = {
    "English": """
        a about all also an and any are as at be because been behind between black blue but by can color colour
        could describe did do does each five for four from give green grey had has have he her here his how i if
        image in into is it its just like looks man many may me might more most much must my near next
        no not of on one only onto or over people photo picture please red see she should shows some tell than
        that the their them then there these they this those three to two under very was we were what when where
        which while white who whom whose why will with without woman would write yellow yes you your
    """,
    "German": """
        aber als am an auch auf aus bei beschreibe beschreiben bild blau das dass dem den denn der des die diese
        diesem dieser dieses dort drei du durch ein eine einem einen einer eines er es foto fünf für gelb gibt
        grün haben hat hatte hier hinter ich ihr ihre ihrem ihren im in ist ja kann kein keine können machen
        macht man mehr mit muss nach neben nein nicht noch nur oder rot rote roten schwarz sehr seht sein seine
        sich sie siehst sind soll sollte und unter viele vier vom von vor wann war waren warum was weil weiß
        welche welcher welches wenn wer werden wie wir wird wo während zu zum zur zwei zwischen über
    """,
    "French": """
        a au aussi aux avait avec blanc bleu c car ce ces cet cette chez cinq combien comme comment d dans de derrière
        des deux devant doit du décris décrivez elle elles en entre est et fait il ils image jaune je l la le les leur
        leurs mais ne noir non nous on ont ou oui où par parce pas peut peuvent photo plus pour pourquoi qu quand
        quatre que quel quelle quelles quels qui quoi rouge s sa sans se ses si son sont sous sur trois très tu un une
        vert vois voit vous voyez y étaient était être
    """,
    "Spanish": """
        a al amarillo azul bajo blanco cinco como con cuando cuatro cuál cuáles cuándo cuántas cuánto cuántos
        cómo de debe del describa describe desde donde dos dónde e el ella ellas ellos en entre era eran es esa ese
        eso esta estaba estas este esto estos está están foto ha hace han hasta hay imagen la las le les lo los me
        mientras muy más negro no nos o para pero por porque puede pueden que quien quién qué rojo se ser sin sobre
        son su sus sí también te tiene tienen tres tú u un una unas unos usted ve verde ves y yo él
    """,
    "Portuguese": """
        a amarelo ao aos as até azul branco cinco com como da das de descreva desde deve do dois dos duas e ela
        elas ele eles em enquanto entre era eram essa esse esta estas estava este estes está estão eu faz fazem
        foto há imagem isso isto mais mas muito na nas no nos num numa não nós o onde os ou para pela pelo pode
        podem pois por porque preto quais qual quando quantas quanto quantos quatro que quem se sem ser seu seus
        sim sobre sua suas são também tem três têm um uma umas uns verde vermelho você vê à às é
    """,
    "Italian": """
        a ai al alla alle allo anche bianco blu c che chi ci cinque come con cosa da dai dal dalla degli dei del
        della delle dello descrivi deve di dove due e ed era erano essere fa fanno foto fra giallo gli ha hanno
        i il immagine in io l la le lei lo loro lui ma mentre molto nei nel nella nelle nello nero noi non o per
        perché più possono può quale quali quando quante quanti quanto quattro quella quello questa queste
        questi questo rosso senza si sono sta stanno su sua sui sul sulla sulle suo suoi sì tra tre tu un una
        uno vede vedi verde voi è
    """,
    "Dutch": """
        aan achter afbeelding alleen als beschrijf bij blauw dan dat de deze die dit doen doet door drie een en
        er foto geel geen groen haar had hebben heeft heel het hij hoe hoeveel hun ik in is ja je jij kan kunnen
        maar meer men met moet naar naast nee niet nog of omdat onder ook op over rood staat te terwijl tijdens
        tot tussen twee u uit van veel vier vijf voor waar waarom wanneer want waren was wat we welk welke wie
        wij wit worden wordt ze zich zie ziet zij zijn zwart
    """,
    "Swedish": """
        att av bakom bara beskriv bild bilden blå bredvid de den denna deras dessa det detta du eftersom eller
        en ett fem finns foto framför från fyra för grön gul gör hade han hans har hennes hon hur i ingen inte
        ja jag kan man med medan mellan men mer mycket många måste nej när och också om på röd ser sig sin sina
        sitt ska som står svart till tre två under vad var vara varför vem vi vid vilka vilken vilket vit är
        över
    """,
    "Polish": """
        ale bardzo biały być był była było były co czarny czerwony cztery czy dla dlaczego do dwa dwie gdy gdzie
        go i ich ile ja jak jaka jaki jakie jakiego jako jego jej jest kiedy kto która które który lub ma mają
        między może można my na nad nie niebieski o obok obraz obrazku od on ona oni ono opisz oraz pięć po pod
        ponieważ przed przez przy robi robią się są ta tak także te tego tej ten też to trzy ty tych tylko tym u
        w we widać widzisz więcej wy z za zdjęcie zdjęciu ze zielony że żółty
    """,
    "Turkish": """
        altında ama arasında arkasında bazı ben beyaz beş bir biz bu da daha de değil dört en evet fotoğraf
        fotoğrafta gibi görülüyor görüntü görünüyor hangi hayır her iki ile ise için içinde kadar kaç ki kim
        kırmızı mavi mi mu mü mı nasıl ne neden nerede niçin o olan olarak olduğu onlar onun resim resimde resmi
        sarı sen siyah siz sonra var ve veya yanında yapıyor yeşil yok zaman çok önce önünde üzerinde üç şu
    """,
    "Vietnamese": """
        ai ba bao bên bạn bị bốn bức chiếc cho chỉ con các cái có cũng của dưới giữa gì hai
        hoặc hãy hình họ khi không kia là mà màu mô một ngoài người nhiêu như nhưng những nào
        này nên nó năm rất sao sau sẽ thì thấy trong trên trước trắng tôi tả từ và vàng vì về
        với xanh đang đen đâu đã đó được đến để đỏ ảnh ở
    """,
    "Indonesian": """
        ada adalah akan anda antara apa atas atau bagaimana banyak bawah belakang berapa biru bisa bukan dalam dan dapat
        dari dengan depan di dia dua empat foto gambar hanya hijau hitam ini itu jelaskan juga kami kamu kapan karena ke
        kenapa ketika kita kuning lebih lima mana mengapa merah mereka oleh orang pada para putih sambil samping sangat
        satu saya sebuah sedang seekor semua seorang seperti siapa sudah telah terlihat tetapi tidak tiga untuk yang
    """,
    "Russian": """
        больше был была были было быть в видно во вы где да два две для
        до его есть её за и из изображении или их к как какая какие
        какого какое какой картинке когда которая которые который
        кто между мы на над не нет но о об он она они оно опишите от
        очень перед по под пока потому почему при с сколько со также
        только три ты у фото чем через что эта эти это этот я
    """,
    "Ukrainian": """
        або але був була були було бути більше в ви видно вона вони
        воно від він два дві де для до дуже з за зображенні зі й його
        коли котрий лише малюнку ми між на над не ні ніж опишіть перед
        по поки при під скільки та так також ти тому три у фото хто це
        цей ця ці через чому що я як яка яке який якого які є і із їх її
    """,
    "Arabic": """
        أمام أن أو أين إلى إن التي الذي الصورة بين تحت خلف ذلك صورة على
        عن فوق في كان كانت كم كيف لا لماذا ليس ما ماذا متى مع من هذا هذه
        هل هم هو هي و
    """,
    "Persian": """
        آن از است این با برای به بود بین تصویر دارد دارند در را روی زیر
        شده شود عکس می نه هستند و چرا چطور چند چه چگونه چیست کجا که یا
        یک
    """,
    "Chinese": """
        一 不 与 个 么 也 了 什 他 们 你 個 們 几 吗 呢 和 哪 嗎 在 她 它 就 张 我 把 是 有
        没 的 着 與 著 被 裡 请 这 這 那 都 里 麼
    """,
    "Japanese": """
        あ い う え か が く け こ さ し す そ た だ て で と な に の は ま も よ ら り る
        れ を ん
    """,
}
#: Letters used by only some languages in Latin script. Capitalised words are ignored, because they may be names.
_LETTERS = {
    "German": "äöüß",
    "French": "àâçéèêëîïôùûœ",
    "Spanish": "áéíóúñ",
    "Portuguese": "áâãàçéêíóôõú",
    "Italian": "àèéìòù",
    "Dutch": "ëï",
    "Swedish": "äåö",
    "Polish": "ąćęłńóśźż",
    "Turkish": "çğıöşü",
    "Vietnamese": "ăâđêôơưàáảãạằắẳẵặầấẩẫậèéẻẽẹềếểễệìíỉĩịòóỏõọồốổỗộờớởỡợùúủũụừứửữựỳýỷỹỵ",
}
_ALL_LETTERS = frozenset("".join(_LETTERS.values()))
_LANGUAGES: dict[str, list[str]] = {}
for _name, _words in _WORDS.items():
    for _word in dict.fromkeys(_words.split()):
        _LANGUAGES.setdefault(_word, []).append(_name)
#: Words, and single characters in scripts without blanks.
_WORD = re.compile(r"[぀-ヿ㐀-䶿一-鿿]|[^\W\d_぀-ヿ㐀-䶿一-鿿]+")
_ASKED_MORE = 2  # words of its language that a question needs beyond those of the answer's; 1 if the answer is clear
_CLEAR = 1.5  # an answer is clear from this multiple of the margin
_ASKED_SHARE, _ANSWERED_SHARE = 0.4, 0.25  # minimum share of a text's distinct words that its language knows
_CAPITALS = re.compile(r"(?<=\w )[A-Z]\w*")  # names inside a sentence
_TITLE_WORDS = 10  # maximum words of a title
_SMALL = frozenset(["a", "an", "and", "as", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"])
_NAME_LETTERS, _NAME_WORDS = 24, 3  # maximum length of a name in scripts without case


@cache
def _script(letter: str) -> str:
    """`LATIN`, `CYRILLIC`, `CJK`, ...: the first word of the letter's Unicode name. Japanese kana count as CJK, because
    they are mixed with it.
    """
    name = unicodedata.name(letter, "?").split()[0]
    return "CJK" if name in ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA") else name


def _scripts(text: str) -> Counter[str]:
    """The number of letters of a text in each script."""
    if text.isascii():
        return Counter({"LATIN": n} if (n := sum(map(str.isalpha, text))) else {})
    return Counter(_script(letter) for letter in text if letter.isalpha())


@cache
def _spelt_in(letters: frozenset[str]) -> frozenset[str]:
    """The languages that use all of these non-ASCII letters."""
    return frozenset(name for name, own in _LETTERS.items() if letters <= set(own))


def _is_unlisted(text: str) -> bool:
    """Whether a text has a Latin letter that none of the languages above uses, such as a Czech or Danish one."""
    words = (word for word in _WORD.findall(text) if word.islower() and not word.isascii())
    return any(
        _script(letter) == "LATIN" and letter not in _ALL_LETTERS
        for word in words
        for letter in word
        if not letter.isascii()
    )


def _evidence(text: str) -> tuple[Counter[str], int]:
    """The number of distinct words that support each language, and the number of distinct words in all."""
    counts: Counter[str] = Counter()
    words = dict.fromkeys(_WORD.findall(text))
    for word in words:
        names = {*_LANGUAGES.get(word.lower(), ())}
        if word.islower() and not word.isascii():
            names |= _spelt_in(frozenset(letter for letter in word if not letter.isascii()))
        counts.update(names)
    return counts, len(words)


def _first(counts: Counter[str]) -> str:
    """The language with the most words; the first in the list above among equals."""
    return max(_WORDS, key=lambda name: counts[name]) if counts else ""


def foreign(question: str, answer: str, letters: int, margin: int, before: Sequence[str] = ()) -> str:
    """The language or script of an answer, if it differs from its question's and was not asked for; else ''.

    before: the row's earlier questions. If the question has no letters in the answer's script, `letters` letters are
    enough. In Latin script, and within one script, an answer needs `margin` more words of its language than of its
    question's, and a question `_ASKED_MORE` of its own. Quoted texts of the image and names may be in any language.
    """
    said = unquoted(answer)
    found = _spoken(INSTRUCTION.sub(" ", question), said, letters, margin)  # format instructions are often in English
    if not found or any(map(asked.for_language, (*before, question))) or asked.for_words(question, before):
        return ""
    return "" if _is_name(said, asked.for_name(question)) else found


def _is_name(text: str, wanted: bool) -> bool:
    """Whether a text may be a name. In scripts with case: several words, all capitalised; if a name is `wanted`, one is
    enough, and other words may be mixed in. In scripts without case: only if wanted, short, and without function words.
    """
    words = _WORD.findall(text)
    if _is_title(words, text):
        return True
    cased = [word for word in words if word.lower() != word.upper()]
    small = {word for word in cased if not word[0].isupper()}
    names = [word for word in cased if word[0].isupper() and word.lower() not in _LANGUAGES]
    if not wanted:
        return not small and len(names) > 1 and len(cased) == len(words)
    if len(small) > (len(names) if all(word in _LANGUAGES for word in small) else len(names) / 2):
        return False
    others = "".join(word for word in words if word not in cased)
    most = max(_evidence(others)[0].values(), default=0)
    return len(others) <= _NAME_LETTERS and len(text.split()) - len(cased) <= _NAME_WORDS and most < 2


def _is_title(words: list[str], text: str) -> bool:
    """Whether a text is capitalised like an English title: all words, except small ones inside."""
    inner = [word for word in words[1:-1] if not word[0].isupper()]
    return (
        1 < len(words) <= _TITLE_WORDS
        and words[0][0].isupper()
        and words[-1][0].isupper()
        and _SMALL.issuperset(inner)
        and text.rstrip()[-1:] not in ".。"
    )


def _spoken(question: str, answer: str, letters: int, margin: int) -> str:
    """The language or script of an answer, if it differs from its question's; else ''."""
    own_scripts, said = _scripts(question), _scripts(answer)
    if not own_scripts or not said:
        return ""
    (of_question, _), (of_answer, n) = own_scripts.most_common(1)[0], said.most_common(1)[0]
    meant, n_meant = _evidence(question)
    own = _first(meant)
    if of_question != of_answer:
        if own_scripts[of_answer] > 1 or (of_question == "LATIN" and not meant):
            return ""  # the question uses both scripts, or only names
        if of_answer != "LATIN":
            return f"{of_answer.title()} letters" if n >= max(letters, 0.8 * said.total()) else ""
    if _is_unlisted(question) or _is_unlisted(answer):
        return ""  # a language that the word lists don't cover
    spoken, n_spoken = _evidence(answer)
    other = _first(spoken)
    more = spoken[other] - spoken[own]
    if meant[own] - meant[other] == 1 and more >= _CLEAR * margin:
        meant, _ = _evidence(_CAPITALS.sub(" ", question))
        needed = 1 if meant[own] > 1 else _ASKED_MORE
    else:
        needed = _ASKED_MORE
    sure = of_question != of_answer or (meant[own] - meant[other] >= needed and meant[own] >= _ASKED_SHARE * n_meant)
    clear = more >= margin and spoken[other] >= _ANSWERED_SHARE * n_spoken
    return other if sure and clear and own != other else ""
