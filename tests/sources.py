"""The sources of the package, and which module imports which."""

from pathlib import Path

import lowprec as lp

PACKAGE = Path(lp.__file__).parent


def module_name(path):
    """``lowprec.scalar.bits`` of its file; a package goes by its own name."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}


def inside(name, package):
    return name == package or name.startswith(package + ".")
