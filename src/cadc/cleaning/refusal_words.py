"""How other languages than English refuse (ours)."""

from __future__ import annotations

#: language -> what its refusals have one of (parted by |, looked for first, as that is quick), and patterns of an
#: apology, of "can't", of "see the picture" or "help with that", and of whole phrases, as that no picture was given.
REFUSALS: dict[str, tuple[str, str, str, str, str]] = {
    "Spanish": (
        " no ",
        "lo siento|lo lamento|lamento|disculp[ae]|perdón|me temo|lamentablemente|desafortunadamente",
        r"\bno (?:puedo|podemos|soy capaz de|me es posible|tengo (?:acceso|la capacidad)|estoy (?:autorizad|"
        r"capacitad)[oa])",
        r"(?:ver|visualizar|acceder|analizar|abrir|procesar|interpretar|a)\b[^.]{0,15}\b(?:imágen(?:es)?|imagen|"
        r"fotos?|archivo)|(?:ayudar|asistir)\w* con|responder a (?:esa|esta|tu|su)",
        r"\bno veo ninguna (?:imagen|foto)|\bno (?:se )?(?:ha|has|han) (?:adjuntado|proporcionado|subido|compartido|"
        r"enviado) [^.]{0,12}(?:imagen|foto)|\bno hay ninguna (?:imagen|foto) (?:adjunta|aquí)",
    ),
    "Portuguese": (
        "não|nenhuma",
        "sinto muito|lamento|desculpe|desculpa|infelizmente|peço desculpas?",
        r"\bnão (?:posso|podemos|consigo|conseguimos|sou capaz de|é possível|tenho (?:acesso|a capacidade))",
        r"(?:ver|visualizar|acessar|aceder|analisar|abrir|processar|interpretar|à|a)\b[^.]{0,15}\b(?:imagem|imagens|"
        r"fotos?|arquivo)|ajudar\w*(?:-\w+)? com|auxiliar\w* com|responder a (?:essa|esta|sua)",
        r"\bnão (?:vejo|há) nenhuma (?:imagem|foto)(?: anexada| aqui|[.,]|$)|\b(?:nenhuma|a) (?:imagem|"
        r"foto) (?:não )?foi (?:fornecida|anexada|enviada|carregada)",
    ),
    "French": (
        " ne | n'",
        "désolée?|je regrette|excusez-moi|je m'excuse|malheureusement|je crains",
        r"\b(?:je|nous) (?:ne|n') ?(?:peux|pouvons|suis|sommes|ai|parviens|puis)(?: pas|"
        r" malheureusement pas)?(?: (?:en mesure|capable) d['e]| accès| la capacité)?",
        r"(?:voir|visualiser|accéder|analyser|ouvrir|traiter|interpréter|visionner|à)\b[^.]{0,15}\b(?:images?|"
        r"photos?|fichier)|(?:vous |t')?aider (?:avec|à)|répondre à (?:cette|votre)",
        r"\bje ne vois (?:aucune|pas d['e]) ?(?:image|photo)(?: jointe| ici|[.,]|$)|\baucune (?:image|"
        r"photo) n'(?:a été|est) (?:fournie|jointe|téléchargée|partagée|envoyée)|\bl'image n'a pas été (?:fournie|"
        r"jointe)",
    ),
    "German": (
        " nicht| kein",
        "tut mir leid|tut uns leid|entschuldigung|entschuldige|verzeihung|leider|ich bedaure|bedauerlicherweise",
        r"\b(?:ich (?:kann|könnte|konnte|darf)|(?:kann|könnte|konnte|darf) ich)\b[^.!?,]{0,40}\b(?:nicht|kein|keine|"
        r"keinen)\b|\bbin ich nicht in der lage",
        "(?!)",
        r"\b(?:ich (?:kann|konnte)|(?:kann|konnte) ich) (?:leider )?(?:(?:das|dieses|ihr|dein|kein|keine|die|"
        r"nicht auf|auf das|auf) )+(?:bild|bilder|foto|fotos|datei|abbildung)\b(?! (?:des|der|von|"
        r"an) )[^.,]{0,15}(?:sehen|anzeigen|öffnen|analysieren|ansehen|zugreifen|betrachten)|"
        r"\b(?:ich kann|kann ich) (?:(?:leider|dir|ihnen|euch|dabei|hier|damit|"
        r"bei dieser anfrage) )+nicht (?:weiter)?helfen|"
        r"\b(?:ich kann (?:diese|ihre|deine) (?:frage|anfrage)|(?:diese|ihre|deine) (?:frage|anfrage) kann ich) "
        r"(?:leider )?nicht beantworten|"
        r"\bich sehe (?:kein|keine) (?:bild|bilder|foto)(?: im anhang|[.,]|$)|\b(?:es wurde )?kein (?:bild|"
        r"foto) (?:wurde )?(?:angehängt|hochgeladen|bereitgestellt|übermittelt|beigefügt)|"
        r"\bdas bild wurde nicht (?:angehängt|hochgeladen|bereitgestellt|übermittelt)",
    ),
    "Italian": (
        " non | nessuna",
        "mi dispiace|spiacente|mi scuso|scusa|scusate|purtroppo|sono desolat[oa]",
        r"\bnon (?:posso|possiamo|riesco|riusciamo|sono in grado di|mi è possibile|ho (?:accesso|la capacità))",
        r"(?:vedere|visualizzare|accedere|analizzare|aprire|elaborare|interpretare|alla|"
        r"a)\b[^.]{0,15}\b(?:immagin[ei]|fot[oi]\w*|file)|(?:aiutar|assister)\w+ (?:con|in)|rispondere a (?:questa|"
        r"quella|tale)",
        r"\bnon vedo (?:nessuna|alcuna) (?:immagine|foto)|\b(?:nessuna|l')\s?(?:immagine|"
        r"foto) (?:non )?è stata (?:fornita|allegata|caricata|inviata)|\bnon è stata (?:fornita|allegata|"
        r"caricata) [^.]{0,12}(?:immagine|foto)",
    ),
    "Dutch": (
        " niet| geen",
        r"\bsorry\b|het spijt me|helaas|mijn excuses|excuseer",
        r"\b(?:ik (?:kan|kon|mag)|(?:kan|kon|mag) ik)\b[^.!?,]{0,40}\b(?:niet|geen)\b|\bik (?:ben niet in staat|"
        r"heb geen toegang)",
        "(?!)",
        r"\b(?:ik (?:kan|kon)|(?:kan|kon) ik) (?:helaas )?(?:(?:de|deze|je|uw|geen|het) )+(?:afbeelding(?:en)?|"
        r"foto(?:'s)?|plaatjes?|bestand)\b(?! (?:van|op|aan) )[^.,]{0,15}(?:zien|bekijken|openen|analyseren)|"
        r"\bik heb geen toegang tot (?:de|deze|je) (?:afbeelding|foto)|\b(?:ik kan|kan ik) (?:(?:je|u|daar|hier|"
        r"helaas|daarmee|hiermee) )+niet (?:mee |bij |daarmee )?helpen|"
        r"\bik zie geen (?:afbeelding|foto|plaatje)(?: bijgevoegd|[.,]|$)|\ber is geen (?:afbeelding|"
        r"foto) (?:bijgevoegd|geüpload|toegevoegd|verstrekt)",
    ),
    "Swedish": (
        " inte| inga| ingen",
        "tyvärr|förlåt|ursäkta|jag beklagar|jag är ledsen",
        r"\b(?:jag (?:kan|kunde)|(?:kan|kunde) jag) (?:tyvärr )?(?:inte|inga)|\bjag har inte tillgång",
        r"(?:se|visa|öppna|analysera) [^.]{0,12}(?:bild|foto)\w*|till bilden|hjälpa (?:dig )?med",
        r"\bjag ser ingen (?:bild|foto)(?: bifogad|[.,]|$)|\bingen bild (?:har )?(?:bifogats|laddats upp|är bifogad)",
    ),
    "Polish": (
        " nie ",
        r"przepraszam|przykro mi|niestety|wybacz",
        r"\bnie (?:mogę|możemy|jestem w stanie|mam (?:dostępu|możliwości)|potrafię)",
        r"(?:zobaczyć|wyświetlić|zobaczenia|otworzyć|przeanalizować|analizować|widzieć|do)\b[^.]{0,15}(?:obraz|zdję|"
        r"plik|obrazk)\w*|pomóc (?:w|z|ci)|odpowiedzieć na (?:to|twoje|pani|pana)",
        r"\bnie widzę żadnego (?:obraz|zdję)\w*|\bnie (?:załączono|przesłano|dołączono|podano|"
        r"dostarczono) (?:\w+ )?(?:obraz|zdję)\w*",
    ),
    "Turkish": (
        "emiyorum|amıyorum|amam|emem|erişimim|memiş|mamış|madınız",
        r"üzgünüm|maalesef|özür dilerim|ne yazık ki|kusura bakmayın",
        r"(?:göremiyorum|yardımcı olamam|yardımcı olamıyorum|yapamam|yapamıyorum|yanıtlayamam|cevaplayamam|"
        r"açamıyorum|erişemiyorum|erişimim yok|tanımlayamam)",
        r"(?!)",
        r"(?:resmi|görseli|görüntüyü|fotoğrafı|görselleri) (?:göremiyorum|açamıyorum|görüntüleyemiyorum)|(?:görsel|"
        r"resim|görüntü|fotoğraf) (?:eklenmemiş|yüklenmemiş|sağlanmamış|paylaşılmamış|paylaşmadınız)",
    ),
    "Vietnamese": (
        "không|chưa",
        "xin lỗi|rất tiếc|tôi e rằng",
        r"\btôi (?:không thể|không có khả năng|không có quyền truy cập|chưa thể)",
        r"(?:xem|nhìn thấy|truy cập|mở|phân tích|thấy|vào)\b[^.]{0,12}(?:hình|ảnh|tệp)|giúp (?:bạn )?(?:việc|điều|"
        r"với)|trả lời câu hỏi",
        r"(?:không có|chưa có|không thấy) (?:hình ảnh|bức ảnh|ảnh|hình) nào (?:được )?(?:đính kèm|cung cấp|tải lên|"
        r"gửi)|bạn chưa (?:gửi|đính kèm|tải) [^.]{0,12}(?:ảnh|hình)",
    ),
    "Indonesian": (
        "tidak",
        "maaf|mohon maaf|sayangnya|saya menyesal",
        r"\bsaya tidak (?:dapat|bisa|mampu|memiliki (?:akses|kemampuan))",
        r"(?:melihat|mengakses|membuka|menganalisis|memproses|ke)\b[^.]{0,12}(?:gambar|foto|berkas)|"
        r"membantu (?:anda |kamu )?(?:dengan|dalam)|menjawab pertanyaan",
        r"tidak ada (?:gambar|foto) (?:yang )?(?:dilampirkan|diberikan|diunggah|disediakan)|"
        r"saya tidak melihat (?:ada )?(?:gambar|foto) (?:yang|apa pun|apapun)",
    ),
    "Russian": (
        "не",
        r"извините|простите|к сожалению|прошу прощения|сожалею|мне жаль",
        r"\b(?:я |мы )?(?:не (?:могу|можем|в состоянии|способен|способна|имею (?:доступа|возможности))|"
        r"не вижу возможности)",
        r"(?:увидеть|видеть|просмотреть|просматривать|посмотреть|открыть|проанализировать|анализировать|"
        r"к)\b[^.]{0,20}(?:изображени|картин|фото|файл)\w*|(?:вам |тебе )?помочь (?:с|вам|тебе|в)|"
        r"ответить на (?:этот|ваш|данный)",
        r"\bя не вижу (?:никако\w+ )?(?:прикрепл\w+ |приложенн\w+ )?(?:изображени|картинк|фото)\w*|(?:изображени|"
        r"картинк|фото)\w* не (?:было )?(?:прикреплен|предоставлен|загружен|приложен)\w*|"
        r"нет прикрепл[её]нн\w+ (?:изображени|фото|картинк)\w*",
    ),
    "Ukrainian": (
        "не",
        r"вибачте|на жаль|перепрошую|мені шкода|пробачте",
        r"\b(?:я )?не (?:можу|маю (?:доступу|можливості)|здатний|здатна|в змозі)",
        r"(?:побачити|бачити|переглянути|відкрити|проаналізувати|до)\b[^.]{0,20}(?:зображенн|картинк|фото|малюн)\w*|"
        r"допомогти (?:вам |тобі )?(?:з|у|в)|відповісти на (?:це|ваше)",
        r"\bя не бачу (?:жодн\w+ )?(?:прикріплен\w+ )?(?:зображенн|картинк|фото|малюнк)\w*|(?:зображенн|"
        r"фото)\w* не (?:було )?(?:надан|прикріплен|завантажен)\w*",
    ),
    "Chinese": (
        "无|無|不|没|沒|未|请",
        "抱歉|对不起|對不起|很遗憾|很遺憾|不好意思",
        "(?:无法|無法|不能|没法|沒法|没有办法|没有能力|沒有能力|不会|不可以)",
        "(?:直接)?(?:查看|看到|看见|看見|访问|訪問|打开|打開|分析|识别|識別|处理|處理|读取|讀取|显示|浏览|观看)(?:到|您|你|这|這|该|該|任何|上传|上傳|提供|的|张|張|个|個|"
        "幅)*(?:图|圖|照片|影像|视频)(?![片像]?[中里裡上内])|(?:[为為][您你](?:提供|解答|回答|完成|描述|分析|处理)|帮助您|帮助你|协助您|協助您|回答(?:这|這|您|你|该))",
        "(?:没有|沒有|未|并未|並未)(?:看到|收到|提供|上传|上傳|附上|附加|发现)(?:任何|您|你|的|上传|上傳|提供|附加|一张)*(?:图|圖|照片)|(?:图片|圖片|图像|圖像|"
        "照片)(?:并没有|没有|沒有|未能|未|无法|無法)(?:成功)?(?:上传|上傳|显示|顯示|加载|提供)|请(?:您|你)?(?:重新)?(?:上传|提供|发送)(?:一张|您的|你的|这张|该)*(?:图|"
        "照片)",
    ),
    "Japanese": (
        "ません|ない|かね",
        "申し訳|すみません|すいません|恐れ入り|残念ながら|ごめんなさい",
        "(?:できません|出来ません|できかねます|できない|見えません|わかりません|致しかねます|いたしかねます|お答えできません|お手伝いできません)",
        "(?!)",
        "(?:画像|写真|イメージ|動画|ファイル)(?:を|は|が|の)[^。]{0,10}(?:見る|表示|確認|閲覧|開く|分析|認識|アクセス|処理|内容を確認)(?:する)?(?:こと)?(?:が|は|"
        "も)?(?:できません|出来ません|できない|できかね)|(?:画像|写真)(?:が|は)(?:見えません|添付されていません|提供されていません|アップロードされていません|表示されていません)|(?:ご質問|"
        "質問|リクエスト|ご要望)に(?:は)?(?:お答え|お応え|対応)(?:することは?)?できません",
    ),
    "Korean": (
        "없|못|않|불가",
        "죄송|미안|유감|안타깝게도",
        "(?:수 없습니다|수가 없습니다|수 없어요|못합니다|없음을|불가능합니다|드릴 수 없)",
        "(?!)",
        "(?:이미지|사진|그림|영상)(?:를|을|가|이|에)? ?[^.]{0,10}(?:볼|확인할|분석할|열|접근할|표시할|인식할) 수(?:가|는)? 없(?!어서|기|는)|(?:이미지|사진|그림)(?:가|이|는|"
        "은) ?(?:제공되지|첨부되지|업로드되지|보이지) (?:않|않았)|(?:첨부된|제공된|업로드된) (?:이미지|사진)(?:가|이) 없",
    ),
    "Arabic": (
        "لا|لست|ليس|غير|لم",
        "آسف|عذرا|عذرًا|أعتذر|معذرة|للأسف|يؤسفني",
        "(?:لا (?:أستطيع|يمكنني|استطيع|أتمكن|أقدر|يمكننا|أملك)|لست قادر|غير قادر|ليس لدي (?:إمكانية|القدرة|صلاحية))",
        r"(?:رؤية|عرض|الوصول|مشاهدة|فتح|تحليل|معالجة|من رؤية)[^.]{0,15}(?:الصور|صورة|صور|الملف)|مساعدتك|المساعدة|"
        r"الإجابة (?:على|عن)",
        "لا أرى (?:أي )?صورة|(?:لم يتم|لم تقم ب|لم) ?(?:إرفاق|توفير|تحميل|تقديم|ترفق|إرسال) (?:أي )?صورة|"
        "لا توجد (?:أي )?صورة مرفقة",
    ),
    "Persian": (
        "نمی|نیستم|ندارم|نشده",
        "متاسفم|متأسفم|ببخشید|متاسفانه|متأسفانه|پوزش",
        "(?:نمی‌توانم|نمیتوانم|نمی توانم|قادر نیستم|امکان .{0,10}ندارم|دسترسی ندارم)",
        r"(?:تصویر|عکس)[^.]{0,15}(?:ببینم|مشاهده)",
        "(?:هیچ )?(?:تصویر|عکس)ی (?:نمی‌بینم|ارسال نشده|پیوست نشده|ارائه نشده)|(?:تصویر|عکس) را ببینم",
    ),
    "Hindi": (
        "नहीं|असमर्थ|कोई",
        "क्षमा करें|माफ़ करें|माफ करें|खेद है|माफ़ कीजिए|माफ कीजिए|क्षमा कीजिए|दुर्भाग्य",
        "(?:नहीं (?:देख|कर|दे|बता) (?:सकता|सकती|सकते|पा रहा|पा रही)|असमर्थ|सक्षम नहीं|में मदद नहीं)",
        "(?!)",
        "(?:छवि|तस्वीर|चित्र|फोटो|फ़ोटो|इमेज)(?:यों)?(?: को)? (?:नहीं देख (?:सकता|सकती|सकते|पा)|देखने में असमर्थ|"
        "देखने में सक्षम नहीं)|कोई (?:छवि|तस्वीर|चित्र|फोटो|फ़ोटो|इमेज) (?:संलग्न|प्रदान|अपलोड|साझा|नहीं (?:दी|मिली|"
        "है|दिख))",
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
        "לא|אין|איני",
        "מצטער|מצטערת|סליחה|לצערי|מתנצל",
        "(?:אני )?(?:לא (?:יכול|יכולה|מסוגל|מסוגלת)|אין לי (?:גישה|אפשרות|יכולת)|איני יכול)",
        "(?:לראות|לצפות|לפתוח|לנתח|לגשת)[^.]{0,12}(?:תמונ|צילום)|לעזור|לענות|לסייע",
        "(?:לא (?:צורפה|סופקה|הועלתה)|אין) תמונה(?: מצורפת)?|אני לא רואה (?:שום )?תמונה",
    ),
}
