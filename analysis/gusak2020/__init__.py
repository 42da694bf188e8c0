"""Gusak, Markeeva, Daulbaev, Katrutsa, Cichocki, Oseledets (2020).

Towards Understanding Normalization in Neural ODEs.
"""

from analysis.gusak2020 import criterion, figure1, recipe, table1

FIGURES = (figure1.FIGURE,)
TABLES = (table1.TABLE, criterion.TABLE, recipe.TABLE)
