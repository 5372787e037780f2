"""Turn files in the formats that people have into Documents, and predictions into files.

Importing the package imports each module in it, and with that every format is registered.
"""

from importlib import import_module
from pkgutil import iter_modules

from tfner.formats.reading import read_documents

__all__ = ["read_documents"]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
