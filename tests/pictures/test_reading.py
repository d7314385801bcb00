"""Reading pictures: nothing outside the folder, nothing too large, and whatever is broken is said to be."""

import os
import struct
import time
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_world import as_bytes, drawn
from PIL import Image

from occasion.pictures.reading import MAX_BYTES, PictureFolder, Trouble, read_bytes, to_square


@pytest.fixture
def folder(tmp_path):
    media = tmp_path / "media"
    (media / "sub").mkdir(parents=True)
    (media / "sub" / "a.png").write_bytes(as_bytes(drawn((200, 0, 0))))
    (tmp_path / "secret.png").write_bytes(as_bytes(drawn((0, 0, 200))))
    return media


@pytest.mark.parametrize("named", ["sub/a.png", "./sub/../sub/a.png", "sub//a.png"])
def test_a_file_in_the_folder_is_found(folder, named):
    found = PictureFolder(folder).find(named)
    assert found.path == folder / "sub" / "a.png"
    assert len(read_bytes(found)) == found.size
    assert PictureFolder(folder).find(str(folder / "sub" / "a.png")).path == found.path


@pytest.mark.parametrize(
    ("named", "kind"),
    [
        ("../secret.png", "outside"),
        ("sub/../../secret.png", "outside"),
        ("/etc/hostname", "outside"),
        ("out.png", "outside"),
        ("away/secret.png", "outside"),
        ("circle", "missing"),
        ("sub", "missing"),
        ("pipe", "missing"),
        ("none.png", "missing"),
        ("a\0b", "missing"),
        ("x" * 5000, "missing"),
        ("https://example.org/a.png", "address"),
        ("file:///etc/passwd", "address"),
        ("data:image/png;base64,AAAA", "address"),
    ],
)
def test_nothing_else_is_read(folder, named, kind):
    (folder / "out.png").symlink_to(folder.parent / "secret.png")
    (folder / "away").symlink_to(folder.parent)
    (folder / "circle").symlink_to(folder / "circle")
    os.mkfifo(folder / "pipe")
    with pytest.raises(Trouble) as trouble:
        PictureFolder(folder).find(named)
    assert trouble.value.kind == kind


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("paths")
    (root / "media" / "sub").mkdir(parents=True)
    for path in (root / "media" / "sub" / "a.png", root / "secret.png"):
        path.write_bytes(b"x")
    (root / "media" / "away").symlink_to(root)
    return root


@settings(max_examples=200, deadline=None)
@given(parts=st.lists(st.sampled_from(["..", ".", "sub", "a.png", "secret.png", "", "away", "~", "/"]), max_size=6))
def test_no_path_leads_out(root, parts):
    try:
        found = PictureFolder(root / "media").find("/".join(parts))
    except Trouble:
        return
    assert found.path.is_relative_to(root / "media")


def test_the_folder_itself_may_be_a_link(folder):
    link = folder.parent / "link"
    link.symlink_to(folder)
    assert PictureFolder(link).find("sub/a.png").size > 0


def test_a_file_that_became_a_link_is_not_followed(folder):
    found = PictureFolder(folder).find("sub/a.png")
    found.path.unlink()
    found.path.symlink_to(folder.parent / "secret.png")
    with pytest.raises(Trouble):
        read_bytes(found)


def test_a_file_that_became_a_pipe_is_not_waited_for(folder):
    found = PictureFolder(folder).find("sub/a.png")
    found.path.unlink()
    os.mkfifo(found.path)
    with pytest.raises(Trouble):
        read_bytes(found)


def test_a_huge_file_is_not_read(folder):
    with (folder / "huge.png").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(Trouble, match="MB"):
        PictureFolder(folder).find("huge.png")


RED = drawn((220, 30, 30), size=(30, 30))
ODD = {
    "grey": RED.convert("L"),
    "palette": RED.convert("P"),
    "bits": RED.convert("1"),
    "deep": Image.fromarray(np.full((9, 9), 40_000, np.uint16)),
    "tall": RED.resize((1, 300)),
    "wide": RED.resize((300, 1)),
    "dot": RED.resize((1, 1)),
}


@pytest.mark.parametrize("name", sorted(ODD))
def test_any_kind_of_picture_becomes_a_square(name):
    square = to_square(as_bytes(ODD[name]), 16)
    assert square.shape == (16, 16, 3)
    assert square.dtype == np.uint8


@pytest.mark.parametrize(("form", "mode"), [("JPEG", "RGB"), ("JPEG", "CMYK"), ("WEBP", "RGB"), ("GIF", "P"), ("BMP", "RGB")])
def test_formats(form, mode):
    square = to_square(as_bytes(RED.convert(mode), form), 16)
    assert square[8, 8, 0] > 150 > square[8, 8, 1]


def test_a_picture_is_whole_and_on_white():
    square = to_square(as_bytes(Image.new("RGB", (40, 20), (0, 0, 0))), 16)
    assert (square[[0, 15]] == 255).all()
    assert (square[5:11] == 0).all()


def test_what_is_transparent_is_white():
    image = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 10, 20))
    square = to_square(as_bytes(image), 16)
    assert square[8, 14].tolist() == [255, 255, 255]
    assert square[8, 2].tolist() == [0, 0, 255]


def test_a_camera_held_sideways():
    image = Image.new("RGB", (20, 20), (0, 0, 255))
    image.paste((255, 0, 0), (0, 0, 20, 10))  # red above
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter to the right
    square = to_square(as_bytes(image, "JPEG", exif=exif, quality=95), 16)
    assert square[8, 14, 0] > 200  # red on the right
    assert square[8, 2, 2] > 200


def test_the_first_frame_of_several():
    frames = [Image.new("RGB", (8, 8), c) for c in ((255, 0, 0), (0, 0, 255))]
    square = to_square(as_bytes(frames[0], "GIF", save_all=True, append_images=frames[1:]), 8)
    assert square[4, 4, 0] > 200


def claiming(width, height):
    """Return a PNG of some bytes that claims to be so large."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(8_000, 8_000), (12_000, 12_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_not_unpacked(size):
    begun = time.process_time()
    with pytest.raises(Trouble) as trouble:
        to_square(claiming(*size), 16)
    assert trouble.value.kind == "broken"
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no picture",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        as_bytes(RED)[:60],
        as_bytes(RED, "JPEG")[:-100],
    ],
    ids=["empty", "text", "svg", "postscript", "cut", "cut jpeg"],
)
def test_what_is_no_picture_is_told(content):
    with pytest.raises(Trouble) as trouble:
        to_square(content, 16)
    assert trouble.value.kind == "broken"
    assert trouble.value.why


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "BMP"]), st.integers(0, 10**6), st.binary(min_size=1, max_size=4))
def test_damage_anywhere_is_a_picture_or_trouble(form, at, change):
    content = bytearray(as_bytes(RED, form))
    at %= len(content)
    content[at : at + len(change)] = change
    try:
        assert to_square(bytes(content), 8).shape == (8, 8, 3)
    except Trouble as trouble:
        assert trouble.kind == "broken"
