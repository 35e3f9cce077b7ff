"""Other trainers' marks of a picture: refused where they stand for one, text where a text speaks of them."""

import pytest
from made_rows import GOOD, read, talk

from cadc.data.reader import PoolError

MARKS = ["<ImageHere>", "<|image_1|>", "<|image|>", "<image 1>", "<image_1>", "<|vision_start|><|image_pad|>",
         "<img>a.png</img>", "<image_placeholder>", "<start_of_image>", "<im_start>", "<IMG_CONTEXT>", "<img>", "<Img>",
         "[IMG]", "<Image>", "<IMAGE>", "<image/>", "<picture>", "<img><img>"]  # fmt: skip


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("said", ["{}\nWhat is it ?", "{} What is it ?", "What is it ?\n{}\n", "What is it ? {}"])
def test_another_trainer_s_mark_of_a_picture_is_no_text(folder, mark, said):
    asked = said.format(mark)
    with pytest.raises(PoolError) as error:
        read(folder, [GOOD, {"id": "odd", "conversations": talk("hi", "hello", asked, "red")}])
    assert f"row id odd: turn 2 holds {mark[:4]}" in str(error.value) and "write <image>" in str(error.value)
    with pytest.raises(PoolError) as error:
        read(folder, [{"id": "odd", "image": "a.png", "conversations": talk(asked, "red")}])
    assert "0 <image> token(s) in the human turns but 1 image(s); make them equal; " in str(error.value)
    assert f"; {mark[:4]}" in str(error.value) and "is not an image token here" in str(error.value)


@pytest.mark.parametrize(
    "said", ["In <image 1>, who wins ?", "Look: <|image_1|> is red, <|image_2|> blue", "<ImageHere>Who ?"]
)
def test_a_mark_that_means_nothing_else_counts_inside_a_sentence(folder, said):
    with pytest.raises(PoolError, match="which other trainers read as an image"):
        read(folder, [{"id": "r", "conversations": talk(said, "red")}])


def test_a_mark_alone_is_no_answer(folder):
    with pytest.raises(PoolError, match=r"turn 1 holds <\|image_1\|>"):
        read(folder, [{"id": "r", "conversations": talk("Draw a cat.", "Here it is:\n<|image_1|>")}])


PROSE = [
    ("Write HTML.", '<div>\n<img src="a.png">\n</div>'),
    ('Mend it:\n<img src="a.png" alt="a">', "It is whole."),
    ("<img> tag does not show, why ?", "Give it a src."),
    ("Which element shows a picture ?\n<img>\n<video></video>", "The first."),
    ("<html><body>\n<img>\n</body></html>\nIs that whole ?", "No."),
    ("[IMG]http://a.b/c.png[/IMG]\nWhat is it in BBCode ?", "A picture."),
    ("What is `<|image_1|>` for ?", "It stands for a picture."),
    ("How does Qwen mark pictures ?", "With <|vision_start|>, <|image_pad|> and <|vision_end|>."),
    ("How do I prompt it ?", "```\n<|image_1|>\nWhat is it ?\n```"),
    ("Parse <image1>a</image1>.", "a"),
    ("What does a < image > b mean in set theory ?", "Nothing."),
    ("Is a <img or img> b ?", "Neither."),
    ("<|division|>\nWhat is 6 by 2 ?", "3"),
]


@pytest.mark.parametrize("said", PROSE, ids=str)
def test_a_text_that_speaks_of_marks_is_a_text(folder, said):
    assert read(folder, [{"id": "r", "conversations": talk(*said)}])[0].num_rows == 1


def test_with_a_picture_its_name_is_a_text(folder):
    row = {
        "id": "r",
        "image": ["a.png", "a.png"],
        "conversations": talk("<image 1>: <image>\n<image 2>: <image>\nq", "a"),
    }
    assert read(folder, [row])[0].num_rows == 1


@pytest.mark.parametrize(
    "said",
    [
        ("Use <video> with a source.", "<video><source src='a'></video>"),
        ("What closes it?\n<audio></audio>", "a tag"),
        ("Write HTML.", "<video> is a tag, <audio> another"),
    ],
)
def test_html_is_no_token(folder, said):
    assert read(folder, [{"id": "r", "conversations": talk(*said)}])[0].num_rows == 1
