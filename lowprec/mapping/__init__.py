"""Tables in files, below what a table is: layout, header, log, touched rows, lock and map."""
