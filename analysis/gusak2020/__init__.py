"""Gusak, Markeeva, Daulbaev, Katrutsa, Cichocki, Oseledets (2020), Towards Understanding Normalization in Neural ODEs."""

FIGURES: tuple[str, ...] = ("figure1",)
TABLES: tuple[str, ...] = ("table1", "criterion", "recipe")
