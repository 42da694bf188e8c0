"""Parquet -> numbers -> figures, tables and claims; needs neither torch nor the code that made the rows."""

PAPERS = ("ott2021",)
