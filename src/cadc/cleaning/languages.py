"""Which language an answer is in, and whether that is another one than its question's (ours).

Scripts tell many languages apart. Languages in one script are told apart by their function words. Answers are short,
and names and loan words are everywhere ("Los Angeles", "a van"), so a language is named only where several words speak
for it, and never by one. A trained identifier names one for every line, sure or not: tests/cases/test_words.py states
what this rule finds and what it flags wrongly.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache

from cadc.cleaning.answer_format import INSTRUCTION
from cadc.cleaning.refusals import QUOTED

#: Function words and the commonest words of questions about pictures. A word of several languages counts for each.
_WORDS = {
    "English": """the a an of and is are was were be been has have had do does did can could will would should may might
        must not no this that these those there here it its he she they them his her their you your i we my who whom
        whose which what when where why how many much any some all each from with without into onto over under about
        between behind near next in on at to for by as or but if than then because while also very more most only just
        one two three four five yes describe image picture photo people man woman shows see looks like color colour red blue green yellow black white grey""",
    "German": """der die das den dem des ein eine einen einem einer eines und oder aber ist sind war waren wird werden
        hat haben hatte kann können soll sollte muss nicht kein keine es er sie wir ihr ich du man sich sein seine ihre
        ihrem ihren diese dieser dieses diesem was wer wo wann warum wie welche welcher welches viele auf aus bei mit
        nach von vom zu zum zur im am an in vor hinter über unter neben zwischen für durch während als auch noch nur
        sehr mehr wenn weil dass denn zwei drei vier fünf ja nein bild foto beschreibe beschreiben hier dort gibt rot rote roten blau grün gelb schwarz weiß""",
    "French": """le la les l un une des du de d et ou mais est sont était étaient être a ont avait peut peuvent doit
        ne pas plus il elle ils elles on nous vous je tu se s ce cet cette ces c son sa ses leur leurs qui que quoi qu
        quel quelle quels quelles où quand pourquoi comment combien y en au aux dans sur sous avec sans pour par entre
        devant derrière chez comme très aussi car si parce deux trois quatre cinq oui non image photo décrivez décris
        voit voyez fait rouge bleu vert jaune noir blanc""",
    "Spanish": """el la los las lo un una unos unas de del y e o u pero es son era eran está están estaba ser hay ha han
        tiene tienen puede pueden debe no se su sus le les me te nos yo tú él ella ellos ellas usted este esta estos
        estas ese esa eso esto qué quién cuál cuáles cuándo dónde cómo cuántos cuántas cuánto porque que quien cuando
        donde como en a al con sin por para sobre bajo entre desde hasta muy más también mientras dos tres cuatro cinco
        sí imagen foto describe describa ve ves hace rojo azul verde amarillo negro blanco""",
    "Portuguese": """o a os as um uma uns umas de do da dos das e ou mas é são era eram está estão estava ser há tem têm
        pode podem deve não se seu sua seus suas ele ela eles elas você eu nós este esta estes estas esse essa isso isto
        que quem qual quais quando onde como quantos quantas quanto porque em no na nos nas num numa ao à aos às pelo
        pela com sem por para sobre entre desde até muito mais também enquanto pois dois duas três quatro cinco sim
        imagem foto descreva vê vermelho azul verde amarelo preto branco""",
    "Italian": """il lo la i gli le l un uno una di del dello della dei degli delle e ed o ma è sono era erano essere ha
        hanno può possono deve non si suo sua suoi lui lei loro noi voi io tu questo questa questi queste quello quella
        che chi cosa quale quali quando dove come quanti quante quanto perché in nel nello nella nei nelle su sul sulla
        sui sulle a al allo alla ai alle da dal dalla dai con senza per tra fra molto più anche mentre ci c due tre
        quattro cinque sì immagine foto descrivi vede vedi sta stanno rosso blu verde giallo nero bianco""",
    "Dutch": """de het een en of maar is zijn was waren wordt worden heeft hebben had kan kunnen moet niet geen er hij
        zij ze we wij ik je jij u men zich haar hun dit dat deze die wat wie waar wanneer waarom hoe welke welk hoeveel
        veel op in uit bij met naar van voor achter over onder naast tussen aan te tot door tijdens als ook nog alleen
        heel meer terwijl omdat want dan twee drie vier vijf ja nee foto afbeelding beschrijf zie ziet staat rood blauw groen geel zwart wit""",
    "Swedish": """den det de en ett och eller men är var vara har hade kan ska måste inte ingen han hon vi jag du man
        sig sin sitt sina hans hennes deras detta denna dessa vad vem var när varför hur vilken vilket vilka många i på
        av från med till för framför bakom över under bredvid mellan vid om som också bara mycket mer medan eftersom att
        två tre fyra fem ja nej bild bilden foto beskriv ser finns står röd blå grön gul svart vit""",
    "Polish": """i oraz lub ale jest są był była było były być ma mają może można nie się go jej jego ich on ona ono oni
        ja ty my wy ten ta to te tego tej tym tych co kto gdzie kiedy dlaczego jak jaki jaka jakie jakiego który która
        które ile czy w we na z ze do od o u po za przed nad pod obok między przez dla przy jako też także tylko bardzo
        więcej gdy ponieważ że dwa dwie trzy cztery pięć tak obraz obrazku zdjęcie zdjęciu opisz widać czerwony niebieski zielony żółty czarny biały""",
    "Turkish": """ve veya ama bir bu şu o ne kim nerede zaman neden niçin nasıl hangi kaç mi mı mu mü var yok değil için
        ile gibi kadar daha çok en de da ki ise olan olarak olduğu üzerinde altında önünde arkasında yanında içinde
        arasında sonra önce her bazı iki üç dört beş evet hayır resim resimde resmi fotoğraf fotoğrafta görüntü
        görünüyor görülüyor onun onlar ben sen biz siz kırmızı mavi yeşil sarı siyah beyaz""",
    "Vietnamese": """và hoặc nhưng là có không được bị đã đang sẽ của cho với từ trong trên dưới ngoài trước sau bên
        giữa ở đến về này đó kia các những một hai ba bốn năm người con cái chiếc gì ai đâu nào khi sao bao nhiêu rất
        cũng chỉ vì nên thì mà như để tôi bạn họ nó ảnh bức hình màu hãy mô tả thấy đỏ xanh vàng đen trắng""",
    "Indonesian": """yang dan atau tetapi adalah ini itu ada tidak bukan akan sudah sedang telah dapat bisa di ke dari
        dengan untuk pada oleh dalam atas bawah depan belakang samping antara sebuah seorang seekor para semua banyak
        apa siapa mana kapan mengapa kenapa bagaimana berapa karena ketika sambil juga hanya sangat lebih seperti dia
        mereka saya kamu anda kita kami satu dua tiga empat lima gambar foto jelaskan terlihat orang merah biru hijau kuning hitam putih""",
    "Russian": """и или но это этот эта эти что кто где когда почему как какой какая какое какие какого сколько не нет
        да есть был была было были быть в во на с со к у о об от до из за под над перед между для при по через он она
        оно они мы вы я ты его её их который которая которые также только очень больше потому пока чем два две три
        картинке изображении фото опишите видно""",
    "Ukrainian": """і й та або але це цей ця ці що хто де коли чому як який яка яке які якого скільки не ні так є був
        була було були бути в у на з зі із до від за під над перед між для при по через він вона воно вони ми ви я ти
        його її їх котрий також лише дуже більше тому поки ніж два дві три малюнку зображенні фото опишіть видно""",
    "Arabic": """في من على إلى عن مع هذا هذه ذلك التي الذي أن إن كان كانت ما ماذا هل كم كيف أين متى لماذا و أو لا ليس
        هو هي هم صورة الصورة أمام خلف فوق تحت بين""",
    "Persian": """در از به با که این آن است هستند بود را برای چه چیست کجا چرا چگونه چند چطور و یا نه یک روی زیر بین
        می شود شده تصویر عکس دارد دارند""",
    "Chinese": """的 了 是 这 這 那 们 們 吗 嗎 么 麼 呢 着 著 和 与 與 有 在 个 個 里 裡 没 也 都 就 被 把 他 她 它 你 我 什 哪 几 一 不 请 张""",
    "Japanese": """は が を に で の と も か た て い る す ま な し れ ら り こ そ あ よ う さ く け ん だ え""",
}
#: Letters that only some languages in Latin script use; those of names and loan words, which have capitals, do not count.
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
_LANGUAGES: dict[str, list[str]] = {}
for _name, _words in _WORDS.items():
    for _word in dict.fromkeys(_words.split()):
        _LANGUAGES.setdefault(_word, []).append(_name)
#: Words, and single characters of scripts without blanks.
_WORD = re.compile(r"[぀-ヿ㐀-䶿一-鿿]|[^\W\d_぀-ヿ㐀-䶿一-鿿]+")
_ASKED_MORE = 2  # words of its language that a question has beyond those of the answer's
_ASKED_SHARE, _ANSWERED_SHARE = 0.4, 0.25  # of a text's different words that its language knows

#: Questions for words that the picture shows, which are in its language, or for something with a name in any.
_WORDS_ASKED = re.compile(
    r"(?i)\b(writ(e|ten|ing|es)|reads?|reading|says?|said|saying|texts?|words?|signs?|names?|named|call(s|ed)?|"
    r"letters?|titles?|captions?|brands?|logos?|"
    r"restaurants?|movies?|films?|songs?|lyrics|posters?|labels?|labell?ed|menus?|symbols?|characters?|quotes?|"
    r"slogans?|messages?|banners?|transcri\w+|"
    r"spell\w*|pronounce\w*|inscription|headline|kanji|"
    r"dice|diz|dit|text[oe]s?|testo|palabras?|palavras?|parol[ae]|mots?|letreros?|placas?|carte(l|les|llo|lli)|"
    r"cartaz(es)?|panneaux?|affiches?|insegn[ae]|"
    r"escri\w+|scri(tto|tta|ve|vi|vere)|écri\w+|título|titre|titolo|nombres?|nomes?|noms?|llama\w*|chama\w*|"
    r"appel\w+|chiama\w*|leer?|lire|lisez|leggere|"
    r"steht|schild\w*|wort|wörter|schreib\w*|geschrieben|titel|name|heißt|lies|lesen|woord\w*|schrijf\w*|geschreven|"
    r"naam|bord|står|skylt\w*|ord|skriv\w*|"
    r"namn|napis\w*|słow\w*|pisz|nazw\w+|tytuł\w*|yaz\w*|kelime\w*|metin\w*|chữ|viết|tên|tulis\w*|kata|teks|nama|judul|"
    r"напис\w*|надпис\w*|слов\w*|текст\w*|назв\w*|зовут|звати)\b|"
    r"写(?![っる真])|[寫读讀字词詞文句说說牌名叫書读言語语訳]|标题|標題|쓰여|적혀|글|읽|단어|이름|제목|كتب|مكتوب|نص|كلم|اسم|نوشت|متن|नाम|लिख|पढ़|शब्द|"
    r"เขียน|อ่าน|คำ|ชื่อ"
)
#: Requests for a language, which hold for the turns that follow, too.
_LANGUAGE_ASKED = re.compile(
    r"(?i)\b(translat\w+|languages?|english|spanish|french|german|italian|portuguese|dutch|russian|ukrainian|"
    r"chinese|mandarin|cantonese|japanese|korean|arabic|"
    r"persian|farsi|hindi|hebrew|greek|turkish|polish|swedish|danish|norwegian|finnish|czech|romanian|hungarian|"
    r"thai|vietnamese|indonesian|malay|latin|bengali|urdu|"
    r"idiomas?|langues?|lingua|língua|sprache|taal|språk|język\w*|dil|dilde|ngôn ngữ|bahasa|tradu\w+|übersetz\w*|"
    r"vertaal\w*|översätt\w*|przetłumacz|çevir\w*|dịch|terjemah\w*|"
    r"inglés|inglês|inglese|anglais|englisch\w*|engels|engelska|angielsk\w+|ingilizce|tiếng|inggris|español|"
    r"espagnol|espanhol|spanisch|spaans|français|francés|francês|francese|"
    r"französisch|frans|deutsch|alem[áã]n?|allemand|tedesco|duits|chino|chinois|chinesisch|chinês|cinese|ruso|russe|"
    r"russisch|russo|japon[ée]s|japonais|japanisch|giapponese|"
    r"язык\w*|мов[аоіу]\w*|переве\w+|перекла\w+|по-(английски|русски|немецки|французски|испански)|англий\w+|"
    r"англій\w+|русск\w+|немецк\w+|испанск\w+|французск\w+)\b|"
    r"翻译|翻譯|翻訳|英文|英语|英語|中文|汉语|漢語|中国語|日语|日文|日本語|法语|法文|德语|德文|西班牙|俄语|韩语|韓国語|语言|語言|言語|"
    r"번역|영어|한국어|중국어|일본어|언어|لغة|بالعربية|بالإنجليزية|ترجم|انگلیسی|زبان|अनुवाद|भाषा|हिन्दी|हिंदी|अंग्रेज|แปล|ภาษา|"
    r"αγγλικά|ελληνικά|γλώσσα|אנגלית|עברית|שפה|תרגם"
)


@cache
def _script(letter: str) -> str:
    """`LATIN`, `CYRILLIC`, `CJK`, ...: the first word of the letter's Unicode name; Japanese kana count as CJK, which
    it mixes with.
    """
    name = unicodedata.name(letter, "?").split()[0]
    return "CJK" if name in ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA") else name


def _scripts(text: str) -> Counter[str]:
    """How many letters of a text are in which script."""
    if text.isascii():
        return Counter({"LATIN": n} if (n := sum(map(str.isalpha, text))) else {})
    return Counter(_script(letter) for letter in text if letter.isalpha())


def script(text: str) -> tuple[str, int]:
    """The script of most letters of a text, and how many letters are in it; ('', 0) without letters."""
    counts = _scripts(text)
    return counts.most_common(1)[0] if counts else ("", 0)


@cache
def _spelt_in(letters: frozenset[str]) -> frozenset[str]:
    """The languages that use all of these letters beyond a to z."""
    return frozenset(name for name, own in _LETTERS.items() if letters <= set(own))


def _evidence(text: str) -> tuple[Counter[str], int]:
    """How many different words of a text speak for which language, and how many different words it has."""
    counts: Counter[str] = Counter()
    words = dict.fromkeys(_WORD.findall(text))
    for word in words:
        names = {*_LANGUAGES.get(word.lower(), ())}
        if word.islower() and not word.isascii():
            names |= _spelt_in(frozenset(letter for letter in word if not letter.isascii()))
        counts.update(names)
    return counts, len(words)


def _first(counts: Counter[str]) -> str:
    """The language with most words; of equals the one that stands first in the list above."""
    return max(_WORDS, key=lambda name: counts[name]) if counts else ""


def language(text: str) -> tuple[str, int]:
    """The language that most words of a text speak for, and how many more do than for the next one; ('', 0) where
    none leads.
    """
    counts, _ = _evidence(text)
    (first, most), (_, second) = (*counts.most_common(2), ("", 0), ("", 0))[:2]
    return (first, most - second) if most > second else ("", 0)


def foreign(question: str, answer: str, letters: int, margin: int, before: str = "") -> str:
    """What an answer is written in, if that is another language than its question's and nobody asked for it; else ''.

    before: the row's earlier questions. Of answers in a script that the question has none of, `letters` letters count.
    In Latin script, and of languages in one script, an answer needs `margin` more words of its language than of its
    question's, and a question `_ASKED_MORE` of its own.
    """
    question = INSTRUCTION.sub(" ", question)  # often in English, whatever the question is in
    found = _spoken(question, QUOTED.sub(" ", answer), letters, margin)
    return (
        "" if not found or _WORDS_ASKED.search(question) or _LANGUAGE_ASKED.search(f"{before}\n{question}") else found
    )


def _spoken(question: str, answer: str, letters: int, margin: int) -> str:
    """What an answer is written in, if that is another language than its question's; else ''."""
    asked, said = _scripts(question), _scripts(answer)
    if not asked or not said:
        return ""
    (of_question, _), (of_answer, n) = asked.most_common(1)[0], said.most_common(1)[0]
    meant, n_meant = _evidence(question)
    own = _first(meant)
    if of_question != of_answer:
        if asked[of_answer] > 1 or (of_question == "LATIN" and not meant):
            return ""  # a question in both, or of names alone
        if of_answer != "LATIN":
            return f"{of_answer.title()} letters" if n >= max(letters, 0.8 * said.total()) else ""
    spoken, n_spoken = _evidence(answer)
    other = _first(spoken)
    sure = of_question != of_answer or (
        meant[own] - meant[other] >= _ASKED_MORE and meant[own] >= _ASKED_SHARE * n_meant
    )
    clear = spoken[other] - spoken[own] >= margin and spoken[other] >= _ANSWERED_SHARE * n_spoken
    return other if sure and clear and own != other else ""
