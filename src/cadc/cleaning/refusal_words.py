"""Refusals in languages other than English: the parts of a refusal, and languages in Latin script (ours).

Regular expressions; alternatives are separated by a | between blanks.
"""

from __future__ import annotations

from typing import NamedTuple


class Wording(NamedTuple):
    """The parts of a language's refusals."""

    signs: str  # plain words; every refusal contains one. Searched first, because it is fast; a _ is a blank
    picture: str  # <picture> in the patterns below; <end> is the end of a sentence, <talk> the chat with the model
    sorry: str  # an apology
    cant: str  # that the writer can't
    none: str  # whole phrases: there is no image, or a policy forbids it
    see: str = "(?!)"  # after "can't": see the image, help with that
    tell: str = "(?!)"  # after "can't": tell; an apology for that is a kind of answer
    of: str = "(?!)"  # follows <picture> if that is a picture within the image
    own: str = ""  # precedes "can't" in its sentence, if the verb does not show who can't


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
            \b(?:ik zie|<talk> zie ik) (?:helaas )?geen <picture>(?: bijgevoegd|<end>) |
            \bik zie (?:de|je|uw) <picture> niet<end> |
            \b(?:je hebt|u hebt|u heeft) (?:nog )?geen <picture> (?:bijgevoegd|gestuurd|geüpload|meegestuurd) |
            \b(?:je|u) (?:nog )?geen <picture> (?:hebt|heeft) (?:bijgevoegd|gestuurd|geüpload|meegestuurd) |
            \bik heb geen <picture> ontvangen | \bde <picture> laadt niet<end>
        """,
    ),
    "German": Wording(
        signs="_kein | _nicht | bitte_ | fehlgeschlagen | verstößt | widerspricht",
        picture="abbildung | bilder | bild | datei | fotos?",
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
            beschreiben)) | \b(?:ich sehe|<talk> sehe ich) (?:leider )?(?:kein|keine) <picture>(?: im anhang|<end>) |
            \bich sehe (?:das|dein|ihr) <picture> nicht<end> | \bwird (?:bei )?mir (?:leider )?nicht angezeigt |
            \b(?:habe ich|ich habe) (?:leider )?(?:kein|keine) <picture> (?:bekommen|erhalten) |
            \b(?:das|dein|ihr) <picture> lädt (?:bei mir )?nicht<end> |
            \bbitte (?:fügen|laden?|schicken?|senden?) (?:mir |sie )*(?:das|dein|ein|ihr) <picture>[^.!?]{0,30}(?:damit
            ich|erneut|noch ?mals?|noch einmal)\b | \bich kann (?:leider )?(?:\w+ )?personen nicht identifizieren |
            \bkann (?:ich )?(?:leider )?keine personen identifizieren |
            \b(?:du (?:hast )?|sie (?:haben )?)(?:noch )?kein <picture> (?:angehängt|beigefügt|geschickt|hochgeladen) |
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
            \bnie (?:można|udało się) (?:otworzyć|wczytać|załadować) <picture> |
            \bnie (?:dołączył[ae]ś|otrzymał[ae]m|przesłał[ae]ś|wysłał[ae]ś|załączył[ae]ś) (?:żadnego )?<picture> |
            \b<picture> się nie (?:wczytuje|ładuje)<end> |
            \bnie widzę (?:żadnego <picture>|(?:tego |twojego )?<picture><end>)
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
            \bingen bild (?:har )?(?:bifogats|laddats upp|är bifogad) |
            \b(?:jag ser|<talk> ser jag) (?:tyvärr )?ingen <picture>(?: bifogad|<end>) |
            \bdu (?:har inte|inte har) (?:bifogat|laddat upp|skickat) (?:en|någon) <picture> |
            \bjag har inte fått någon <picture> | \bbilden laddas inte<end> |
            \bjag ser inte <picture><end>
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
            görüntüleyemiyorum) | (?:herhangi bir|hiçbir) <picture> göremiyorum<end> |
            <picture> (?:eklenmemiş|paylaşmadınız|paylaşılmamış|sağlanmamış|
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
            tôi (?:chưa|không) (?:nhìn )?thấy <picture><end> |
            vi phạm chính sách (?:nội dung )?của tôi
        """,
    ),
}
