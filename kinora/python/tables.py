"""What a run has found as a table: the rows and columns of Kinora's CSV, with types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinora.python.errors import RunError
from kinora.python.kept import KeptFrames
from kinora.results.csv_rows import COLUMNS, table_rows
from kinora.results.parquet import NUMBERS, WHOLE_NUMBERS, is_there, schema, typed_rows

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def to_pandas(kept: KeptFrames) -> pd.DataFrame:
    """A DataFrame; a row has NA in the columns for which it has no value."""
    try:
        import pandas as pd  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise RunError("to_pandas needs pandas: pip install 'kinora[pandas]'") from error
    table = pd.DataFrame(table_rows(kept.lines()), columns=list(COLUMNS))
    types = dict.fromkeys(WHOLE_NUMBERS, "Int64") | dict.fromkeys(NUMBERS, "float64")
    return table.astype(types)


def to_arrow(kept: KeptFrames) -> pa.Table:
    """A table with the schema of the Parquet files."""
    if not is_there():
        raise RunError("to_arrow needs pyarrow: pip install 'kinora[parquet]'")
    import pyarrow as pa  # noqa: PLC0415 - an extra

    pages = [pa.Table.from_pylist(typed_rows(page), schema=schema()) for page in kept.pages()]
    return pa.concat_tables(pages) if pages else schema().empty_table()
