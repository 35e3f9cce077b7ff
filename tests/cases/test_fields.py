"""Fields that nobody reads, but by which a row means more: media by name or by value, masks, places, texts."""

import io

import pytest
from made_rows import ASKED, GOOD, read, talk
from PIL import Image

from cadc.data.reader import PoolError


def png(color):
    file = io.BytesIO()
    Image.new("RGB", (12, 12), color).save(file, "PNG")
    return file.getvalue()


PNG = png("blue")
SEEN = talk("<image>\nwhat ?", "red")
MP4 = b"\0\0\0\x18ftypisom" + bytes(40)
WAV = b"RIFF\0\0\0\0WAVEfmt " + bytes(40)

OF_MEDIA = {  # a field of a row without a picture -> what its message says
    "video": [{"video_id": "a1"}, {"video_name": "a"}, {"vid": "a"}, {"clip": "a.mp4"}, {"type": "video"},
              {"has_video": True}, {"youtube_id": "a"}, {"meta": {"file": "x/a.MKV"}}, {"sources": ["a.webm"]},
              {"modality": ["text", "video"]}, {"mime": "video/mp4"}, {"link": "https://a.b/c.mp4?t=1"}],
    "sound": [{"wav": "a"}, {"mp3": "a"}, {"audio_id": 3}, {"recording": "a.wav"}, {"type": "audio"}],
    "no image": [{"file_name": "a.png"}, {"filename": "x/a.jpg"}, {"img_id": 7}, {"pil_image": "a"},
                 {"has_image": True}, {"num_images": 2}, {"image_0": "a.png", "image_1": "b.png"}, {"jpg": "a"},
                 {"second_image": "a"}, {"path": "my photos/a b.PNG"}, {"data_type": "multi-image"},
                 {"x": "data:image/png;base64,AAAA"}, {"x": "/9j/4" + "A" * 80}, {"Image-File": "a"}],
}  # fmt: skip
MASKED = [{"is_train": False}, {"should_train": False}, {"loss_enabled": 0}, {"exclude_from_loss": True},
          {"compute_loss": False}, {"learnable": False}, {"has_loss": 0}, {"supervise": False},
          {"skip": True}, {"label": "rejected"}, {"label": False}, {"use_in_loss": "no"}, {"no_loss": 1},
          {"loss_weights": [0.0]}, {"isTrained": False}, {"keep": False}, {"masked": 1}]  # fmt: skip
OF_ROWS = {  # a field of a row -> what its message says
    "the same weight": [{"loss_weights": [0, 1]}, {"last_turn_only": True}, {"train_on_last": True}, {"skip": "true"},
                     {"mask_history": True}, {"only_last_turn": 1}, {"turn_weights": [1, 0.5]}, {"preferred": False},
                     {"completion_mask": [1, 0]}, {"assistant_masks": [0]}, {"loss_multiplier": 0},
                     {"is_deleted": True}],
    "a bad answer": [{"label": "rejected"}, {"status": "Rejected"}, {"preference": "dispreferred"}],
    "a system prompt": [{"system_instructions": "Be brief."}, {"sys_msg": "Be brief."}],
    "a text that is in no turn": [{"instruction": "Answer in French."}, {"prompt": "You are a pirate. what ?"},
                                 {"prompt": [{"role": "user", "content": "Who ?"}]}],
    "coordinates in its image": [{"boxes_seq": [[1, 2]]}, {"gt_bboxes": [[1, 2, 3, 4]]}, {"points": [[1, 2]]},
                              {"points": [{"x": 1, "y": 2}]}, {"mask_rle": "a"}, {"objects": ["cat [1, 2, 3, 4]"]},
                              {"objects": [{"name": "cat", "bbox": [1, 2, 3, 4]}]}, {"regions": [[1, 2, 3, 4]]}],
}  # fmt: skip


def refused(folder, row, form="json"):
    with pytest.raises(PoolError) as error:
        read(folder, [GOOD, {"id": "odd", "conversations": ASKED} | row], form)
    assert "row id odd" in str(error.value)
    return str(error.value)


def each(listed):
    return [(field, said) for said, fields in listed.items() for field in fields]


@pytest.mark.parametrize("field, said", each(OF_MEDIA), ids=str)
def test_media_that_nothing_reads_are_refused(folder, field, said):
    message = refused(folder, field)
    assert said in message and next(iter(field)) in message


OF_TURNS = {"a video": [{"file": "a.mp4"}, {"vid": "a"}, {"clip": "a.ogg"}], "no image": [{"file": "x/a.png"}]}


@pytest.mark.parametrize("field, said", each(OF_TURNS), ids=str)
@pytest.mark.parametrize("k", [0, 1])
def test_media_of_a_turn_are_refused(folder, field, said, k):
    turns = [turn | field if i == k else turn for i, turn in enumerate(ASKED)]
    assert f"turn {k} has" in (message := refused(folder, {"conversations": turns})) and said in message


@pytest.mark.parametrize(
    "column, value, said",
    [
        ("jpg", PNG, "no image"),
        ("image_0", PNG, "no image"),
        ("cell", {"bytes": PNG, "path": None}, "no image"),
        ("data", MP4, "has a video"),
        ("cell", {"bytes": WAV, "path": "a"}, "has a sound"),
    ],
    ids=["jpg", "image_0", "cell", "video", "sound"],
)
@pytest.mark.parametrize("form", ["parquet", "saved"])
def test_bytes_of_media_in_a_column_that_nothing_reads_are_refused(folder, column, value, said, form):
    message = refused(folder, {column: value}, form)
    assert said in message and "a file of " in message and "\\x" not in message
    table, skipped = read(folder, [GOOD, {"id": "odd", "conversations": ASKED, column: value}], form, on_bad_row="skip")
    assert table["id"].to_pylist() == ["good"] and [row.id for row in skipped] == ["odd"]


@pytest.mark.parametrize(
    "field", [{"image_1": "b.png"}, {"image2": "x/b.png"}, {"second_image": "b.png"}, {"images_2": ["a.png", "b.png"]}]
)
def test_a_second_picture_beside_the_one_that_is_read_is_not_lost(folder, field):
    message = refused(folder, {"image": "a.png", "conversations": SEEN} | field)
    assert "an image that is not read" in message and "in images" in message


@pytest.mark.parametrize("field", MASKED, ids=str)
def test_an_answer_that_is_not_to_be_learnt_is_refused(folder, field):
    message = refused(folder, {"conversations": talk("q", "a", **field)})
    assert "turn 1 has" in message and ("the same weight" in message or "a bad answer" in message)
    asked = [{"from": "human", "value": "q"} | field, ASKED[1]]  # never learnt anyhow
    assert read(folder, [{"id": "r", "conversations": asked}])[0].num_rows == 1


@pytest.mark.parametrize("field, said", each(OF_ROWS), ids=str)
def test_a_row_that_means_more_than_its_turns_is_refused(folder, field, said):
    assert said in (message := refused(folder, field)) and next(iter(field)) in message


@pytest.mark.parametrize(
    "field",
    [
        *({"file_name": "a.png"}, {"file_name": "x/a.png"}, {"source_file": "llava.json"}, {"caption": "as in b.png"}),
        *({"image_id": "000123.jpg"}, {"image_1": "a.png"}, {"images_0": ["x/a.png"]}, {"video_id": "a", "frame": 3}),
        *({"has_image": True, "num_images": 1}, {"type": "image"}, {"image_width": 20}, {"clip": 0.3}, {"vid": None}),
        *({"original_image": "b.png"}, {"thumbnail": "b.png"}, {"path": "data/a.png"}),
    ],
    ids=str,
)
def test_what_goes_with_a_picture_stays(folder, field):
    row = {"id": "000123.jpg", "image": "a.png", "conversations": SEEN}
    assert read(folder, [row | field])[0]["images"].to_pylist()[0]


@pytest.mark.parametrize(
    "field",
    [
        *(
            {"caption": "we see a.png"},
            {"source_file": "llava.json"},
            {"url": "https://a.org/Dog"},
            {"license": "cc.md"},
        ),
        *({"objects": ["cat", "dog 2"]}, {"objects": {"cat": 2}}, {"objects": [{"name": "cat", "count": 2}]}),
        *({"has_image": False, "num_images": 0, "jpg": None, "vid": ""}, {"type": "vqa"}, {"topic": "video"}),
        *(
            {"prompt": "what ?"},
            {"instruction": " what  ?"},
            {"prompt": [{"role": "user", "content": "what ?"}]},
        ),
        *({"points": 5}, {"region": "Asia"}, {"loss_weights": [1, 1]}, {"last_turn_only": False, "skip": 0, "keep": 1}),
        *({"clip_score": 0.3, "clip": 0.3, "loss": 2.3}, {"label": "yes"}, {"label": 3}, {"quality": "good"}),
        *(
            {"ext": ".png"},
            {"removed": ["ocr"]},
            {"embedding": [0.1, 0.2]},
            {"image_caption": "a dog"},
            {"review": False},
        ),
    ],
    ids=str,
)
def test_what_says_nothing_of_the_kind_stays(folder, field):
    assert read(folder, [{"id": "r", "conversations": ASKED} | field])[0].num_rows == 1


@pytest.mark.parametrize("form", ["json", "parquet", "saved"])
def test_fields_of_turns_that_are_not_read_are_counted(folder, form, capsys):
    rows = [{"id": str(i), "conversations": talk("q", "a", "r", "b", score=i, weight=1)} for i in range(3)]
    rows.append({"id": "plain", "conversations": ASKED})
    read(folder, rows, form)
    said = capsys.readouterr().out
    assert "ignored fields of turns (number of rows): score (3)\n" in said and "weight" not in said
