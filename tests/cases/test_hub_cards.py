"""A card's patterns, read as `datasets` reads them."""

from pathlib import Path

import datasets
import pytest
from test_hub_folders import TWO, card, parquet

from cadc.data.hub_layout import parquet_splits

FILES = ["data/a1", "data/a2", "data/b1", "data/deep/a3", "en/train-00000-of-00001", "en/test-00000-of-00001", "top"]
CARDS = [
    TWO,
    TWO.replace("data/", "./data/"),
    "- {config_name: d, data_files: 'data/*'}\n",
    "- {config_name: d, data_files: ['data/a*', top.parquet]}\n",
    "- {config_name: d, data_files: '**/a*'}\n- {config_name: e, data_files: data/**}\n",
    """- {config_name: a, data_files: top.parquet}
- config_name: d
  data_dir: data
  data_files:
  - {split: one, path: 'a?.parquet'}
  - {split: two, path: ['b*', deep/*]}
""",
    "- {config_name: d, data_dir: en, data_files: '*.parquet'}\n- {config_name: e, data_files: data/a1.parquet}\n",
    "- {config_name: d, data_dir: en}\n",
    "- {config_name: d, data_dir: data}\n",
    "- config_name: d\n  data_files:\n  - {split: train, path: 'data/[ab]1.parquet'}\n",
]


@pytest.mark.parametrize("text", CARDS)
def test_a_card_is_read_as_datasets_reads_it(tmp_path, text):
    for name in FILES:
        parquet(tmp_path / f"set/{name}.parquet", name)
    card(tmp_path / "set", text)
    made = parquet_splits(tmp_path / "set")
    read = {}
    for config in sorted({config for config, _ in made}):
        builder = datasets.load_dataset_builder(str(tmp_path / "set"), config, cache_dir=str(tmp_path / "cache"))
        for split, files in builder.config.data_files.items():
            read[config, str(split)] = sorted(map(Path, files))
    assert made == read and made
