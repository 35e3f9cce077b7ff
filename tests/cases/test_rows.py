"""Rows that are not what they seem: what they mean beyond turns and pictures is refused."""

import pytest
from made_rows import ASKED, GOOD, read, talk

from cadc.data.reader import PoolError
from cadc.data.reasons import is_blank

REFUSED = {  # what a row holds -> what its message says
    "video": ({"video": "a.mp4", "conversations": talk("<video>\nwhat ?", "red")}, ["has a video", "a.mp4"]),
    "videos": ({"videos": ["a.mp4", "b.mp4"], "conversations": ASKED}, ["has a video", "videos"]),
    "video and image": (
        {"image": "a.png", "video": "v.mp4", "conversations": talk("<image>\n<video>\nwhat ?", "red")},
        ["has a video"],
    ),
    "video cell": ({"video": {"bytes": None, "path": "a.mp4"}, "conversations": ASKED}, ["has a video"]),
    "audio": ({"audio": "a.wav", "conversations": talk("who ?", "a child")}, ["has a sound", "a.wav"]),
    "video token": ({"conversations": talk("<video>Summarize.", "a cat jumps")}, ["turn 0 holds <video>"]),
    "audio token": ({"conversations": [*ASKED, *talk("and <audio> ?", "yes")]}, ["turn 2 holds <audio>"]),
    "a video's place": ({"conversations": talk("<video_placeholder>\nwhat ?", "red")}, ["holds <video_placeholder>"]),
    "MiniCPM's": ({"conversations": talk("<VideoHere> what ?", "red")}, ["holds <VideoHere>"]),
    "vid": ({"conversations": talk("<vid> what ?", "red")}, ["holds <vid>"]),
    "Qwen's token": ({"conversations": talk("<|video_pad|> what ?", "red")}, ["turn 0 holds <|video_pad|>"]),
    "system": ({"system": "Answer in French.", "conversations": ASKED}, ["field system", "a system prompt"]),
    "system_prompt": ({"system_prompt": "Be brief.", "conversations": ASKED}, ["field system_prompt"]),
    "system of a turn": (
        {"conversations": [talk("q", system="Be brief.")[0], ASKED[1]]},
        ["turn 0 has system, a system prompt"],
    ),
    "tools": ({"tools": '[{"name": "f"}]', "conversations": ASKED}, ["field tools", "functions"]),
    "rejected": ({"rejected": "blue", "conversations": ASKED}, ["field rejected", "a preference"]),
    "KTO by LLaMA-Factory": ({"kto_tag": False, "conversations": ASKED}, ["kto_tag: false"]),
    "KTO": ({"label": False, "conversations": ASKED}, ["label: false"]),
    "messages": (
        {"messages": [{"role": "user", "content": "no"}], "conversations": ASKED},
        ["field messages", "as conversations"],
    ),
    "weight of an answer": (
        {"conversations": talk("q", "bad", weight=0)},
        ["turn 1 has weight: 0", "the same weight"],
    ),
    "half a weight": ({"conversations": talk("q", "bad", loss_weight=0.5)}, ["turn 1 has loss_weight: 0.5"]),
    "train of an answer": ({"conversations": talk("q", "bad", train=False)}, ["turn 1 has train: False"]),
    "loss of an answer": ({"conversations": talk("q", "bad", loss="false")}, ["turn 1 has loss: 'false'"]),
    "weight of a row": ({"weight": 0.0, "conversations": ASKED}, ["has weight: 0.0"]),
    "tool call": ({"conversations": talk("q", "a", tool_calls=[{"name": "f"}])}, ["turn 1 has tool_calls"]),
    "thoughts": ({"conversations": talk("q", "a", reasoning_content="hm")}, ["turn 1 has reasoning_content"]),
    "picture of a turn": ({"conversations": [talk("q", image="a.png")[0], ASKED[1]]}, ["turn 0 has an image"]),
    "misnamed image": (
        {"image_path": "a.png", "conversations": ASKED},
        ["image_path: 'a.png'", "name the field image"],
    ),
    "source is a list": ({"source": ["a"], "conversations": ASKED}, ["source is ['a']"]),
    # other spellings of the same
    "System": ({"System": "Answer in French.", "conversations": ASKED}, ["field System", "a system prompt"]),
    "sys": ({"sys": "Answer in French.", "conversations": ASKED}, ["field sys", "a system prompt"]),
    "systemPrompt": ({"systemPrompt": "Be brief.", "conversations": ASKED}, ["field systemPrompt"]),
    "history": ({"history": [["hi", "hello"]], "conversations": ASKED}, ["field history", "earlier turns"]),
    "Video-Path": ({"Video-Path": "a.mp4", "conversations": ASKED}, ["has a video", "Video-Path"]),
    "frames": ({"frames": ["1.png", "2.png"], "conversations": ASKED}, ["frames of a video", "list these in images"]),
    "media": ({"media": ["a.png"], "conversations": ASKED}, ["has media", "list these in images"]),
    "Image": ({"Image": "a.png", "conversations": ASKED}, ["has Image: 'a.png', but no image", "name the field image"]),
    "picture": ({"picture": "a.png", "conversations": ASKED}, ["has picture: 'a.png', but no image"]),
    "mask": (
        {"image": "a.png", "mask": "m.png", "conversations": talk("<image> what ?", "red")},
        ["field mask, coordinates in its image"],
    ),
    "bbox": (
        {"image": "a.png", "bbox": [1, 2, 3, 4], "conversations": talk("<image> what ?", "red")},
        ["field bbox, coordinates in its image"],
    ),
    "ms-swift's objects": (
        {"objects": {"ref": ["cat"], "bbox": [[1, 2, 3, 4]]}, "conversations": ASKED},
        ["field objects, coordinates in its image"],
    ),
    "label as a text": ({"label": "False", "conversations": ASKED}, ["label: false", "a bad answer"]),
    "kto_tag as a text": ({"kto_tag": "false", "conversations": ASKED}, ["kto_tag: false"]),
    "Loss_Weight": ({"conversations": talk("q", "bad", Loss_Weight=0)}, ["turn 1 has Loss_Weight: 0"]),
    "loss of each turn": ({"loss": [1, 0], "conversations": ASKED}, ["has loss: [1, 0]", "the same weight"]),
    "masked answer": ({"conversations": talk("q", "bad", mask=True)}, ["turn 1 has mask: True", "the same weight"]),
    "picture's path of a turn": (
        {"conversations": [talk("q", image_path="a.png")[0], ASKED[1]]},
        ["turn 0 has an image of its own (image_path)"],
    ),
    "text beside value": (
        {"conversations": talk("q", "red", content="blue")},
        ["turn 1 has value and content, which differ"],
    ),
}


@pytest.mark.parametrize("form", ["json", "jsonl", "parquet", "saved"])
@pytest.mark.parametrize("fields, said", REFUSED.values(), ids=REFUSED)
def test_a_row_that_means_more_than_it_shows_is_refused_and_can_be_skipped(folder, fields, said, form):
    rows = [GOOD, {"id": "odd", **fields}]
    with pytest.raises(PoolError) as error:
        read(folder, rows, form)
    assert all(part in str(error.value) for part in ["row id odd", *said]), error.value
    table, skipped = read(folder, rows, form, on_bad_row="skip")
    assert table["id"].to_pylist() == ["good"] and [row.id for row in skipped] == ["odd"]


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_fields_that_change_nothing_stay(folder, form):
    harmless = {"video": None, "audio": "", "system": " ", "tools": "[]", "weight": 1, "train": True, "label": True,
                "rejected": None, "loss_weight": 1.0, "image_path": None, "model": "m", "score": 0.5}  # fmt: skip
    said = [{"from": "human", "value": "q", "weight": 0}, {"from": "gpt", "value": "a", "weight": 1, "train": True}]
    table, skipped = read(folder, [{"id": "r", **harmless, "conversations": said}], form)
    assert not skipped and table["turns"].to_pylist() == [
        [{"role": "user", "text": "q"}, {"role": "assistant", "text": "a"}]
    ]


@pytest.mark.parametrize(
    "fields",
    [
        *({"video": value} for value in (0, 0.0, "0", "None", "null", "nan", float("nan"), [], {"path": None}, False)),
        {"system": "None", "history": [], "mask": 0, "bbox": None, "objects": ["cat", "dog"], "frames": [""]},
        {"label": "yes", "weight": [1, 1], "loss": [1, 1], "train": "true", "rejected": "null"},
        {"image_path": "", "Image": None, "split": "train", "model": "m"},
    ],
    ids=str,
)
def test_what_says_nothing_is_no_field(folder, fields):
    table, skipped = read(folder, [{"id": "r", **fields, "conversations": ASKED}])
    assert table.num_rows == 1 and not skipped


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_fields_that_are_not_read_are_counted(folder, form, capsys):
    rows = [{"id": str(i), "conversations": ASKED, "model": "m", "weight": 1, "score": 0.5} for i in range(3)]
    read(folder, rows, form)
    said = capsys.readouterr().out
    assert "ignored fields (number of rows): model (3), score (3)" in said


def test_a_field_whose_name_is_half_a_character_is_named_too(folder, capsys):
    read(folder, [{"id": "r", "conversations": ASKED, "\ud800": 1}])
    assert "ignored fields (number of rows): \\ud800 (1)" in capsys.readouterr().out


@pytest.mark.parametrize("image", ["", None, float("nan"), {}, [], [""], [None], "None", {"bytes": None, "path": None}])
@pytest.mark.parametrize("name", ["image", "images"])
def test_a_row_of_text_may_have_an_empty_image(folder, name, image):
    rows = [{"id": "r", name: image, "conversations": ASKED}]
    made = read(folder, rows)[0].to_pylist()[0]
    assert made["images"] == [] and made["source"] == "text"
    rows[0]["conversations"] = talk("<image>\nwhat ?", "red")
    with pytest.raises(PoolError, match=r"1 <image> token\(s\) in the human turns but 0 image"):
        read(folder, rows)
    both = rows[0] | {name: image, "image" if name == "images" else "images": "a.png"}
    assert len(read(folder, [both])[0]["images"].to_pylist()[0]) == 1


@pytest.mark.parametrize(
    "row, said",
    [
        (
            {"messages": [{"role": "user", "content": "q"}]},
            "field messages, turns in another format; write them as conversations",
        ),
        ({"conversations": [{"role": "user", "content": [{"type": "video"}]}]}, "write it as {from, value}"),
        ({"conversations": '[{"from": "human", "value": "q"}]'}, "a list written as text"),
        ({"conversations": [{"from": "system", "value": "Be brief."}, *ASKED]}, "unknown role 'system'"),
        ({"conversations": [{"from": "human", "value": [{"type": "audio"}]}, ASKED[1]]}, "no text in `value`"),
    ],
)
def test_other_formats_are_named(folder, row, said):
    with pytest.raises(PoolError) as error:
        read(folder, [{"id": "r", **row}])
    assert said in str(error.value)


def test_the_task_of_a_row_is_its_source(folder):
    rows = [
        {"id": "1", "image": "a.png", "task_name": "ROADS+sign", "conversations": talk("<image>\nq", "a")},
        {"id": "2", "image": "a.png", "task_name": "", "conversations": talk("<image>\nq", "a")},
        {"id": "3", "task_name": "SHOES", "source": "mine", "conversations": ASKED},
        {"id": "4", "task_name": 7, "conversations": ASKED},
    ]
    assert read(folder, rows)[0]["source"].to_pylist() == ["ROADS+sign", "images", "mine", "7"]


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_others_names_of_a_source_count_where_ours_is_missing(folder, form):
    fields = [
        {"data_source": "sharegpt4v"},
        {"dataset": "gqa", "data_source": ""},
        {"source_dataset": "vqa", "dataset": "x"},
        {"dataSource": "coco", "source": "None"},
        {"dataset_name": "okvqa", "task_name": "T", "data_source": "y"},
        {"data_source": "z", "source": "mine"},
    ]
    rows = [{"id": str(i), **each, "conversations": ASKED} for i, each in enumerate(fields)]
    names = sorted({name for each in fields for name in each})
    rows = [dict.fromkeys(names) | row for row in rows] if form == "parquet" else rows
    assert read(folder, rows, form)[0]["source"].to_pylist() == ["sharegpt4v", "gqa", "vqa", "coco", "T", "mine"]
    odd = {"id": "r", "dataset": {"name": "gqa"}, "image": "a.png", "conversations": talk("<image> q", "a")}
    assert read(folder, [odd])[0]["source"].to_pylist() == ["images"]


UNSEEN = ["\u200b", "\ufeff", "\u00ad\n", "\x00\x07", "\u2060 \u200d", "\u3164", "\ufe0f", " \t\u2028"]


@pytest.mark.parametrize("text", UNSEEN)
def test_what_can_not_be_seen_is_blank(folder, text):
    for said, name in ((("q", text), "turn 1 (gpt) is blank"), ((text, "a"), "turn 0 (human) is blank")):
        with pytest.raises(PoolError) as error:
            read(folder, [GOOD, {"id": "r", "conversations": talk(*said)}])
        assert name in str(error.value) and "row id r" in str(error.value)


@pytest.mark.parametrize("text", ["a", "。", "\u200bx", "👍", "é", "\u0e33", "0", "मैं", "\ue000"])
def test_what_can_be_seen_is_not(text):
    assert not is_blank(text)


def test_turns_out_of_order_as_llava_takes_them(folder, capsys):
    answer_first = {"id": "a", "conversations": [{"from": "gpt", "value": "Hello!"}, *ASKED]}
    rows = [
        GOOD,
        answer_first,
        {"id": "b", "conversations": talk("", "red")},
        {"id": "c", "conversations": talk("q", "a", "and ?")},
    ]
    for row, said in zip(rows[1:], ("on_bad_row: llava", "is blank", "no gpt answer"), strict=True):
        with pytest.raises(PoolError, match=said):
            read(folder, [row])
    table, skipped = read(folder, rows, on_bad_row="llava")
    assert table["id"].to_pylist() == ["good", "a"] and [row.id for row in skipped] == ["b", "c"]
    assert [turn["text"] for turn in table["turns"].to_pylist()[1]] == ["what ?", "red"]
    assert "1 row(s) start with a gpt turn, which is dropped: a" in capsys.readouterr().out
    alone = {"id": "e", "conversations": answer_first["conversations"][:1]}
    table, skipped = read(folder, [GOOD, alone], on_bad_row="llava")  # nothing of it is learnt there, either
    assert [row.id for row in skipped] == ["e"]
    twice = {"id": "f", "conversations": [ASKED[1], ASKED[1], *ASKED]}
    with pytest.raises(PoolError, match="row id f: turn 0 is from 'gpt'") as error:
        read(folder, [twice], on_bad_row="llava")
    assert "on_bad_row: skip" in str(error.value) and "llava" not in str(error.value)
    with pytest.raises(PoolError) as error:
        read(folder, [{"id": "d", "video": "v.mp4", "conversations": ASKED}])
    assert "on_bad_row: skip" in str(error.value) and "llava" not in str(error.value)
    with pytest.raises(PoolError, match="row id d: has a video"):  # what LLaVA would learn wrongly stays a fault
        read(folder, [*rows, {"id": "d", "video": "v.mp4", "conversations": ASKED}], on_bad_row="llava")


#: Rows that LLaVA's code takes in a way of its own: turns, is there a picture, what a line says, texts, pictures.
TAKEN = {
    "no mark": (talk("what ?", "red"), True, "1 row(s) have an image but no <image>", ["what ?", "red"], 0),
    "no picture": (talk("is <image> HTML ?", "no"), False, "1 row(s) have no image", ["is <image> HTML ?", "no"], 0),
    "two marks": (talk("<image>\n<image>\nold ?", "a"), True, "several <image>", ["<image>\n\nold ?", "a"], 1),
    "in an answer": (talk("show it", "<image>\nhere"), True, None, ["show it", "<image>\nhere"], 1),
    "an empty answer": (talk("q", "", "and ?", "b"), False, "have an empty answer", ["q", "", "and ?", "b"], 0),
    "and its question": (talk("", "", "and ?", "b"), False, "have an empty answer", ["", "", "and ?", "b"], 0),
    "white space": (talk(" \n", "  "), False, None, [" \n", "  "], 0),
}


@pytest.mark.parametrize("turns, pictured, said, texts, n_images", TAKEN.values(), ids=TAKEN)
def test_what_llava_s_code_takes_is_taken_and_counted(folder, capsys, turns, pictured, said, texts, n_images):
    row = {"id": "r", "conversations": turns} | ({"image": "a.png"} if pictured else {})
    with pytest.raises(PoolError, match="row id r: .*pool.on_bad_row: llava to treat them as LLaVA's code does"):
        read(folder, [row])
    table, skipped = read(folder, [GOOD, row], on_bad_row="llava")
    assert not skipped and [turn["text"] for turn in table["turns"].to_pylist()[1]] == texts
    assert len(table["images"].to_pylist()[1]) == n_images
    out = capsys.readouterr().out
    assert (said in out and ": r" in out) if said else "pool:" not in out


@pytest.mark.parametrize(
    "turns", [talk("", "a"), talk("q", "a", "", "b"), talk("q", "a", "r", ""), talk("q", ""), talk("q", "a", "", "")]
)
def test_what_llava_s_code_masks_is_left_out_and_counted(folder, turns):
    table, skipped = read(folder, [GOOD, {"id": "r", "conversations": turns}], on_bad_row="llava")
    assert table["id"].to_pylist() == ["good"] and [row.id for row in skipped] == ["r"]


def test_what_llava_s_code_ends_with_stays_a_fault(folder):
    row = {"id": "r", "image": "a.png", "conversations": talk("<image>\nq", "a", "<image>\nr", "b")}
    for rule in ("fail", "llava"):
        with pytest.raises(PoolError, match="row id r: .*<image>"):
            read(folder, [row], on_bad_row=rule)
