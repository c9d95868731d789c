"""Parquet: the rows of the CSV as typed columns, https://parquet.apache.org; needs pyarrow."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kinora.results.csv_rows import COLUMNS, table_rows
from kinora.results.exporter import ExportedJob, Piece

FILE = "results.parquet"
NUMBERS = frozenset({"timestamp_ms", "confidence", "x", "y", "width", "height", "value"})
WHOLE_NUMBERS = frozenset({"index", "track_id"})
MISSING = "Parquet needs pyarrow: pip install 'kinora[parquet]'"


def is_there() -> bool:
    """True if pyarrow is installed; it is not imported."""
    return importlib.util.find_spec("pyarrow") is not None


def schema(metadata: Mapping[str, str] | None = None) -> Any:
    """The schema of the columns, a ``pyarrow.Schema``; needs pyarrow."""
    import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to import

    types = {name: pa.int64() for name in WHOLE_NUMBERS} | {name: pa.float64() for name in NUMBERS}
    return pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS], metadata=metadata)


def typed_rows(lines: Iterable[bytes]) -> list[dict[str, object]]:
    """The rows of frames, each a FrameData as JSON; values of another type than their column's are None."""
    rows = (zip(COLUMNS, row, strict=True) for row in table_rows(lines))
    return [{name: _typed(name, value) for name, value in row} for row in rows]


class Parquet:
    """A row group for each page of frames. A value of another type than its column's is left out."""

    def __init__(self, job: ExportedJob) -> None:
        import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to import
        import pyarrow.parquet as pq  # noqa: PLC0415

        self._arrow = pa
        self._schema = schema({"kinora.job_id": job.job_id})
        self._sink = io.BytesIO()
        self._writer = pq.ParquetWriter(_OneWay(self._sink), self._schema)

    def frames(self, lines: Sequence[bytes]) -> Iterator[Piece]:
        """As :class:`~kinora.results.exporter.Exporter` says; so does ``end``."""
        if rows := typed_rows(lines):
            self._writer.write_table(self._arrow.Table.from_pylist(rows, schema=self._schema))
        yield FILE, self._taken()

    def end(self) -> Iterator[Piece]:
        """The end of the file."""
        self._writer.close()
        yield FILE, self._taken()

    def _taken(self) -> bytes:
        data = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        return data


class _OneWay(io.RawIOBase):
    """What pyarrow writes to: the position goes on when what is there has been taken."""

    def __init__(self, sink: io.BytesIO) -> None:
        self._sink = sink
        self._written = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, data: Any) -> int:
        size = self._sink.write(data)
        self._written += size
        return size


def _typed(name: str, value: object) -> object:
    """The value if it is of its column's type, else None."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in WHOLE_NUMBERS:
        return value if isinstance(value, int) and is_number and abs(value) < 2**63 else None
    if name in NUMBERS:
        return float(value) if is_number else None  # type: ignore[arg-type]
    return value if isinstance(value, str) else None
