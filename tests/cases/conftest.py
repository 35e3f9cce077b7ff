"""A folder with a picture, a.png."""

import pytest
from PIL import Image


@pytest.fixture
def folder(tmp_path):
    Image.new("RGB", (20, 20), "red").save(tmp_path / "a.png")
    return tmp_path
