"""Of a benchmark's repository the splits that are asked for are copied, and what is copied reads as it did."""

import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from cadc.config.errors import InputError
from cadc.data.hub_copy import copy_data_sets
from cadc.data.hub_layout import front_matter, split_files

NAME = "lmms-lab-encoder/X [1]"


def repository(root, files, card=None):
    """A repository of one-row parquet files without `datasets`' own metadata."""
    for file in files:
        path = root / NAME / file
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"name": [file], "image": [{"bytes": b"", "path": file}]}), path)
    if card is not None:
        (root / NAME / "README.md").write_text(f"---\n{yaml.safe_dump(card)}---\nwords\n")
    return root


def there(root):
    return sorted(str(path.relative_to(root / NAME)) for path in (root / NAME).rglob("*") if path.is_file())


FILES = ["data/val-00000-of-00002.parquet", "data/val-00001-of-00002.parquet", "data/test-00000-of-00001.parquet"]
CARD = {
    "license": "mit",
    "dataset_info": {"features": [{"name": "name", "dtype": "string"}, {"name": "image", "dtype": "image"}]},
    "configs": [
        {
            "config_name": "default",
            "default": True,
            "data_files": [{"split": "val", "path": "data/val-*"}, {"split": "test", "path": "data/test-*"}],
        }
    ],
}


@pytest.mark.parametrize("card", [None, CARD])
def test_the_split_that_is_asked_for_is_copied_and_reads_as_it_did(tmp_path, card):
    mirror, root = repository(tmp_path / "mirror", FILES, card), tmp_path / "root"
    assert copy_data_sets(mirror, root, [NAME], {NAME: [(None, "val")]}) == [NAME]
    assert there(root) == sorted([*FILES[:2], "README.md"])
    before, after = (split_files(folder / NAME, None, "val") for folder in (mirror, root))
    assert [pq.read_table(path) for path in before] == [pq.read_table(path) for path in after]
    assert {key: value for key, value in front_matter(root / NAME).items() if key != "configs"} == (
        {key: value for key, value in CARD.items() if key != "configs"} if card else {}
    )
    from datasets import Image, load_dataset_builder  # late: it takes seconds

    shutil.copytree(root / NAME, tmp_path / "plain")
    builder = load_dataset_builder(str(tmp_path / "plain"), cache_dir=str(tmp_path / "cache"))
    assert [len(paths) for paths in builder.config.data_files.values()] == [2]
    assert not card or isinstance(builder.info.features["image"], Image)


@pytest.mark.parametrize("said", ["true", '"all"', "3", "null", "[1]"])
def test_a_card_whose_list_of_files_is_none_is_copied(tmp_path, said):
    mirror, root = repository(tmp_path / "mirror", FILES, {}), tmp_path / "root"
    (mirror / NAME / "README.md").write_text(f'---\n{{"configs": {said}}}\n---\n')
    copy_data_sets(mirror, root, [NAME], {NAME: [(None, "val")]})
    assert there(root) == sorted([*FILES[:2], "README.md"])


def test_a_split_that_is_not_there_has_the_whole_copied_so_that_what_is_there_is_said(tmp_path):
    mirror, root = repository(tmp_path / "mirror", FILES, CARD), tmp_path / "root"
    copy_data_sets(mirror, root, [NAME], {NAME: [(None, "val"), (None, "dev")]})
    assert there(root) == sorted([*FILES, "README.md"])
    assert copy_data_sets(mirror, root, [NAME]) == []  # it is there
    with pytest.raises(InputError, match="lacks 1 data set"):
        copy_data_sets(mirror, root, ["a/b"])


def test_all_benchmarks_read_alike_from_a_copy_of_what_they_need(mirror, tmp_path):
    from cadc.evaluation.benchmarks import load_tasks  # late: it imports lmms-eval
    from cadc.evaluation.catalogue import needs, repositories

    names = ["pope_pop", "gqa", "seedbench", "mmbench_en_dev_static"]
    asked = {}
    for part in (part for name in names for part in needs(name)):
        asked.setdefault(part.repository, []).append((part.config, part.split))
    copy_data_sets(mirror, tmp_path, repositories(names), asked)
    for one, other in zip(load_tasks(mirror, names).tasks, load_tasks(tmp_path, names).tasks, strict=True):
        assert len(one.eval_docs) == len(other.eval_docs) > 0 and one.eval_docs.features == other.eval_docs.features
        for mine, yours in zip(one.eval_docs, other.eval_docs, strict=True):
            assert one.doc_to_messages(mine) == other.doc_to_messages(yours)
    full = tmp_path / "lmms-lab-encoder/POPE"
    assert {path.name for path in full.rglob("*.parquet")} == {"popular-00000-of-00001.parquet"}
    assert len(list((mirror / "lmms-lab-encoder/POPE").rglob("*.parquet"))) > 1
