"""Answers that are none: refusals, and a language model that speaks of itself, in many languages (ours).

A flagged row may be dropped, so a pattern asks for a whole turn of phrase: that the writer can't help, or can't see the
picture, or that there is none. Quoted words are the picture's, not the writer's; "he says that he can't" is a report;
"I can't tell exactly, but about five" is an answer; a letter that was asked for may be sorry.
"""

from __future__ import annotations

import re

from cadc.cleaning.findings import shown

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
    r"(?i)\b(writ(e|ing)|draft|compose|e-?mail|letter|message|note|card|apolog\w+|dialogues?|conversation|story|stories|"
    r"poem|song|lyrics|speech|role-?play|pretend|reply|excuse|decline|escrib\w+|redact\w+|carta|correo|écri\w+|rédige\w*|"
    r"lettre|schreib\w*|verfass\w*|brief|escrev\w+|scriv\w+|lettera|schrijf\w*|napisz|list)\b|"
    r"напиши|письмо|写|寫|書いて|써|작성|اكتب|लिख"
)
_ABOUT_ITSELF = re.compile(
    r"(?i)\b(who|what) (exactly )?are you\b|\byour (own )?(name|self|maker|training|abilit\w+)\b|\byourself\b|\bare you an?\b|\bdo you (have|feel)\b|"
    r"\b(trained|made|created|developed) you\b|qui es-tu|wer bist du|quién eres|你是(谁|什么)|кто ты"
)
_REPORTED = re.compile(
    r"(?i)\b(says?|said|saying|reads?|tells?|told|asks?|repl(y|ies|ied)|answers?|thinks?|writes?|dice|dit|sagt|diz|говорит|сказал\w*)\b[^.!?\n]{0,20}$|(说|說|と書|写着)\W*$|[他她們们人](很|非常|感到|表示|深表)*$"
)
#: What turns "I can't" into an answer of sorts. An offer of help does not.
_BUT = re.compile(
    r"(?i)\b(but|however|though|although|yet)\b(?!,? (i('m| am| can| could| would|'d|'ll)( be)?( happy| glad| here| try)?( to)? (help|assist|offer|provide|answer|try)|if you|feel free|please|let me know|i('m| am) (happy|glad|here)))|"
    r"\b(pero|mais|aber|mas|però|maar|ale|ama|ancak|tetapi|nhưng|но)\b|但|不过|不過|しかし|けど|하지만|لكن|लेकिन"
)

_SEEN = r"(?:images?|pictures?|photos?|photographs?|figures?|screenshots?|videos?|attachments?|visual (?:content|input)s?)"
_GIVEN = r"(?:provided|attached|uploaded|included|shared|supplied|sent)"
_CHAT = r"(?:your|this|the|our) (?:\w+ )?(?:message|conversation|chat|prompt|request|question|query)"
_NOT_ELSEWHERE = rf"(?! (?:by|with|on|at|for|of|(?:to|in) (?!{_CHAT}))\b)"
_CANT = (
    r"(?:can't|cannot|can not|couldn't|could not|(?:am|'m|was|were|are|'re) (?:not able|unable|not capable)|wasn't able|won't|will not)"
    r"(?: be able)?(?: to| of)?(?: (?:directly|currently|actually|really|physically|properly|personally))?"
)
_I_CANT = rf"\b(?:i|we) ?(?:currently |simply |just |really )?{_CANT}"
_PERCEIVE = r"(?:see|view|access|open|analy[sz]e|interpret|process|look at|examine|load|display)(?:ing)?(?: (?:or|and) \w+)?"
#: The picture can't be seen or was not given: no answer to any question.
_BLIND = re.compile(
    r"(?i)"
    rf"(?:{_I_CANT}|\b(?:i|we) (?:do not|don't) have (?:the |any )?(?:ability|capability|capacity|means) (?:to|of)|^(?:sorry,? )?(?:unable to|cannot|can't))"
    rf" {_PERCEIVE} (?:(?:the|this|that|any|your|an?|these|those|actual|provided|given|attached|uploaded) )*{_SEEN}\b(?!'s| of | on | hanging| in the (?!message|conversation))|"
    rf"\b(?:i|we) (?:do not|don't) (?:currently )?have (?:direct |any )?access to (?:(?:the|this|that|any|your|actual) )*{_SEEN}\b|"
    rf"\b(?:i|we) (?:do not|don't|cannot|can't|did not|didn't) (?:see|find|have|receive) (?:any |an |the |your )?(?:attached |uploaded )?{_SEEN} (?:attached|here|{_GIVEN}|in {_CHAT}|to (?:describe|analy[sz]e|look at|work with))|"
    r"\b(?:i|we) (?:do not|don't) see an(?:y)? (?:image|picture|photo)\s*(?:[.,;!]|$)|"
    rf"\bno {_SEEN} (?:(?:was|is|were|are|has been|have been|seems to be|appears to be) )*{_GIVEN}\b{_NOT_ELSEWHERE}|"
    rf"\bthere (?:is|are|was|seems to be|appears to be|doesn't (?:seem|appear) to be|does not (?:seem|appear) to be|isn't) (?:no|any|an) {_SEEN} (?:here|{_GIVEN}|for me|to (?:describe|analy[sz]e|look at)|(?:in|to|with) {_CHAT})\b{_NOT_ELSEWHERE}|"
    rf"\byou (?:have not|haven't|did not|didn't|forgot to|(?:may|might|seem to) have forgotten to) (?:provide|attach|upload|share|include|send|sent)(?:d|ed)? (?:me )?(?:an? |any |the |your )?{_SEEN}|"
    rf"\b(?:please|could you(?: please)?|can you(?: please)?|if you(?: can| could)?) (?:kindly )?(?:re-?)?(?:upload|attach|provide|share|send|try uploading) (?:me )?(?:(?:the|an?|your|that|another|any) )?{_SEEN}[^.!?]{{0,30}}(?:\bi(?:'ll|'d| can| will| would| could)\b|for me\b|again\b)|"
    rf"\b(?:the|your|this) {_SEEN} (?:(?:is|are|was)(?: not|n't) (?:visible|accessible|available|viewable|displayed|showing|loading) (?:to|for|on) (?:me|my)|(?:was|were|has|have|is)(?: not|n't)(?: been)? {_GIVEN}\b{_NOT_ELSEWHERE}|(?:did not|didn't|does not|doesn't) (?:come through|load (?:on my|for me)))"
)
#: What nobody says but one who declines the question itself.
_DECLINED = re.compile(
    r"(?i)"
    rf"{_I_CANT} (?:(?:help|assist)(?: you)?(?: any further)? (?:with|in|on) (?:that|this|your|these|such|identifying|providing|answering|any)\b|(?:help|assist) (?:you )?(?:here|further)\b|(?:help|assist) you\s*(?:[.!]|$)|comply\b|fulfil+ (?:that|this|your|the|such)|"
    r"answer (?:that|this|your|the|these|any)(?: \w+)? questions?\b|(?:discuss|engage (?:in|with)|respond to|continue with|process|complete) (?:that|this|your|such)\b|"
    r"(?:provide|offer|give)(?: you)?(?: with)? (?:(?:that|this|the|an?|any|such|you|requested|specific|accurate|detailed|further|more|meaningful|direct|exact|definitive|description|kind|type|of) )*(?:information|assistance|help|answers?|descriptions?|analysis|captions?|details|responses?|content|interpretation)\b|"
    r"(?:generate|create|produce) (?:that|this|such|the requested|any|explicit|harmful|inappropriate)\b|identify (?:(?:the|this|that|these|any|real|specific|or|name) )*(?:person|people|individuals?)\b)|"
    r"\bi (?:must|have to|need to|will have to)(?: (?:respectfully|politely))? decline\b|\bi(?:'d| would) (?:rather|prefer) not (?:to )?(?:answer|say|discuss|comment)\b|"
    r"\bi(?:'m| am) not comfortable (?:with )?(?:answering|discussing|providing|describing|assisting)\b|\bi(?:'m| am) not (?:programmed|designed|allowed|permitted|authorized) to\b"
)
#: An apology and "I can't": also what a letter or a character may say.
_SORRY = re.compile(
    rf"(?i)\b(?:sorry|apologi[sz]e|apologies|afraid|regret|unfortunately)\b[.!]?[^.!?]{{0,40}}?(?:{_I_CANT}(?! (?:see|find|spot|detect|locate|tell|make out|help (?:but|it)))(?: \w+|$)|\bi (?:do not|don't) (?:know|understand (?:your|the) (?:question|request)|have (?:access|the ability|enough information|any information|sufficient)))|"
    r"^(?:i'm |i am )?(?:very |so )?sorry,? (?:but )?(?:i can't|i cannot|no)\s*[.!]?$"
)

# Of each language: what every refusal in it has one of (a quick look), an apology, "can't", "see the picture" or "help
# with that", and whole phrases, as that no picture was given.
_OTHERS = {
    "Spanish": (
        "no",
        "lo siento|lo lamento|lamento|disculp[ae]|perdón|me temo|lamentablemente|desafortunadamente",
        r"\bno (?:puedo|podemos|soy capaz de|me es posible|tengo (?:acceso|la capacidad)|estoy (?:autorizad|capacitad)[oa])",
        r"(?:ver|visualizar|acceder|analizar|abrir|procesar|interpretar|a)\b[^.]{0,15}\b(?:imágen(?:es)?|imagen|fotos?|archivo)|(?:ayudar|asistir)\w* con|responder a (?:esa|esta|tu|su)",
        r"\bno veo ninguna (?:imagen|foto)|\bno (?:se )?(?:ha|has|han) (?:adjuntado|proporcionado|subido|compartido|enviado) [^.]{0,12}(?:imagen|foto)|\bno hay ninguna (?:imagen|foto) (?:adjunta|aquí)",
    ),
    "Portuguese": (
        "não nenhuma",
        "sinto muito|lamento|desculpe|desculpa|infelizmente|peço desculpas?",
        r"\bnão (?:posso|podemos|consigo|conseguimos|sou capaz de|é possível|tenho (?:acesso|a capacidade))",
        r"(?:ver|visualizar|acessar|aceder|analisar|abrir|processar|interpretar|à|a)\b[^.]{0,15}\b(?:imagens?|fotos?|arquivo)|ajudar\w*(?:-\w+)? com|auxiliar\w* com|responder a (?:essa|esta|sua)",
        r"\bnão (?:vejo|há) nenhuma (?:imagem|foto)(?: anexada| aqui|[.,]|$)|\b(?:nenhuma|a) (?:imagem|foto) (?:não )?foi (?:fornecida|anexada|enviada|carregada)",
    ),
    "French": (
        "ne n'",
        "désolée?|je regrette|excusez-moi|je m'excuse|malheureusement|je crains",
        r"\b(?:je|nous) (?:ne|n') ?(?:peux|pouvons|suis|sommes|ai|parviens|puis)(?: pas| malheureusement pas)?(?: (?:en mesure|capable) d['e]| accès| la capacité)?",
        r"(?:voir|visualiser|accéder|analyser|ouvrir|traiter|interpréter|visionner|à)\b[^.]{0,15}\b(?:images?|photos?|fichier)|(?:vous |t')?aider (?:avec|à)|répondre à (?:cette|votre)",
        r"\bje ne vois (?:aucune|pas d['e]) ?(?:image|photo)(?: jointe| ici|[.,]|$)|\baucune (?:image|photo) n'(?:a été|est) (?:fournie|jointe|téléchargée|partagée|envoyée)|\bl'image n'a pas été (?:fournie|jointe)",
    ),
    "German": (
        "nicht kein",
        "tut mir leid|tut uns leid|entschuldigung|entschuldige|verzeihung|leider|ich bedaure|bedauerlicherweise",
        r"\b(?:ich (?:kann|könnte|konnte|darf)|(?:kann|könnte|konnte|darf) ich)\b[^.!?,]{0,40}\b(?:nicht|kein|keine|keinen)\b|\bbin ich nicht in der lage",
        "(?!)",
        r"\b(?:ich (?:kann|konnte)|(?:kann|konnte) ich) (?:leider )?(?:(?:das|dieses|ihr|dein|kein|keine|die|nicht auf|auf das|auf) )+(?:bild|bilder|foto|fotos|datei|abbildung)\b(?! (?:des|der|von|an) )[^.,]{0,15}(?:sehen|anzeigen|öffnen|analysieren|ansehen|zugreifen|betrachten)|"
        r"\b(?:ich kann|kann ich) (?:(?:leider|dir|ihnen|euch|dabei|hier|damit|bei dieser anfrage) )+nicht (?:weiter)?helfen|\bich kann (?:diese|ihre|deine) (?:frage|anfrage) (?:leider )?nicht beantworten|"
        r"\bich sehe (?:kein|keine) (?:bild|bilder|foto)(?: im anhang|[.,]|$)|\b(?:es wurde )?kein (?:bild|foto) (?:wurde )?(?:angehängt|hochgeladen|bereitgestellt|übermittelt|beigefügt)|\bdas bild wurde nicht (?:angehängt|hochgeladen|bereitgestellt|übermittelt)",
    ),
    "Italian": (
        "non nessuna",
        "mi dispiace|spiacente|mi scuso|scusa|scusate|purtroppo|sono desolat[oa]",
        r"\bnon (?:posso|possiamo|riesco|riusciamo|sono in grado di|mi è possibile|ho (?:accesso|la capacità))",
        r"(?:vedere|visualizzare|accedere|analizzare|aprire|elaborare|interpretare|alla|a)\b[^.]{0,15}\b(?:immagin[ei]|fot[oi]\w*|file)|(?:aiutar|assister)\w+ (?:con|in)|rispondere a (?:questa|quella|tale)",
        r"\bnon vedo (?:nessuna|alcuna) (?:immagine|foto)|\b(?:nessuna|l')\s?(?:immagine|foto) (?:non )?è stata (?:fornita|allegata|caricata|inviata)|\bnon è stata (?:fornita|allegata|caricata) [^.]{0,12}(?:immagine|foto)",
    ),
    "Dutch": (
        "niet geen",
        r"\bsorry\b|het spijt me|helaas|mijn excuses|excuseer",
        r"\b(?:ik (?:kan|kon|mag)|(?:kan|kon|mag) ik)\b[^.!?,]{0,40}\b(?:niet|geen)\b|\bik (?:ben niet in staat|heb geen toegang)",
        "(?!)",
        r"\b(?:ik (?:kan|kon)|(?:kan|kon) ik) (?:helaas )?(?:(?:de|deze|je|uw|geen|het) )+(?:afbeelding(?:en)?|foto(?:'s)?|plaatjes?|bestand)\b(?! (?:van|op|aan) )[^.,]{0,15}(?:zien|bekijken|openen|analyseren)|"
        r"\bik heb geen toegang tot (?:de|deze|je) (?:afbeelding|foto)|\b(?:ik kan|kan ik) (?:(?:je|u|daar|hier|helaas|daarmee|hiermee) )+niet (?:mee |bij |daarmee )?helpen|"
        r"\bik zie geen (?:afbeelding|foto|plaatje)(?: bijgevoegd|[.,]|$)|\ber is geen (?:afbeelding|foto) (?:bijgevoegd|geüpload|toegevoegd|verstrekt)",
    ),
    "Swedish": (
        "inte ing",
        "tyvärr|förlåt|ursäkta|jag beklagar|jag är ledsen",
        r"\b(?:jag (?:kan|kunde)|(?:kan|kunde) jag) (?:tyvärr )?(?:inte|inga)|\bjag har inte tillgång",
        r"(?:se|visa|öppna|analysera) [^.]{0,12}(?:bild|foto)\w*|till bilden|hjälpa (?:dig )?med",
        r"\bjag ser ingen (?:bild|foto)(?: bifogad|[.,]|$)|\bingen bild (?:har )?(?:bifogats|laddats upp|är bifogad)",
    ),
    "Polish": (
        "nie",
        r"przepraszam|przykro mi|niestety|wybacz",
        r"\bnie (?:mogę|możemy|jestem w stanie|mam (?:dostępu|możliwości)|potrafię)",
        r"(?:zobaczyć|wyświetlić|zobaczenia|otworzyć|przeanalizować|analizować|widzieć|do)\b[^.]{0,15}(?:obraz|zdję|plik|obrazk)\w*|pomóc (?:w|z|ci)|odpowiedzieć na (?:to|twoje|pani|pana)",
        r"\bnie widzę żadnego (?:obraz|zdję)\w*|\bnie (?:załączono|przesłano|dołączono|podano|dostarczono) (?:\w+ )?(?:obraz|zdję)\w*",
    ),
    "Turkish": (
        "miyorum mıyorum mam mem yok memiş mamış madınız",
        r"üzgünüm|maalesef|özür dilerim|ne yazık ki|kusura bakmayın",
        r"(?:göremiyorum|yardımcı olamam|yardımcı olamıyorum|yapamam|yapamıyorum|yanıtlayamam|cevaplayamam|açamıyorum|erişemiyorum|erişimim yok|tanımlayamam)",
        r"(?!)",
        r"(?:resmi|görseli|görüntüyü|fotoğrafı|görselleri) (?:göremiyorum|açamıyorum|görüntüleyemiyorum)|(?:görsel|resim|görüntü|fotoğraf) (?:eklenmemiş|yüklenmemiş|sağlanmamış|paylaşılmamış|paylaşmadınız)",
    ),
    "Vietnamese": (
        "không chưa",
        "xin lỗi|rất tiếc|tôi e rằng",
        r"\btôi (?:không thể|không có khả năng|không có quyền truy cập|chưa thể)",
        r"(?:xem|nhìn thấy|truy cập|mở|phân tích|thấy|vào)\b[^.]{0,12}(?:hình|ảnh|tệp)|giúp (?:bạn )?(?:việc|điều|với)|trả lời câu hỏi",
        r"(?:không có|chưa có|không thấy) (?:hình ảnh|bức ảnh|ảnh|hình) nào (?:được )?(?:đính kèm|cung cấp|tải lên|gửi)|bạn chưa (?:gửi|đính kèm|tải) [^.]{0,12}(?:ảnh|hình)",
    ),
    "Indonesian": (
        "tidak",
        "maaf|mohon maaf|sayangnya|saya menyesal",
        r"\bsaya tidak (?:dapat|bisa|mampu|memiliki (?:akses|kemampuan))",
        r"(?:melihat|mengakses|membuka|menganalisis|memproses|ke)\b[^.]{0,12}(?:gambar|foto|berkas)|membantu (?:anda |kamu )?(?:dengan|dalam)|menjawab pertanyaan",
        r"tidak ada (?:gambar|foto) (?:yang )?(?:dilampirkan|diberikan|diunggah|disediakan)|saya tidak melihat (?:ada )?(?:gambar|foto) (?:yang|apa pun|apapun)",
    ),
    "Russian": (
        "не",
        r"извините|простите|к сожалению|прошу прощения|сожалею|мне жаль",
        r"\b(?:я |мы )?(?:не (?:могу|можем|в состоянии|способен|способна|имею (?:доступа|возможности))|не вижу возможности)",
        r"(?:увидеть|видеть|просмотреть|просматривать|посмотреть|открыть|проанализировать|анализировать|к)\b[^.]{0,20}(?:изображени|картин|фото|файл)\w*|(?:вам |тебе )?помочь (?:с|вам|тебе|в)|ответить на (?:этот|ваш|данный)",
        r"\bя не вижу (?:никако\w+ )?(?:прикрепл\w+ |приложенн\w+ )?(?:изображени|картинк|фото)\w*|(?:изображени|картинк|фото)\w* не (?:было )?(?:прикреплен|предоставлен|загружен|приложен)\w*|нет прикрепл[её]нн\w+ (?:изображени|фото|картинк)\w*",
    ),
    "Ukrainian": (
        "не",
        r"вибачте|на жаль|перепрошую|мені шкода|пробачте",
        r"\b(?:я )?не (?:можу|маю (?:доступу|можливості)|здатний|здатна|в змозі)",
        r"(?:побачити|бачити|переглянути|відкрити|проаналізувати|до)\b[^.]{0,20}(?:зображенн|картинк|фото|малюн)\w*|допомогти (?:вам |тобі )?(?:з|у|в)|відповісти на (?:це|ваше)",
        r"\bя не бачу (?:жодн\w+ )?(?:прикріплен\w+ )?(?:зображенн|картинк|фото|малюнк)\w*|(?:зображенн|фото)\w* не (?:було )?(?:надан|прикріплен|завантажен)\w*",
    ),
    "Chinese": (
        "无 無 不 没 沒 未 请",
        "抱歉|对不起|對不起|很遗憾|很遺憾|不好意思",
        "(?:无法|無法|不能|没法|沒法|没有办法|没有能力|沒有能力|不会|不可以)",
        "(?:直接)?(?:查看|看到|看见|看見|访问|訪問|打开|打開|分析|识别|識別|处理|處理|读取|讀取|显示|浏览|观看)(?:到|您|你|这|這|该|該|任何|上传|上傳|提供|的|张|張|个|個|幅)*(?:图|圖|照片|影像|视频)(?![片像]?[中里裡上内])|(?:[为為][您你](?:提供|解答|回答|完成|描述|分析|处理)|帮助您|帮助你|协助您|協助您|回答(?:这|這|您|你|该))",
        "(?:没有|沒有|未|并未|並未)(?:看到|收到|提供|上传|上傳|附上|附加|发现)(?:任何|您|你|的|上传|上傳|提供|附加|一张)*(?:图|圖|照片)|(?:图片|圖片|图像|圖像|照片)(?:并没有|没有|沒有|未能|未|无法|無法)(?:成功)?(?:上传|上傳|显示|顯示|加载|提供)|请(?:您|你)?(?:重新)?(?:上传|提供|发送)(?:一张|您的|你的|这张|该)*(?:图|照片)",
    ),
    "Japanese": (
        "ません ない かね",
        "申し訳|すみません|すいません|恐れ入り|残念ながら|ごめんなさい",
        "(?:できません|出来ません|できかねます|できない|見えません|わかりません|致しかねます|いたしかねます|お答えできません|お手伝いできません)",
        "(?!)",
        "(?:画像|写真|イメージ|動画|ファイル)(?:を|は|が|の)[^。]{0,10}(?:見る|表示|確認|閲覧|開く|分析|認識|アクセス|処理|内容を確認)(?:する)?(?:こと)?(?:が|は|も)?(?:できません|出来ません|できない|できかね)|(?:画像|写真)(?:が|は)(?:見えません|添付されていません|提供されていません|アップロードされていません|表示されていません)|(?:ご質問|質問|リクエスト|ご要望)に(?:は)?(?:お答え|お応え|対応)(?:することは?)?できません",
    ),
    "Korean": (
        "없 못 않 불가",
        "죄송|미안|유감|안타깝게도",
        "(?:수 없습니다|수가 없습니다|수 없어요|못합니다|없음을|불가능합니다|드릴 수 없)",
        "(?!)",
        "(?:이미지|사진|그림|영상)(?:를|을|가|이|에)? ?[^.]{0,10}(?:볼|확인할|분석할|열|접근할|표시할|인식할) 수(?:가|는)? 없|(?:이미지|사진|그림)(?:가|이|는|은) ?(?:제공되지|첨부되지|업로드되지|보이지) (?:않|않았)|(?:첨부된|제공된|업로드된) (?:이미지|사진)(?:가|이) 없",
    ),
    "Arabic": (
        "لا لست ليس غير لم",
        "آسف|عذرا|عذرًا|أعتذر|معذرة|للأسف|يؤسفني",
        "(?:لا (?:أستطيع|يمكنني|استطيع|أتمكن|أقدر|يمكننا|أملك)|لست قادر|غير قادر|ليس لدي (?:إمكانية|القدرة|صلاحية))",
        r"(?:رؤية|عرض|الوصول|مشاهدة|فتح|تحليل|معالجة|من رؤية)[^.]{0,15}(?:الصور|صورة|صور|الملف)|مساعدتك|المساعدة|الإجابة (?:على|عن)",
        "لا أرى (?:أي )?صورة|(?:لم يتم|لم تقم ب|لم) ?(?:إرفاق|توفير|تحميل|تقديم|ترفق|إرسال) (?:أي )?صورة|لا توجد (?:أي )?صورة مرفقة",
    ),
    "Persian": (
        "نمی نیستم ندارم نشده",
        "متاسفم|متأسفم|ببخشید|متاسفانه|متأسفانه|پوزش",
        "(?:نمی‌توانم|نمیتوانم|نمی توانم|قادر نیستم|امکان .{0,10}ندارم|دسترسی ندارم)",
        r"(?:تصویر|عکس)[^.]{0,15}(?:ببینم|مشاهده)",
        "(?:هیچ )?(?:تصویر|عکس)ی (?:نمی‌بینم|ارسال نشده|پیوست نشده|ارائه نشده)|(?:تصویر|عکس) را ببینم",
    ),
    "Hindi": (
        "नहीं असमर्थ कोई",
        "क्षमा करें|माफ़ करें|माफ करें|खेद है|माफ़ कीजिए|माफ कीजिए|क्षमा कीजिए|दुर्भाग्य",
        "(?:नहीं (?:देख|कर|दे|बता) (?:सकता|सकती|सकते|पा रहा|पा रही)|असमर्थ|सक्षम नहीं|में मदद नहीं)",
        "(?!)",
        "(?:छवि|तस्वीर|चित्र|फोटो|फ़ोटो|इमेज)(?:यों)?(?: को)? (?:नहीं देख (?:सकता|सकती|सकते|पा)|देखने में असमर्थ|देखने में सक्षम नहीं)|कोई (?:छवि|तस्वीर|चित्र|फोटो|फ़ोटो|इमेज) (?:संलग्न|प्रदान|अपलोड|साझा|नहीं (?:दी|मिली|है|दिख))",
    ),
    "Thai": (
        "ไม่",
        "ขอโทษ|ขออภัย|เสียใจ",
        "(?:ไม่สามารถ|ไม่อาจ)",
        "(?:เห็น|ดู|มองเห็น|เข้าถึง|เปิด|วิเคราะห์)(?:รูป|ภาพ|ไฟล์)|ช่วย|ตอบ",
        "ไม่(?:มี|พบ|เห็น)(?:รูป|ภาพ|รูปภาพ)(?:ที่)?(?:แนบ|อัปโหลด|ใดๆ|ให้)",
    ),
    "Greek": (
        "δεν",
        "λυπάμαι|συγγνώμη|ζητώ συγγνώμη|δυστυχώς",
        r"\bδεν (?:μπορώ|είμαι σε θέση|έχω (?:πρόσβαση|τη δυνατότητα))",
        r"(?:δω|δει|να δω|ανοίξω|αναλύσω|στην|προβάλω)[^.]{0,12}(?:εικόν|φωτογραφί)\w*|βοηθήσω|απαντήσω",
        r"\bδεν βλέπω (?:καμία )?(?:εικόνα|φωτογραφία)|δεν (?:έχει )?(?:επισυναφθεί|παρασχεθεί) [^.]{0,10}εικόνα",
    ),
    "Hebrew": (
        "לא אין איני",
        "מצטער|מצטערת|סליחה|לצערי|מתנצל",
        "(?:אני )?(?:לא (?:יכול|יכולה|מסוגל|מסוגלת)|אין לי (?:גישה|אפשרות|יכולת)|איני יכול)",
        "(?:לראות|לצפות|לפתוח|לנתח|לגשת)[^.]{0,12}(?:תמונ|צילום)|לעזור|לענות|לסייע",
        "(?:לא (?:צורפה|סופקה|הועלתה)|אין) תמונה(?: מצורפת)?|אני לא רואה (?:שום )?תמונה",
    ),
}  # fmt: skip
#: (what to look for first, pattern, whether an answer may follow, whether a letter may say it, too)
_PATTERNS = [
    (("no", "n't", "unable", "forgot", "please", "could you", "can you", "if you"), _BLIND, False, False),
    (("not", "n't", "unable", "decline", "rather", "prefer"), _DECLINED, True, False),
    (("sorry", "apolog", "afraid", "regret", "unfortunately"), _SORRY, True, True),
]
for _signs, _sorry, _cant, _see, _none in _OTHERS.values():
    _blind = re.compile(rf"(?i)(?:{_cant})[^.!?。！？]{{0,20}}?(?:{_see})|{_none}")
    _apology = re.compile(rf"(?i)(?:{_sorry})\w{{0,8}}[.!。]?[^.!?。！？]{{0,60}}?(?:{_cant})")
    _PATTERNS += [(tuple(_signs.split()), _blind, True, False), (tuple(_signs.split()), _apology, True, True)]

_MAKERS = r"(?:openai|anthropic|google|meta|microsoft|alibaba|deepseek|mistral|lmsys)"
_JOBS = r"(?! (?:engineer|researcher|scientist|developer|expert|student|artist|company|startup|specialist|professional|consultant|enthusiast))"
_AI = rf"an? (?:ai|artificial intelligence|(?:large |multimodal )?language model|text-based (?:ai|model))\b{_JOBS}"
_META = re.compile(
    "(?i)"
    rf"\bas {_AI}(?: (?:language )?(?:model|assistant|system|chatbot|program|bot))?(?: (?:trained|developed|created|designed|made|built) [^.,\n]{{2,40}})?(?:,| i\b)|"
    rf"\bi(?:'m| am) (?:just |only |merely |simply )?{_AI}|\bmy (?:training data|knowledge cut-?off)\b|\bi(?: was| am|'m) (?:trained|developed|created|made) by {_MAKERS}\b|"
    r"作为(?:一个|一名|一款|一种)?(?:AI|人工智能|大?型?语言模型|大模型)(?!工程师|研究|专家|公司)|作為(?:一個|一名|一款)?(?:AI|人工智慧|人工智能|語言模型)(?!工程師|研究)|我(?:只)?是(?:一个|一款|一個)?(?:AI|人工智能|语言模型|大语言模型)|"
    r"(?:AI|人工知能|言語モデル)(?:アシスタント|モデル)?(?:として[、は]|ですので|なので|であるため)|(?:AI|인공지능|언어 ?모델)(?:로서|로써|이기 때문에|이므로|이라서)|"
    r"\bcomo (?:un |una |um |uma )?(?:modelo de (?:lenguaje|linguagem|língua)|ia\b|inteligencia artificial|inteligência artificial|asistente de ia|assistente de ia)[^.\n]{0,30},|"
    r"\ben tant qu(?:e |')(?:modèle de langage|ia\b|intelligence artificielle|assistant ia)|\bals (?:ein |eine |reines )?(?:ki\b|ki-\w+|künstliche intelligenz|sprachmodell|taalmodel|ai-\w+|kunstmatige intelligentie)|"
    r"\b(?:in quanto|come) (?:un |una |un')?(?:modello linguistico|ia\b|intelligenza artificiale)[^.\n]{0,30},|\bjako (?:model językowy|ai\b|sztuczna inteligencja)|\b(?:bir )?(?:yapay zeka|dil) (?:modeli |dil modeli )?olarak|"
    r"\blà một (?:mô hình ngôn ngữ|ai\b|trí tuệ nhân tạo)|\bsebagai (?:model bahasa|ai\b|kecerdasan buatan)|\bsom (?:en )?(?:ai-\w+|språkmodell)|"
    r"\bкак (?:языковая модель|искусственный интеллект|ии\b)|\bя [—–-]? ?(?:всего лишь |просто )?(?:языковая модель|искусственный интеллект)|\bяк (?:мовна модель|штучний інтелект)|"
    r"(?:كنموذج|بصفتي نموذج|باعتباري نموذج|كوني نموذج) ?لغ|بصفتي ذكا|एक (?:AI|एआई|भाषा) ?(?:भाषा )?मॉडल (?:के रूप में|होने के नाते)"
)
_MODEL = re.compile(
    r"(?i)\b(?:ai|ia|ki|model|language|openai|artificial|my (?:training|knowledge)|(?:trained|developed|created|made) by|taalmodel|sprach|språk|künstliche|kunstmatige|yapay|dil|sztuczna|inteli|trí tuệ|mô hình|kecerdasan|modèle|modello)|"
    r"AI|人工|模型|言語モデル|인공지능|언어|модел|интеллект|інтелект|\bии\b|لغ|ذكا|एआई|मॉडल"
)
#: An answer made from a description in the picture's place speaks of it; unless the question does, too.
_FROM_WORDS = re.compile(
    r"(?i)\b(?:based on|according to|from|in) the (?:provided|given) (captions?|descriptions?|bounding box(?:es)?|context)\b|"
    r"\bfrom the (captions?|descriptions?),? it (?:seems|appears)\b"
)
_LEAD = re.compile(
    "(?i)(?:\\W|\\b(?:i'?m|i am|we|are|very|so|really|truly|sorry|apolog\\w+|unfortunately|my|but|i)\\b|" + "|".join(sorry for _, sorry, *_ in _OTHERS.values()) + ")*"
)  # fmt: skip


def _plain(text: str) -> str:
    """A text without quotations, with straight apostrophes and no blanks before marks."""
    return re.sub(r" +(?=[.,!?])", "", QUOTED.sub(" ", text.replace("’", "'"))).strip()


def refusal(question: str, answer: str) -> str:
    """The words by which an answer refuses, '' where it does not."""
    said = _plain(answer)
    low, reading, writing = said.lower(), bool(_READING.search(question)), bool(_WRITING.search(question))
    for signs, pattern, answered, in_letters in _PATTERNS:
        if not any(sign in low for sign in signs) or (in_letters and (reading or writing)):
            continue
        for match in pattern.finditer(said):
            before = said[: match.start()]
            if _REPORTED.search(before) or (answered and _BUT.search(said, match.end())):
                continue
            if (reading or writing) and not _LEAD.fullmatch(before):
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
