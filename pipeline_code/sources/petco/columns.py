"""From numpy to Arrow columns, without a Python object for each row."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def money(cents: Integers) -> pa.Array:
    """int64 cents as decimal128(12, 2)."""
    words = np.empty((len(cents), 2), dtype=np.int64)
    words[:, 0] = cents
    words[:, 1] = cents >> 63
    return pa.Array.from_buffers(pa.decimal128(12, 2), len(cents), [None, pa.py_buffer(words)])


def moment(values: Integers) -> pa.Array:
    """int64 microseconds since 1970 as timestamp in UTC."""
    return pa.array(values, pa.timestamp("us", tz="UTC"))


def text(vocabulary: tuple[str, ...] | list[str], index: NDArray[np.integer]) -> pa.Array:
    """The words of a vocabulary at the given indices, as strings."""
    return pa.array(vocabulary, pa.string()).take(pa.array(index))
