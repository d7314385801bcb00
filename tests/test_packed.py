"""Many texts in a few arrays: by number and back, extended, written and read."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from occasion.arrayfile import read_arrays, write_arrays
from occasion.errors import VectorIndexError
from occasion.indexes.files import kept
from occasion.packed import PackedTexts

texts = st.lists(st.text(st.characters(), max_size=5), unique=True, max_size=20)


@given(texts, st.integers(0, 20))
def test_is_a_table_both_ways(given_texts: list[str], cut: int) -> None:
    """However many come first, and after a way through a file."""
    packed = PackedTexts().extended(given_texts[:cut]).extended(given_texts[cut:])
    with TemporaryDirectory() as folder:
        write_arrays(Path(folder) / "texts", packed.arrays())
        for one in (packed, PackedTexts.restore(read_arrays(Path(folder) / "texts"))):
            assert [one[n] for n in range(len(one))] == given_texts
            assert [one.number(text) for text in given_texts] == [n if text else None for n, text in enumerate(given_texts)]
            assert one.number("not among them") is None


@given(
    st.dictionaries(
        st.text(st.characters(), max_size=5),
        st.sampled_from(["?", "i1", "u2", "i4", "i8", "f4", "f8"]).flatmap(
            lambda kind: st.lists(st.integers(0, 1), max_size=9).map(lambda values: np.array(values, kind))
        ),
        max_size=8,
    )
)
def test_arrays_come_back_from_their_file(arrays: dict[str, np.ndarray]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "arrays"
        write_arrays(path, arrays)
        content = path.read_bytes()
        found = read_arrays(path)
        assert list(found) == list(arrays)
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype
            assert found[name].tolist() == array.tolist()
            assert found[name].ctypes.data % array.dtype.itemsize == 0
            found[name][:] = 1
        # What is written to them is nobody else's business.
        assert path.read_bytes() == content


def test_objects_are_neither_written_nor_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        write_arrays(tmp_path / "arrays", {"a": np.array([{}])})
    np.save(tmp_path / "pickled.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(VectorIndexError), kept(tmp_path):
        read_arrays(tmp_path / "pickled.npy")


def test_texts_that_do_not_belong_to_their_ends_are_refused() -> None:
    arrays = PackedTexts().extended(["a", "b"]).arrays()
    with pytest.raises(ValueError, match="do not belong together"):
        PackedTexts.restore(arrays | {"text": arrays["text"][:1]})
