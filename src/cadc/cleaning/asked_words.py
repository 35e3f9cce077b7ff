"""Words in questions that ask for words, names, fiction or a language, in many languages (ours).

Regular expressions by language, separated by blanks.
"""

from __future__ import annotations

#: Questions for spoken or written words, including titles.
READ = {
    "English": r"""
        (first|last|next)\slines? anthems? chant(ed|ing|s)? dialogues? headlines? hymns? inscri\w+ mottos? ocr printed
        prints? quot\w+ reading reads? recit\w+ said sang say(?!\sabout) saying says shout\w* sings? singing signs?
        slogans? speech\sbubbles? spell\w* subtitles? sung texts? titled? titles transcri\w+ translat\w+ whisper\w*
        written wrote yell(ed|ing|s)?
    """,
    "Dutch": r"""
        bord(en)? geroepen geschreven gezegd gezongen roepen roept zingen zingt lees leest lezen opschrift staat
        tekst\w* titels? vertaal\w* zeg(t|gen)?
    """,
    "French": r"""
        (?<=\bque\s)dit affiches? chant\w+ cri(e|ent|er) citation dire disent dit-\w+ dit\s(l'|la|le) enseigne
        inscription lire lis lisez lit-on légende pancarte panneaux? paroles texte\w* titre\w* tradui\w* transcri\w+
        écri\w+
    """,
    "German": r"""
        aufschrift\w* beschrift\w* gerufen gesagt geschrieben\w* gesungen lautet lesen liest plakat\w* ruf(en|t)
        sag(en|t) schild\w* sing(en|t) spruch steht text(e|en|es|s)? titel\w* zitat\w* überschrift\w* übersetz\w*
    """,
    "Greek": r"""
        γράφ\w+ γραμμέν\w+ διάβασ\w+ διαβάσ\w+ επιγραφ\w+ κείμεν\w+ λέει
        λέξ\w+ πινακίδ\w+ τίτλ\w+
    """,
    "Indonesian": r"""
        baca\w* berbunyi bertulis\w* judul menyanyi\w* nyanyi\w* mengatakan rambu teks terjemah\w* tertulis tulisan
    """,
    "Italian": r"""
        cant(a|ano|are|ando) cartell[oi]\w* citazione grid(a|ano|are) dice dicono didascalia insegn[ae] legg\w+
        scritt[aeio] testo titol[oi] trad(uc|ur)\w+ trascri\w+
    """,
    "Polish": r"cytat czyta\w* mówi\w* napis\w* pisze przeczyta\w* śpiewa\w* przetłumacz\w* tabli\w+ tekst\w* tytuł\w*",
    "Portuguese": r"""
        cant(a|am|ando|ar) cartaz(es)? citação grit(a|am|ando) dito diz(em)? escrit[ao]s? legenda leia lem ler
        letreiros? lê placas? texto\w* traduz\w* transcrev\w* título\w*
    """,
    "Russian": r"""
        вывеск\w* гласит говорит\w* заголов\w* надпис\w* написан\w*
        переве\w+ плакат\w* кричи\w* кричат по[ёе]т пою[тщ]\w* прочита\w* прочти\w* сказан\w* табличк\w*
        текст\w* цитат\w* чита\w*
    """,
    "Spanish": r"""
        cant(a|an|ando|ar) cartel\w* cita dice[ns]? escrit[ao]s? lee[nr]? letreros? leyenda grit(a|an|ando) pone
        rótulos? subtítulos? texto\w* titular tradu\w+ transcri\w+ título\w*
    """,
    "Swedish": r"läs\w* rop(ar|at) rubrik\w* sjung(a|er) skrive[nt] skylt\w* står säger text\w* titel\w* översätt\w*",
    "Turkish": r"başlı\w+ diyor levha\w* met(i)?n\w* oku\w* söyl\w+ tabela\w* yazılı\w* yazıyor çevir\w*",
    "Ukrainian": r"""
        вивіск\w* заголов\w* каже напис\w* перекла\w+ прочита\w* сказано
        співа\w* табличк\w* текст\w* чита\w*
    """,
    "Vietnamese": "biển chữ câu dịch hát nói tiêu đọc",
    "Others": r"""
        cedul\w* felirat\w* kirjoit\w+ kyltti\w* lukee læs\w* napsán\w* nápis\w* píše scris\w* skilt\w* skrevet
        szöveg\w* teksti\w* írva
    """,
    "Arabic": "اقرأ ترجم تقول عنوان كتب كلم لافتة مكتوب نص يغني يقول",
    "Chinese": """
        上写 唱 喊 写了 写的 写着 台詞 台词 字样 字樣 字母 寫了 寫著 念 文字 朗读 标语 标题
        標語 標題 牌 翻譯 翻译 詞語 說了 讀出 词语 说了 说什么 说的 读出
    """,
    "Hebrew": "אומר טקסט כותרת כתוב מילה מילים קרא שלט תרגם",
    "Hindi": "अनुवाद गाना पढ़ बोर्ड लिख शब्द शीर्षक",
    "Japanese": "セリフ タイトル 叫ん 歌って 歌詞 何と 書 看板 見出し 言葉 読 題名",
    "Korean": "간판 글 노래 단어 외치 말하 문구 뭐라고 번역 쓰여 읽 적혀 제목",
    "Persian": "بخوان تابلو عنوان متن نوشت کلمه",
    "Thai": "ข้อความ คำ ป้าย อ่าน เขียน แปล",
}
#: Questions for the name of somebody or something, or for an address.
CALLED = {
    "English": r"""
        address\w* artists? authors? call(ed|s)? editors? emails? lyrics named? names url words? writ(es?|ing)
    """,
    "Dutch": r"adres heet heten naam namen schrijf\w* woord\w*",
    "French": r"adresse appel\w+ mots? nomm\w+ noms?",
    "German": r"adresse bezeichn\w+ heißen heißt name\w* nennt schreib\w* wort wörter",
    "Greek": r"διεύθυνση λέγεται ονομ\w+ όνομα",
    "Indonesian": r"alamat kata\w* nama\w* tulis\w*",
    "Italian": r"chiama\w* indirizzo nom[ei] parol[ae] scri(va|ve|vere|vi)",
    "Polish": r"adres nazw\w+ nazyw\w+ pisz słow\w*",
    "Portuguese": r"chama\w* endereço escrev\w+ nomes? palavras?",
    "Russian": r"адрес звать зовут назв\w* называ\w+ слов\w*",
    "Spanish": r"direcci[óo]n escri(ba|be|bir) llama\w* nombres? palabras?",
    "Swedish": r"adress heter namn\w* ord skriv\w*",
    "Turkish": r"ad(ı|i|ları) adres\w* isim\w* ism\w* kelime\w* yaz\w*",
    "Ukrainian": r"адреса звати звуть назв\w* назива\w+ слов\w*",
    "Vietnamese": "gọi tên viết",
    "Others": r"hedder jmén\w+ nazýv\w+ neve nimi numele numit\w*",
    "Arabic": "اسم تسمى عنوان يسمى",
    "Chinese": "书名 写(?![っる真]) 句 叫 名 地址 字 寫 文 書名 詞 說(?!明) 讀 词 说(?!明) 读",
    "Hebrew": "כתובת נקרא שם",
    "Hindi": "नाम पता",
    "Japanese": "住所 句 名 呼 語",
    "Korean": "이름 주소",
    "Persian": "اسم نام",
    "Thai": "ชื่อ ที่อยู่ เรียกว่า",
}
#: Things that carry text, or have a name in their own language.
CARRIERS = {
    "English": r"""
        ads? advert\w* albums? apps? banknotes? banners? bill(board|s)? blackboards? boards? booklets? books? brands?
        brochures? characters? comics? covers? dish(es)? displays? documents? films? flyers? forms? graffiti headstone
        invoices? kanji labell?(ed)? labels? leaflets? letter(ing|s)? license\splates? logos? magazines? memes? menus?
        messages? monitors? movies? newspapers? notes? packag\w+ pages? plaques? posters? pronounc\w+ receipts?
        restaurants? screens? screenshots? songs? stamps? stickers? symbols? t-?shirts? tags? tattoos? tickets?
        tombstones? web(page|site)s? whiteboards?
    """,
    "Dutch": r"boek\w* film\w* merk\w*",
    "French": r"carte(l|s)? film\w* journal livres? logo marque\w* plats?",
    "German": r"buch\w* film\w* gericht logo marke\w* speisekarte zeitung\w*",
    "Greek": r"βιβλί\w+ μάρκα ταινία",
    "Indonesian": "buku film logo merek",
    "Italian": r"film giornale libr[io] logo marc[ah]\w* piatt[io]",
    "Polish": r"film\w* książ\w+ marka",
    "Portuguese": r"filme livros? logo marca\w* prato",
    "Russian": r"бренд\w* книг\w* логотип\w* марк\w+ фильм\w*",
    "Spanish": r"libros? logo marca\w* pel[íi]cula periódico plato",
    "Swedish": r"bok\w* böcker film\w* märke\w*",
    "Turkish": r"film\w* kitap\w* marka\w*",
    "Ukrainian": r"бренд\w* книг\w* фільм\w*",
    "Vietnamese": "phim sách",
    "Others": r"isbn kirja\w* kniha značk\w+",
    "Arabic": "علامة كتاب",
    "Chinese": "书 品牌 影片 書 标志 標誌 电影 菜 電影",
    "Hebrew": "ספר",
    "Hindi": "किताब",
    "Japanese": "映画 本の",
    "Korean": "브랜드 영화 책",
    "Persian": "کتاب",
    "Thai": "หนังสือ",
}
#: Surfaces that may carry text.
SURFACES = """
    bag ball bottle box building bus cake can cap cup door fence flag hat jacket jersey mug plane ship shirt shop store
    train truck van wall window
"""
#: Things that have names.
NAMED = """
    actor airline airport animal architect artist author band beach bird bridge building car cartoon castle cathedral
    celebrity chain church city club company country county district flower food game island lake landmark location
    manufacturer model monument mosque mountain museum neighborhood neighbourhood painter painting palace park person
    place plant play player politician port product province region river road sculpture series shop show singer species
    square stadium state station statue store street team temple tower town university village writer
"""
#: Questions about a person, a place, or what the image shows: a name may answer them.
WHO = {
    "English": r"""
        where('s|\s(are|is|was|were))\s(it|that|these|they|this|we)
        where('s|\s(are|is|was|were))\sthe\s(image|photo|picture)\w* who who's whom whose
    """,
    "Dutch": r"plaats stad waar\sis\s(dit|deze) wie",
    "French": r"o[ùu]\s(cette|est-ce|sommes) pays personnage qu'est-ce\sque\sc'est qui ville",
    "German": r"land ort stadt wem wen wer wo\s(ist|sind|wurde)\s(das|dies|wir)\w*",
    "Greek": "ποια ποιος πόλη χώρα",
    "Indonesian": "kota negara siapa tempat",
    "Italian": r"chi città dove\s(ci\stroviamo|è\sstata) luogo paese",
    "Polish": r"kim kogo kto miast\w+ miejsc\w+",
    "Portuguese": r"cidade lugar onde\s(é|fica|foi) país quem",
    "Russian": r"город\w* кем кого кому кто мест\w+ стран\w+ страна",
    "Spanish": r"ciudad d[óo]nde\s(es|fue|se)\w* lugar país qui[ée]n(es)?",
    "Swedish": r"stad var\s(är|togs) vem",
    "Turkish": r"kim\w* neresi ülke şehir",
    "Ukrainian": r"ким кого міст\w+ хто",
    "Vietnamese": "ai nước thành",
    "Others": r"cine hvem hvilken\sby kdo kuka",
    "Arabic": r"أين\sهذ(ا|ه) دولة مدينة من\sه[وي] من\sهذ(ا|ه)",
    "Chinese": "作者 哪裡 哪里 国家 國家 地方 地点 地點 城市 是什么 是什麼 誰 谁",
    "Hebrew": r"איפה\sזה מי\sז(ה|את) עיר",
    "Hindi": "कौन देश शहर",
    "Japanese": "だれ どこ 何です 場所 誰 都市",
    "Korean": "누가 누구 도시 어디",
    "Persian": r"شهر چه\sکسی کجاست کشور کیست",
    "Thai": "ที่ไหน เมือง ใคร",
}
#: Requests for fiction, in which somebody else may speak.
WRITING = {
    "English": r"""
        apolog\w+ card compose conversation decline dialogues? draft e-?mail excuse imagin\w+ letter lyrics message note
        poem pretend reply role-?play said say(?!\sabout) saying song speech stor(ies|y) thinking thoughts? writ(e|ing)
    """,
    "Dutch": r"bericht brief gedicht schrijf\w* verhaal",
    "French": r"histoire lettre poème rédige\w* écri\w+",
    "German": r"brief dialog gedicht geschichte schreib\w* verfass\w*",
    "Greek": r"γράψ\w+ ιστορία",
    "Indonesian": r"buatlah cerita surat tulis\w*",
    "Italian": r"lettera poesia scri(va|vi)\w* storia",
    "Polish": r"napisz\w* opowiad\w+ wiersz",
    "Portuguese": r"carta escrev\w+ história poema redija",
    "Russian": r"""
        диалог\w* истори\w+ напиши\w* письмо рассказ\w* сочини\w* стих\w*
    """,
    "Spanish": r"carta correo escrib\w+ historia poema redact\w+",
    "Swedish": "berättelse brev dikt skriv",
    "Turkish": "hikaye mektup yaz şiir",
    "Ukrainian": r"вірш\w* лист напиш\w* історі\w+",
    "Vietnamese": "kể thơ thư truyện viết",
    "Arabic": "اكتب رسالة قصة",
    "Chinese": "写(?![っる真]) 寫 对话 對話 故事 編 编 詩 诗",
    "Hebrew": "כתוב מכתב סיפור",
    "Hindi": "कहानी पत्र लिख",
    "Japanese": "会話 台詞 書いて 物語 詩",
    "Korean": "대화 시를 써 이야기 작성 편지",
    "Persian": "بنویس داستان نامه",
    "Thai": "จดหมาย เขียน เรื่อง",
}
#: Requests for a language, by its name in that language and in others.
LANGUAGE = {
    "English": r"""
        afrikaans albanian arabic armenian basque bengali bulgarian cantonese catalan chinese croatian czech danish
        dutch english esperanto estonian farsi filipino finnish french galician georgian german greek gujarati hebrew
        hindi hungarian icelandic indonesian irish italian japanese kannada korean languages? latin latvian lithuanian
        malay malayalam mandarin marathi mongolian nepali norwegian persian polish portuguese punjabi romanian russian
        sanskrit serbian sinhala slovak slovenian spanish swahili swedish tagalog tamil telugu thai tibetan translat\w+
        turkish ukrainian urdu vietnamese welsh zulu
    """,
    "Dutch": r"duits engels frans nederlands spaans taal talen vertaal\w*",
    "French": r"allemand anglais arabe chinois espagnol français italien japonais langues? portugais russe tradu\w+",
    "German": r"""
        chinesisch\w* deutsch\w* englisch\w* französisch\w* italienisch\w* japanisch\w* russisch\w* spanisch\w*
        sprachen? übersetz\w*
    """,
    "Greek": r"""
        αγγλικά γαλλικά γερμανικά γλώσσα ελληνικά ισπανικά
        μετάφρασ\w+ μετάφρασε
    """,
    "Indonesian": r"bahasa inggris terjemah\w*",
    "Italian": r"cinese francese giapponese inglese italiano lingu[ae] russo spagnolo tedesco tradu\w+",
    "Polish": r"angielsk\w+ francusk\w+ język\w* niemiec\w+ polsk\w+ przetłumacz\w* rosyjsk\w+",
    "Portuguese": r"alemão chinês espanhol francês idiomas? inglês japonês línguas? português tradu\w+",
    "Russian": r"""
        англий\w+ испанск\w+ китайск\w+ немецк\w+ переве\w+
        по-(английски|испански|немецки|русски|французски) русск\w+
        французск\w+ язык\w*
    """,
    "Spanish": r"""
        alem[áa]n castellano chino español franc[ée]s idiomas? ingl[ée]s japon[ée]s lenguas? ruso tradu\w+
    """,
    "Swedish": r"engelska franska språk\w* svenska tyska översätt\w*",
    "Turkish": r"almanca dil dilde fransızca ingilizce türkçe çevir\w*",
    "Ukrainian": r"англій\w+ мов[аоіу]\w* перекла\w+ українськ\w+",
    "Vietnamese": r"dịch ngôn\sngữ tiếng",
    "Others": r"""
        anglicky angolul dansk\w* engelsk englanniksi englez\w* english magyarul norsk\w* român\w+ suomeksi česk\w+
    """,
    "Arabic": "بالإنجليزية بالعربية بالفرنسية ترجم لغة",
    "Chinese": """
        中文 俄语 德文 德语 日文 日语 汉语 法文 法语 漢語 翻譯 翻译 英文 英語 英语
        西班牙 言语 語言 语言 韩语
    """,
    "Hebrew": "אנגלית עברית שפה תרגם",
    "Hindi": "अंग्रेज अनुवाद भाषा हिंदी हिन्दी",
    "Japanese": "中国語 日本語 翻訳 英語 言語 訳して 韓国語",
    "Korean": "번역 언어 영어 일본어 중국어 한국어",
    "Persian": "انگلیسی ترجمه زبان فارسی",
    "Thai": "ภาษา แปล",
}
