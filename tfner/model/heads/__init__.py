"""Turn hidden states into tags and entities: one module a head, its loss and its decoder with it.

Importing the package imports each module in it, and with that every head is registered.
"""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
