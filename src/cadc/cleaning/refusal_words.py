"""How other languages than English refuse: those in Latin letters (ours).

Regular expressions, whose alternatives are parted by a | between blanks.
"""

from __future__ import annotations

from typing import NamedTuple


class Wording(NamedTuple):
    """What a language's refusals are made of."""

    signs: str  # plain words, of which each has one: looked for first, as that is quick; a _ is a blank
    picture: str  # what the patterns below name <picture>
    sorry: str  # an apology
    cant: str  # that the writer can't
    none: str  # whole phrases: that there is no picture, that a policy forbids it
    see: str = "(?!)"  # after "can't": see the picture, help with that
    tell: str = "(?!)"  # what one can't do who looked and does not know: an apology for that is an answer of sorts
    of: str = "(?!)"  # what goes on after <picture> where one hangs or stands in the picture that is asked about
    own: str = ""  # what comes before "can't" in its sentence, where the verb does not say who can't


LATIN = {
    "Dutch": Wording(
        signs="_geen | _niet | mislukt | schendt",
        picture="afbeelding(?:en)? | bestand | foto(?:'s)? | plaatjes?",
        of="aan | achter | boven | in | op | van",
        sorry=r"\bsorry\b | excuseer | helaas | het spijt me | mijn excuses",
        cant=r"""
            \b(?:ik (?:kan|kon|mag)|(?:kan|kon|mag) ik)\b[^.!?,]{0,40}\b(?:geen|niet)\b |
            \bik (?:ben niet in staat|heb geen toegang)
        """,
        tell=r"""
            bepalen | herken\w* | identificer\w+ | lezen | met zekerheid | onderscheiden | tellen | vinden | weten |
            zeggen | zeker | zien
        """,
        none=r"""
            \b(?:de|deze|je|uw) <picture> (?:kon niet worden|is niet|kan niet worden) (?:geladen|geopend|geüpload|
            meegestuurd|weergegeven) |
            \b(?:druist in tegen|in strijd met|schendt) (?:mijn|ons|onze) (?:\w+ )?(?:beleid|richtlijnen|\w*beleid) |
            \b(?:ik (?:kan|kon)|(?:kan|kon) ik) (?:helaas )?(?:(?:de|deze|geen|het|je|
            uw) )+<picture>[^.,]{0,15}(?:analyseren|bekijken|openen|zien) |
            \b(?:ik kan|kan ik) (?:(?:daar|daarmee|helaas|hier|hiermee|je|u) )+niet (?:bij |daarmee |mee )?helpen |
            \ber is geen <picture> (?:bijgevoegd|geüpload|meegestuurd|om te (?:bekijken|beschrijven)|toegevoegd|
            verstrekt)(?! (?:aan|bij|op)) | \bik heb geen toegang tot (?:de|deze|je) <picture> |
            \bik zie geen <picture>(?: bijgevoegd|<end>)
        """,
    ),
    "French": Wording(
        signs="_n' | _ne_ | contraire | encontre | enfreint | impossible | viole",
        picture="fichiers? | images? | photos?",
        of=r"accroch\w* | au | d[eu] | qu[ei'] | sur",
        sorry="désolée? | excusez-moi | je crains | je m'excuse | je regrette | malheureusement",
        cant=r"""
            \b(?:je|nous) (?:ne|n') ?(?:ai|avons)(?: malheureusement)? pas (?:accès|la (?:capacité|possibilité)) |
            \b(?:je|nous) (?:ne|n') ?(?:parviens|peux|pouvons|puis)(?: malheureusement)?(?: pas)? |
            \b(?:je|nous) (?:ne|n') ?(?:sommes|suis)(?: malheureusement)? pas (?:autorisée?s?|capables?|
            en mesure)(?: d['e])?
        """,
        tell="""
            affirmer | certain | compter | confirmer | deviner | dire | distinguer | déterminer | identifier | lire |
            préciser | reconnaître | savoir | sûre? | trouver | voir
        """,
        see=r"""
            (?:accéder|analyser|interpréter|ouvrir|traiter|visionner|visualiser|voir|à)\b[^.]{0,15}\b<picture> |
            (?:t'|vous )?aider (?:avec|à) | répondre à (?:cette|votre)
        """,
        none=r"""
            \b(?:aucune <picture>|l'image|la photo|votre <picture>) n'(?:a été|a pas été|a pas pu être|a pu être|
            est|est pas) (?:affichée|chargée|envoyée|fournie|jointe|ouverte|partagée|téléchargée)(?! (?:au|aux|
            par|à la|à l')\b) | \b(?:est contraire à|enfreint|va à l'encontre de|viole) (?:ma|mes|nos|notre) (?:\w+
            )?(?:consignes|directives|politiques?|principes|règles) |
            \bil n'y a (?:aucune|pas d['e]) ?<picture> (?:que je puisse|à (?:analyser|décrire|regarder|voir)) |
            \bimpossible (?:d'ouvrir|de charger|d'afficher) (?:l'image|la photo|votre <picture>) |
            \bje ne vois (?:aucune|pas d['e]) ?<picture>(?: jointe|<end>)
        """,
    ),
    "German": Wording(
        signs="_kein | _nicht | fehlgeschlagen | verstößt | widerspricht",
        picture="abbildung | bild | bilder | datei | fotos?",
        of="an | auf | der | des | hinter | im | in | von",
        sorry="""
            bedauerlicherweise | entschuldige | entschuldigung | ich bedaure | leider | tut mir leid | tut uns leid |
            verzeihung
        """,
        cant=r"""
            \b(?:ich (?:darf|kann|konnte|könnte)|(?:darf|kann|konnte|könnte) ich)\b[^.!?,]{0,40}\b(?:kein|keine|
            keinen|nicht)\b | \bbin ich nicht in der lage
        """,
        tell="""
            ausmachen | bestimmen | beurteilen | einschätzen | entdecken | erkennen | feststellen | finden |
            identifizieren | lesen | sagen | sehen | sicher | unterscheiden | wissen | zählen
        """,
        none=r"""
            \b(?:das|dein|ihr) <picture> (?:konnte|kann|wurde) (?:leider )?nicht (?:angehängt|angezeigt|bereitgestellt|
            geladen|geöffnet|hochgeladen|verarbeitet|übermittelt)(?! (?:am|an|im|in|von)\b) |
            \b(?:es wurde )?kein <picture> (?:wurde )?(?:angehängt|beigefügt|bereitgestellt|hochgeladen|
            übermittelt) | \b(?:ich (?:kann|konnte)|(?:kann|konnte) ich) (?:leider )?(?:(?:auf|auf das|das|dein|dieses|
            ihr|kein|keine|nicht auf) )+<picture>[^.,]{0,15}(?:analysieren|ansehen|anzeigen|betrachten|sehen|zugreifen|
            öffnen) | \b(?:ich kann (?:deine|diese|ihre) (?:anfrage|frage)|(?:deine|diese|ihre) (?:anfrage|frage) kann
            ich) (?:leider )?nicht beantworten | \b(?:ich kann|kann ich) (?:(?:bei dieser anfrage|dabei|damit|dir|euch|
            hier|ihnen|leider) )+nicht (?:weiter)?helfen | \bes gibt kein <picture>,? (?:das ich|zum (?:ansehen|
            beschreiben)) | \bich sehe (?:kein|keine) <picture>(?: im anhang|<end>) |
            \bverstößt gegen (?:meine|unsere) (?:\w*politik|\w*richtlinien?|grundsätze)
        """,
    ),
    "Indonesian": Wording(
        signs="gagal | melanggar | tidak",
        picture="berkas | foto | gambar",
        of="di | oleh | pada | yang (?!anda|dilamp|kamu)",
        sorry="maaf | mohon maaf | saya menyesal | sayangnya",
        cant=r"\bsaya tidak (?:bisa|dapat|mampu|memiliki (?:akses|kemampuan))",
        tell="""
            melihat | memastikan | membaca | membedakan | menemukan | menentukan | mengatakan | mengenali | mengetahui |
            menghitung | yakin
        """,
        see=r"""
            (?:ke|melihat|membuka|memproses|mengakses|menganalisis)\b[^.]{0,12}<picture> |
            membantu (?:anda |kamu )?(?:dalam|dengan) | menjawab pertanyaan
        """,
        none=r"""
            \b(?:gagal memuat|tidak dapat memuat) <picture> | \bmelanggar kebijakan (?:\w+ )?(?:kami|saya) |
            saya tidak melihat (?:ada )?<picture> (?:apa pun|apapun|yang (?:anda|dilampirkan|kamu)) |
            tidak ada <picture> (?:yang )?(?:diberikan|dilampirkan|disediakan|diunggah)(?! (?:di|oleh|pada))
        """,
    ),
    "Italian": Wording(
        signs="_non_ | impossibile | nessuna | viola",
        picture=r"file | fot[oi]\w* | immagin[ei]",
        of=r"appes\w* | che | d[ei] | del\w* | sul\w*",
        sorry="mi dispiace | mi scuso | purtroppo | scusa | scusate | sono desolat[oa] | spiacente",
        cant=r"\bnon (?:ho (?:accesso|la capacità)|mi è possibile|possiamo|posso|riesco|riusciamo|sono in grado di)",
        tell="""
            affermare | capire | confermare | contare | determinare | dire | distinguere | identificare | individuare |
            leggere | riconoscere | sapere | sicur[oa] | stabilire | trovare | vedere
        """,
        see=r"""
            (?:aiutar|assister)\w+ (?:con|in) |
            (?:a|accedere|alla|analizzare|aprire|elaborare|interpretare|vedere|visualizzare)\b[^.]{0,15}\b<picture> |
            rispondere a (?:quella|questa|tale)
        """,
        none=r"""
            \b(?:l'|la (?:tua |sua )?|nessuna )<picture> (?:non )?(?:è stata|può essere|ha potuto essere) (?:allegata|
            aperta|caricata|fornita|inviata)(?! (?:a|al|alla|da|dal|dalla)\b) |
            \b(?:va contro|viola) (?:la mia|le mie|le nostre) (?:\w+ )?(?:linee guida|politic\w+|regole) |
            \bimpossibile (?:aprire|caricare|visualizzare) (?:l'immagine|la foto) |
            \bnon vedo (?:alcuna|nessuna) <picture>(?: allegata|<end>) |
            \bnon è stata (?:allegata|caricata|fornita) [^.]{0,12}<picture> |
            \bnon è stato possibile (?:aprire|caricare) (?:l'immagine|la foto)
        """,
    ),
    "Polish": Wording(
        signs="_nie_ | narusza",
        picture=r"obraz(?!e)\w* | plik\w* | zdję\w*",
        of=r"kt\w* | na | w | za",
        sorry="niestety | przepraszam | przykro mi | wybacz",
        cant=r"\bnie (?:jestem w stanie|mam (?:dostępu|możliwości)|mogę|możemy|potrafię)",
        tell="""
            dostrzec | odczytać | odróżnić | określić | policzyć | powiedzieć | rozpoznać | rozróżnić |
            stwierdzić | ustalić | wiedzieć | zidentyfikować | znaleźć | zobaczyć
        """,
        see=r"""
            (?:analizować|do|otworzyć|przeanalizować|widzieć|wyświetlić|zobaczenia|
            zobaczyć)\b[^.]{0,15}<picture> | odpowiedzieć na (?:pana|pani|to|twoje) | pomóc (?:ci|w|z)
        """,
        none=r"""
            \bnarusza (?:moj\w+|nasz\w+) (?:\w+ )?(?:polityk|wytyczn|zasad)\w* |
            \bnie (?:dostarczono|dołączono|podano|przesłano|załączono) (?:\w+ )?<picture> |
            \bnie (?:można|udało się) (?:otworzyć|wczytać|załadować) <picture> | \bnie widzę żadnego <picture>
        """,
    ),
    "Portuguese": Wording(
        signs="nenhuma | não | viola",
        picture="arquivos? | fotos? | imagem | imagens",
        of=r"d[aeo]s? | n[ao]s? | pendurad\w* | que (?!você|me|foi)",
        sorry="desculpa | desculpe | infelizmente | lamento | peço desculpas? | sinto muito",
        cant=r"\bnão (?:consigo|conseguimos|me é possível|podemos|posso|sou capaz de|tenho (?:acesso|a capacidade))",
        tell="""
            afirmar | confirmar | contar | determinar | distinguir | dizer | encontrar | identificar | ler | precisar |
            reconhecer | saber | segur[oa] | ter certeza | ver
        """,
        see=r"""
            (?:a|abrir|acessar|aceder|analisar|interpretar|processar|ver|visualizar|à)\b[^.]{0,15}\b<picture> |
            ajudar\w*(?:-\w+)? com | auxiliar\w* com | responder a (?:essa|esta|sua)
        """,
        none=r"""
            \b(?:a|nenhuma|sua) <picture> (?:não )?(?:foi|pôde ser|pode ser) (?:aberta|anexada|carregada|enviada|
            fornecida)(?! (?:a|ao|na|no|pel[ao])\b) |
            \b(?:vai contra|viola) (?:a minha|as minhas|minha|minhas|nossas?) (?:\w+ )?(?:diretrizes|normas|polític\w+|
            regras) | \bnão (?:há|vejo) nenhuma <picture>(?: anexada|<end>)(?! a) |
            \bnão foi possível (?:abrir|carregar) a <picture>
        """,
    ),
    "Spanish": Wording(
        signs="_no_ | contra | incumple | infringe | viola",
        picture="archivos? | fotos? | imagen | imágen(?:es)?",
        of=r"colgad\w* | del? | en | que (?!has|me|pueda|se)",
        sorry="""
            desafortunadamente | disculp[ae] | lamentablemente | lamento | lo lamento | lo siento | me temo | perdón
        """,
        cant=r"""
            \bno (?:estoy (?:autorizad|capacitad)[oa]|me es posible|podemos|puedo|soy capaz de|tengo (?:acceso|
            la capacidad))
        """,
        tell="""
            adivinar | afirmar | apreciar | asegurar | confirmar | contar | decir | determinar | distinguir |
            encontrar | identificar | leer | precisar | reconocer | saber | segur[oa] | ver
        """,
        see=r"""
            (?:asistir|ayudar)\w* con |
            (?:a|abrir|acceder|analizar|interpretar|procesar|ver|visualizar)\b[^.]{0,15}\b<picture> |
            responder a (?:esa|esta|su|tu)
        """,
        none=r"""
            \b(?:incumple|infringe|va en contra de|viola) (?:mis?|nuestras?) (?:\w+ )?(?:directrices|normas|pautas|
            polític\w+|principios) | \bla <picture> no se (?:ha podido|pudo|puede) (?:abrir|cargar|mostrar) |
            \bno (?:fue posible|ha sido posible|se ha podido|se pudo|se puede) (?:abrir|cargar|mostrar|procesar) (?:la|
            su|tu) <picture> |
            \bno (?:se )?(?:ha|han|has) (?:adjuntado|compartido|enviado|proporcionado|subido) [^.]{0,12}<picture> |
            \bno hay ninguna <picture> (?:adjunta(?! a)|que (?:analizar|describir|pueda|ver)) |
            \bno veo ninguna <picture>(?: adjunta|<end>)
        """,
    ),
    "Swedish": Wording(
        signs="_inga | _ingen | _inte | bryter",
        picture=r"bild\w* | foto\w*",
        of="av | bakom | på | som",
        sorry="förlåt | jag beklagar | jag är ledsen | tyvärr | ursäkta",
        cant=r"\b(?:jag (?:kan|kunde)|(?:kan|kunde) jag) (?:tyvärr )?(?:inga|inte) | \bjag har inte tillgång",
        tell="avgöra | bestämma | hitta | identifiera | läsa | räkna | se | säga | säker | urskilja | veta",
        see="(?:analysera|se|visa|öppna) [^.]{0,12}<picture> | hjälpa (?:dig )?med | till <picture>",
        none=r"""
            \bbilden (?:kunde inte|gick inte att) (?:laddas|ladda|öppnas|öppna|visas) |
            \bbryter mot (?:min|mina|våra) (?:\w*policy|riktlinjer) |
            \bingen bild (?:har )?(?:bifogats|laddats upp|är bifogad) | \bjag ser ingen <picture>(?: bifogad|<end>)
        """,
    ),
    "Turkish": Wording(
        signs="""
            amam | amıyorum | aykırı | emedi | emem | emiyorum | erişimim | ihlal | madı | madınız | mamış |
            memiş
        """,
        picture="fotoğraf | görsel | görüntü | resim",
        sorry="kusura bakmayın | maalesef | ne yazık ki | özür dilerim | üzgünüm",
        cant="""
            açamıyorum | cevaplayamam | erişemiyorum | erişimim yok | göremiyorum | tanımlayamam | yanıtlayamam |
            yapamam | yapamıyorum | yardımcı olamam | yardımcı olamıyorum
        """,
        none="""
            (?:fotoğrafı|görselleri|görseli|görüntüyü|resmi) (?:açamıyorum|göremiyorum|
            görüntüleyemiyorum) | <picture> (?:eklenmemiş|paylaşmadınız|paylaşılmamış|sağlanmamış|
            yüklenmemiş|yüklenemedi) | politika(?:ma|larıma|larımı|mı) (?:aykırı|ihlal)
        """,
    ),
    "Vietnamese": Wording(
        signs="chưa | không | vi phạm",
        picture="bức ảnh | hình(?: ảnh)? | tệp | ảnh",
        of="của | trên",
        sorry="rất tiếc | tôi e rằng | xin lỗi",
        cant=r"\btôi (?:chưa thể|không có khả năng|không có quyền truy cập|không thể)",
        tell="""
            biết | chắc | nhìn | nhận ra | nói | phân biệt | thấy | tìm | xác định | đếm | đọc
        """,
        see=r"""
            (?:mở|nhìn thấy|phân tích|thấy|truy cập|vào|xem)\b[^.]{0,12}<picture> |
            giúp (?:bạn )?(?:với|việc|điều) | trả lời câu hỏi
        """,
        none="""
            (?:chưa có|không có|không thấy) <picture> nào (?:được )?(?:cung cấp|gửi|tải lên|đính
            kèm) | bạn chưa (?:gửi|tải|đính kèm) [^.]{0,12}<picture> | không thể tải <picture> |
            vi phạm chính sách (?:nội dung )?của tôi
        """,
    ),
}
