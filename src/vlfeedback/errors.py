"""Everything vlfeedback raises on purpose: what was wrong, what was expected, what to do next."""

__all__ = [
    "CheckpointError",
    "DtypeError",
    "FileFormatError",
    "MissingExtraError",
    "NeedsError",
    "RenderError",
    "ShapeError",
    "UnknownNameError",
]


class UnknownNameError(LookupError):
    """A source, task or weight name that no registry knows; the message suggests the nearest."""


class MissingExtraError(ImportError):
    """An optional dependency is not installed; the message names the pip extra."""


class ShapeError(ValueError):
    """An array has the wrong number of axes or a wrong length."""


class DtypeError(TypeError):
    """An array has the wrong dtype or value range, such as float pictures."""


class NeedsError(ValueError):
    """A source needs something (frames, an instruction, ...) that it was not given."""


class RenderError(RuntimeError):
    """The environment or the machine cannot produce the pictures a source needs."""


class FileFormatError(ValueError):
    """A file is truncated, foreign or of a version this release cannot read."""


class CheckpointError(FileFormatError):
    """A weights file is truncated, or belongs to another architecture."""
