"""Turn pieces into hidden states: one module a kind of encoder, and how a checkpoint is read.

Importing the package imports each module in it, and with that every family is registered.
"""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
