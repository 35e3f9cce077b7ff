"""Paths of pictures as people write them: links, detours and whole paths that stay inside the image folder."""

import os

import pytest
from PIL import Image

from cadc.config.errors import InputError
from cadc.data.checks import Checker


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data/coco/deep").mkdir(parents=True)
    (tmp_path / "data/gqa").mkdir()
    (tmp_path / "far").mkdir()
    for name in ("data/coco/a.png", "data/top.png", "far/b.png"):
        Image.new("RGB", (20, 20), "red").save(tmp_path / name)
    (tmp_path / "linked").symlink_to(tmp_path / "data")
    (tmp_path / "data/gqa/l.png").symlink_to("../coco/a.png")
    (tmp_path / "data/vg").symlink_to("coco")
    (tmp_path / "data/whole.png").symlink_to(tmp_path / "linked/coco/a.png")
    (tmp_path / "data/out").symlink_to("../far")
    (tmp_path / "data/away.png").symlink_to(tmp_path / "far/b.png")
    return tmp_path


def row(folder, root, name, embed=False):
    checker = Checker(root, embed_images=embed)
    talk = [{"from": "human", "value": "<image> q"}, {"from": "gpt", "value": "a"}]
    return checker.row({"id": "r", "image": name.format(folder), "conversations": talk})


INSIDE = [  # how it is written, which file it is, its source
    ("coco/a.png", "coco/a.png", "coco"),
    ("./coco//a.png", "coco/a.png", "coco"),
    ("coco/../top.png", "top.png", "images"),
    ("gqa/../coco/./a.png", "coco/a.png", "coco"),
    ("coco/deep/../../coco/a.png", "coco/a.png", "coco"),
    ("gqa/l.png", "coco/a.png", "gqa"),
    ("vg/a.png", "coco/a.png", "vg"),
    ("whole.png", "coco/a.png", "images"),
    ("{0}/data/coco/a.png", "coco/a.png", "coco"),
    ("{0}/linked/coco/a.png", "coco/a.png", "coco"),
    ("{0}/linked/../data/vg/a.png", "coco/a.png", "vg"),
    ("{0}/data/gqa/../coco/a.png", "coco/a.png", "coco"),
]


@pytest.mark.parametrize("name, file, source", INSIDE)
@pytest.mark.parametrize("root", ["data", "linked", "data/../linked", "relative"])
def test_what_lies_inside_is_read_however_it_is_written(folder, monkeypatch, root, name, file, source):
    monkeypatch.chdir(folder)
    root = (folder / root) if root != "relative" else type(folder)("data")
    made = row(folder, root, name)
    assert os.path.realpath(made["images"][0]["path"]) == str(folder / "data" / file) and made["source"] == source
    cell = row(folder, root, name, embed=True)["images"][0]
    assert cell["bytes"] == (folder / "data" / file).read_bytes() and not os.path.isabs(cell["path"])
    assert ".." not in cell["path"]


OUTSIDE = [
    ("../far/b.png", "points outside"),
    ("coco/../../far/b.png", "points outside"),
    ("{0}/far/b.png", "points outside"),
    ("{0}/data/../far/b.png", "points outside"),
    ("{0}/data", "points outside"),
    ("coco/..", "points outside"),
    ("/etc/passwd", "points outside"),
    ("../data2/a.png", "points outside"),
    ("out/b.png", "link that leaves"),
    ("away.png", "link that leaves"),
    ("{0}/data/out/b.png", "link that leaves"),
    ("out/../far/b.png", "points outside"),
    ("{0}/data/none.png", "is missing from"),
    ("coco/../none.png", "is missing from"),
    ("{0}/data/coco", "is a folder"),
    ("coco/\0/../a.png", "NUL byte"),
    ("/\udcff.png", "half a surrogate"),
]


@pytest.mark.parametrize("name, said", OUTSIDE)
@pytest.mark.parametrize("root", ["data", "linked"])
def test_what_leads_out_is_refused(folder, root, name, said):
    with pytest.raises(InputError, match=said):
        row(folder, folder / root, name)


def test_a_detour_through_a_link_is_what_the_system_makes_of_it(folder):
    (folder / "data/coco/deep/up").symlink_to(folder / "data/gqa")
    made = row(folder, folder / "data", "coco/deep/up/../top.png")  # gqa/.., where other code finds it
    assert os.path.realpath(made["images"][0]["path"]) == str(folder / "data/top.png")
