"""Languages of people's rows: how often they are told right, and what must not be flagged."""

import pytest
from labelled import ABNORMAL, abnormal_rows, lines, row

from cadc.cleaning.languages import foreign

SHORT = "Answer the question using a single word or phrase."
#: Languages that words tell apart; the others are told by their script.
BY_WORDS = {
    *("English", "German", "French", "Spanish", "Portuguese", "Italian", "Dutch", "Swedish", "Polish", "Turkish"),
    *("Vietnamese", "Indonesian", "Russian", "Ukrainian", "Arabic", "Persian", "Chinese", "Japanese"),
}


def test_the_list_is_as_large_as_its_figures_need():
    listed = lines("languages.tsv")
    assert len(listed) >= 300 and len({name for name, _, _ in listed}) >= 20
    assert sum(name == "English" for name, _, _ in listed) >= 100
    assert len({text for _, _, text in listed}) > 0.98 * len(listed)


def test_every_question_of_the_list_beside_every_answer():
    """Measured: 0 of 13,828 pairs in one language flagged; of sentences in another 84% found, of short answers 8%."""
    listed = lines("languages.tsv")
    questions = [(name, text) for name, kind, text in listed if kind == "question"]
    right, wrong, found = 0, [], {"answer": [], "short": []}
    for asked, question in questions:
        for said, kind, answer in listed:
            if kind == "question":
                continue
            flagged = foreign(question, answer, ABNORMAL["letters"], ABNORMAL["margin"])
            if said in (asked, "-"):  # the question's language, or code, numbers and names, which have none
                right += 1
                wrong += [(question, answer, flagged)] if flagged else []
            elif kind in found:
                found[kind].append(bool(flagged))
    assert right > 10_000 and not wrong, wrong[:5]
    assert sum(found["answer"]) >= 0.82 * len(found["answer"])
    assert 0.05 * len(found["short"]) <= sum(found["short"]) <= 0.2 * len(found["short"])  # a word is no evidence
    precision = sum(found["answer"]) / (sum(found["answer"]) + len(wrong))
    assert precision >= 0.999


def test_a_language_that_is_named_is_the_right_one():
    """Measured: after an English question 92% of sentences of other languages are named, none of them wrongly."""
    named, wrong, n = 0, [], 0
    for name, kind, text in lines("languages.tsv"):
        if kind != "answer" or name not in BY_WORDS - {"English"}:
            continue
        found = foreign("What do you see on the table near the door?", text, ABNORMAL["letters"], margin=2)
        n += 1
        named += bool(found)
        wrong += [(name, found, text)] if found not in ("", name) and not found.endswith("letters") else []
    assert n > 80 and named >= 0.85 * n, (named, n)
    assert not wrong, wrong


@pytest.mark.parametrize("name", ["Korean", "Hindi", "Thai", "Greek", "Hebrew"])
def test_scripts_name_the_other_languages(name):
    own = {"Korean": "Hangul", "Hindi": "Devanagari"}.get(name, name)
    texts = [text for listed, kind, text in lines("languages.tsv") if listed == name and kind == "answer"]
    assert texts and all(foreign("What do you see?", text, 6, 4) == f"{own} letters" for text in texts)


ANSWER = (
    "The picture shows a small boat that is moored in the harbour, and there are two men who are working with a net."
)
KEEP_OFF = "Please keep off the grass that is in front of the house and by the lake"
SPANISH = "En la imagen se ve a una mujer que pasea con su perro por el parque y lleva un abrigo rojo."


@pytest.mark.parametrize(
    "said",
    [
        row("Traduce al inglés lo que ves en la imagen.", ANSWER),
        row("¿Qué hay en la imagen? Responde en inglés, por favor.", ANSWER),
        row("What do you see? Answer in one short sentence in Spanish.", SPANISH),
        row("Is there a woman? Answer yes or no in Spanish.", "Sí, en la imagen hay una mujer que pasea con su perro"),
        row("From now on answer in Spanish. What is this?", SPANISH, "And what do you see in the picture?", SPANISH),
        row(f"这是什么？\n{SHORT}", "一只在草地上奔跑的棕色小狗"),
        row("这是什么品牌？", "Mercedes-Benz"),
        row("What is this dish?", "Crème brûlée"),
        row("What does it say on the poster?", "Willkommen in der Stadt und auf dem Markt ist es nicht zu spät"),
        row("What do you see?", f"A book whose first line is “{SPANISH}”."),
    ],
)
def test_another_language_that_somebody_asked_for_or_quotes_is_not_flagged(said):
    assert abnormal_rows(said) == [""]


@pytest.mark.parametrize(
    "question, answer",
    [
        ("What is the title of this book?", "Das Haus in der Straße mit den zwei Gärten und der alten Frau"),
        ("Read the text.", "Vorsicht! Die Tür wird in der Nacht von innen nicht mehr auf sein und ist zu"),
        ("Extract the text from the image.", "请勿触摸展品谢谢合作"),
        ("OCR", "本店は午後八時に閉店いたします"),
        ("What is on the billboard?", "Добро пожаловать в Москву"),
        ("What is shown on the screen?", "ログインしてください"),
        ("What is on her T-shirt?", "Я люблю Москву"),
        ("What is on the side of the bus?", "東京都交通局バス"),
        ("¿Qué pone en el cartel?", "前方施工请绕行谢谢"),
        ("Lee el cartel.", KEEP_OFF),
        ("Was steht auf dem Schild?", KEEP_OFF),
        ("Que dit le panneau ?", KEEP_OFF),
        ("Cosa c'è scritto sull'insegna?", "Кафе у старого моста"),
        ("O que diz a placa?", KEEP_OFF),
        ("Wat staat er op het bord?", KEEP_OFF),
        ("Vad står det på skylten?", KEEP_OFF),
        ("Co jest napisane na tablicy?", KEEP_OFF),
        ("Co je napsáno na ceduli?", KEEP_OFF),
        ("Tabelada ne yazıyor?", KEEP_OFF),
        ("Biển báo viết gì?", KEEP_OFF),
        ("Apa yang tertulis di papan itu?", KEEP_OFF),
        ("Что написано на вывеске?", KEEP_OFF),
        ("Прочти надпись", KEEP_OFF),
        ("Що написано на табличці?", KEEP_OFF),
        ("牌子上写着什么？", KEEP_OFF),
        ("请识别图中的文字", KEEP_OFF),
        ("看板には何と書いてありますか？", KEEP_OFF),
        ("간판에 뭐라고 쓰여 있나요?", KEEP_OFF),
        ("ما المكتوب على اللافتة؟", KEEP_OFF),
        ("روی تابلو چه نوشته است؟", KEEP_OFF),
        ("बोर्ड पर क्या लिखा है?", KEEP_OFF),
        ("ป้ายเขียนว่าอะไร", KEEP_OFF),
        ("Τι γράφει η πινακίδα;", KEEP_OFF),
        ("מה כתוב בשלט?", KEEP_OFF),
    ],
)
def test_words_that_stand_in_the_picture_may_be_in_any_language(question, answer):
    assert abnormal_rows(row(question, answer)) == [""]


@pytest.mark.parametrize(
    "question, answer",
    [
        ("Who painted this?", "フョードル・ワシーリエフ"),
        ("Who is the man in the photo?", "Лев Николаевич Толстой"),
        ("Where was this photo taken?", "Санкт-Петербург"),
        ("Which city is this?", "Нижний Новгород"),
        ("Which place is this?", "上海市浦东新区陆家嘴"),
        ("What is this building?", "東京スカイツリー"),
        ("What is this?", "Храм Василия Блаженного на Красной площади"),
        ("What do you see?", "Московский Кремль"),
        ("What brand is it?", "การบินไทย"),
        ("What is this dish?", "宫保鸡丁盖浇饭配米饭"),
        ("Who is it?", "서울특별시 강남구청장"),
        ("Which university is it?", "Universidad Nacional Autónoma de México y el Museo de la Ciudad"),
        ("Which painting is it?", "Les Demoiselles d'Avignon et la Femme au Chapeau de la Rue"),
        ("¿Quién es este hombre?", "Вольфганг Амадей Моцарт"),
        ("这个人是谁？", "Wolfgang Amadeus Mozart"),
        ("Где это?", "The Museum of Modern Art in New York"),
    ],
)
def test_names_may_be_in_any_language(question, answer):
    assert abnormal_rows(row(question, answer)) == [""]


@pytest.mark.parametrize(
    "question, answer",
    [
        ("Who is the man by the car?", "Мужчина в красной куртке, который стоит у машины"),
        ("What is this?", "собака бежит по траве"),
        ("What is it?", "一只在草地上奔跑的棕色小狗"),
        ("Who is it?", "De man die op het bord van de buren staat en een boek in zijn hand heeft"),
        ("Which animal is on the mat?", "Es ist ein kleiner Hund, der auf der Matte vor der Tür schläft"),
    ],
)
def test_a_sentence_is_no_name(question, answer):
    assert abnormal_rows(row(question, answer)) != [""]


@pytest.mark.parametrize(
    "question, answer",
    [
        ("Co dělá ten muž?", "Muž stojí u okna a dívá se ven."),
        ("Ce se vede în imagine?", "Bărbatul stă lângă fereastră și se uită afară."),
        ("Hvad laver manden?", "Manden står ved vinduet, og en hund ligger på græsset."),
        ("Mit csinál a nő?", "A nő egy padon ül és a gyereket nézi."),
    ],
)
def test_a_language_that_is_not_listed_is_not_taken_for_one_that_is(question, answer):
    assert abnormal_rows(row(question, answer)) == [""]


def test_a_short_question_goes_on_with_the_words_that_the_one_before_asked_for():
    asked = ("What does the sign say?", "Stop", "And the one on the left?")
    assert abnormal_rows(row(*asked, "前方施工请绕行谢谢合作")) == [""]
    other = "And what do you see in the park behind the old house on the hill?"
    assert abnormal_rows(row(*asked, "Go", other, "前方施工请绕行谢谢合作")) != [""]


def test_another_language_that_nobody_asked_for_is_flagged_in_any_turn():
    rows = (
        row("What do you see in the picture?", SPANISH),
        row("¿Qué se ve en la imagen?", ANSWER),
        row("图片里有什么?", ANSWER),
        row("What is it?", "a boat", "What is the man in the boat doing?", "Мужчина ловит рыбу в гавани."),
    )
    assert [text.split(":")[0] for text in abnormal_rows(*rows)] == [
        "Spanish",
        "English",
        "English",
        "Cyrillic letters",
    ]
