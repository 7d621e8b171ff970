"""One frame in every library and every type that holds its values."""

import pyarrow as pa

import lowprec as lp


def arrow(columns):
    """A table of Arrow of a dict of lists."""
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def in_chunks(table, size=3):
    """The same in small chunks."""
    return pa.Table.from_batches(table.to_batches(max_chunksize=size), table.schema)


def retyped(table, change):
    """The same with other types of columns: `change` takes a type and returns one or None."""
    fields = [field.with_type(change(field.type) or field.type) for field in table.schema]
    return table.cast(pa.schema(fields))


def large(type_):
    return {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}.get(type_)


def views(type_):
    return {pa.string(): pa.string_view(), pa.binary(): pa.binary_view()}.get(type_)


def in_dictionaries(table):
    """The same with a dictionary for each column of which there can be one."""
    columns = [
        column if pa.types.is_list(column.type) else column.dictionary_encode()
        for column in table.columns
    ]
    return pa.table(columns, table.column_names)


def of_arrow(table):
    """{what it is: the same frame}"""
    rows = [table.slice(row, 1) for row in range(table.num_rows)]
    return {
        "table": table,
        "chunks": in_chunks(table),
        "sliced": pa.concat_tables([table, table]).slice(table.num_rows),
        "batch": table.combine_chunks().to_batches()[0],
        "large": retyped(table, large),
        "views": retyped(table, views),
        "dictionaries": in_dictionaries(table),
        "chunks of dictionaries": pa.concat_tables(map(in_dictionaries, rows)),
    }


def bits(samples):
    """All that samples are, to compare."""
    arrays = (samples.dense, samples.indices, samples.offsets)
    shown = [None if array is None else (array.shape, array.tobytes()) for array in arrays]
    return [*shown, samples.num_embeddings]


def encoded(frame, **parameters):
    """The bits of what a new encoder makes of a frame, in which lists are found by type."""
    return bits(lp.TabularEncoder(**parameters).fit_transform(frame))
