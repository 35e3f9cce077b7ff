"""Every format is loaded by the library it is for: `datasets`, and TRL, which trains on it."""

import json
import math
import re
from pathlib import Path

import datasets
import pytest
import torch
import trl
import yaml
from architectures import FAMILIES
from exported import ROWS, Exported, pictures
from made_rows import talk
from PIL import Image

ORDER = [2, 0, 3, 1]


@pytest.fixture(autouse=True)
def no_cache_is_shared(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def made(params, tmp_path):
    return Exported(params, pictures(tmp_path), ROWS, ORDER)


def loaded(path) -> datasets.Dataset:
    kind = "parquet" if path.suffix == ".parquet" else "json"
    return datasets.load_dataset(kind, data_files=str(path), split="train")


def without_none(value):
    """As those who read messages of parts take them: `datasets` gives every part every field."""
    if isinstance(value, dict):
        return {key: without_none(part) for key, part in value.items() if part is not None}
    return [without_none(part) for part in value] if isinstance(value, list) else value


def test_llama_factory_s_entry_names_a_file_of_its_columns(made):
    info = json.loads((made.out / "llama_factory/dataset_info.json").read_text())["mine"]
    rows = loaded(made.out / "llama_factory" / info["file_name"])
    assert info["formatting"] == "sharegpt" and set(info["columns"].values()) <= set(rows.column_names)
    assert rows[info["columns"]["images"]][:] == [["coco/a.png", "b c.jpg"], ["coco/a.png"], ["b c.jpg"], []]
    for row, record in zip(rows, ORDER, strict=True):
        assert row["conversations"] == ROWS[record]["conversations"]
        assert sum(turn["value"].count("<image>") for turn in row["conversations"]) == len(row["images"])


def test_ms_swift_s_lines_have_messages_and_as_many_marks_as_images(made):
    rows = loaded(made.out / "ms_swift.jsonl")
    assert rows["id"][:] == ["two", "7", "half", "text"]
    for row, record in zip(rows, ORDER, strict=True):
        said = [message["content"] for message in row["messages"]]
        assert said == [turn["value"] for turn in ROWS[record]["conversations"]]
        assert {message["role"] for message in row["messages"]} == {"user", "assistant"}
        assert "".join(said).count("<image>") == len(row["images"])


def test_axolotl_s_messages_have_pictures_in_place(made):
    rows = without_none(loaded(made.out / "axolotl.jsonl").to_list())
    assert rows[0]["messages"][0]["content"] == [
        {"type": "image", "path": "coco/a.png"},
        {"type": "text", "text": "or"},
        {"type": "image", "path": "b c.jpg"},
        {"type": "text", "text": "?"},
    ]
    assert rows[3]["messages"][0]["content"] == [{"type": "text", "text": "no picture"}]


def test_trl_s_table_has_the_pictures_themselves(made):
    rows = loaded(made.out / "trl.parquet")
    assert rows.features["images"] == datasets.List(datasets.Image())
    for row, record in zip(rows, ORDER, strict=True):
        names = ROWS[record].get("images") or [name for name in (ROWS[record].get("image"),) if name]
        own = [Image.open(made.folder / "images" / name) for name in names]
        assert [image.tobytes() for image in row["images"]] == [image.tobytes() for image in own]
        content = without_none([part for message in row["messages"] for part in message["content"]])
        assert sum(part["type"] == "image" for part in content) == len(own)


def block(kind: str, trainer: str) -> str:
    """The block of docs/own_data.md that tells how a trainer is set up."""
    told = Path("docs/own_data.md").read_text().split(f"\n**{trainer}**")[1]
    return re.search(rf"```{kind}\n(.*?)```", told, re.S)[1]


def test_the_document_s_settings_name_what_is_written(made):
    settings = yaml.safe_load(block("yaml", "LLaMA-Factory"))
    assert (made.out / Path(settings["dataset_dir"]).name / "dataset_info.json").is_file()
    assert settings["dataset"] == "ARM_s0" and "ARM/s0" in settings["dataset_dir"]  # as stages/export.py calls it
    (read,) = yaml.safe_load(block("yaml", "axolotl"))["datasets"]
    assert len(datasets.load_dataset(read["path"], data_files=str(made.out / read["data_files"]), split="train")) == 4
    assert (made.out / re.search(r"--dataset (\S+)", block("bash", "ms-swift"))[1]).is_file()
    assert (made.out / re.search(r"--data_path (\S+)", block("bash", "LLaVA"))[1]).is_file()


@pytest.mark.parametrize("family", FAMILIES)
def test_trl_trains_on_its_table(params, tmp_path, family):
    """As docs/own_data.md has it, on rows with a picture, with two and without one: each text is seen once."""
    torch.manual_seed(0)
    model, processor = FAMILIES[family].build()
    rows = [
        {"id": "one", "image": "coco/a.png", "conversations": talk("<image>\nwhat colour ?", "red")},
        {"id": "two", "images": ["b c.jpg", "coco/a.png"], "conversations": talk("<image> <image> same ?", "no")},
        {"id": "text", "conversations": talk("what colour ?", "red", "sure ?", "yes")},
        {"id": "last", "image": "b c.jpg", "conversations": talk("what is it ?\n<image>", "blue")},
    ]
    made = Exported(params, pictures(tmp_path), rows, [0, 1, 2, 3])
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    code = block("python", "TRL")
    assert '"trl.parquet"' in code and "SFTConfig(" in code and ".train()" in code
    code = code.replace('"trl.parquet"', repr(str(made.out / "trl.parquet"))).replace(
        "SFTConfig(", "SFTConfig(**small, "
    )
    code = re.sub(r"^(SFTTrainer.*)\.train\(\)$", r"trainer = \1\ndone = trainer.train()", code, flags=re.M)
    small = {
        "output_dir": str(tmp_path / "tuned"),
        "max_steps": 2,
        "per_device_train_batch_size": 2,
        "use_cpu": True,
        "bf16": False,
        "report_to": "none",
        "save_strategy": "no",
        "gradient_checkpointing": False,
        "learning_rate": 1e-2,
    }
    told = {"small": small, "model": model, "processor": processor}
    names = {"datasets": datasets, "SFTConfig": trl.SFTConfig, "SFTTrainer": trl.SFTTrainer}
    exec(code, names | told, told)
    trainer, table = told["trainer"], told["rows"]
    assert math.isfinite(told["done"].training_loss) and trainer.train_dataset.num_rows == 4
    assert any(not torch.equal(before[name], weight) for name, weight in model.named_parameters())
    batch = trainer.data_collator([table[k] for k in (0, 2)])
    texts = [
        processor.tokenizer.decode(ids[mask.bool()])
        for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=False)
    ]
    assert [text.count("colour") for text in texts] == [1, 1] and "None" not in "".join(texts)
    assert texts[0].index("colour") < texts[0].index("red") and "sure" in texts[1]
