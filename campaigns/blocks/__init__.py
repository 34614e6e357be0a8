"""Mails made of blocks: what a marketer puts together, checked, and turned into HTML and plain text once. Pure.

`read` takes what the editor sends and raises BlockError where no editor of ours could have sent it; `build` makes the
mail, leaves out what is not finished, and names it.
"""

from campaigns.blocks.building import Built, Hosted, build
from campaigns.blocks.schema import KINDS, VERSION, Block, BlockError, pictures_in, read, stored
from campaigns.blocks.starters import STARTERS, Starter, starter

__all__ = [
    "KINDS",
    "STARTERS",
    "VERSION",
    "Block",
    "BlockError",
    "Built",
    "Hosted",
    "Starter",
    "build",
    "pictures_in",
    "read",
    "starter",
    "stored",
]
