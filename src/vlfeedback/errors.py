"""Everything vlfeedback raises on purpose: what was wrong, what was expected, what to do next.

One exception a kind of mistake. Each is a `VLFeedbackError` and one of Python's own as well, so
that ``except ValueError`` and the like catch what they always do.
"""

__all__ = [
    "AccessError",
    "BrokenPluginError",
    "BudgetSpentError",
    "BusyError",
    "CheckpointError",
    "DtypeError",
    "FileFormatError",
    "IncompleteCollectionWarning",
    "InvalidTypeError",
    "InvalidValueError",
    "MissingExtraError",
    "NeedsError",
    "QuotaSpentError",
    "RenderError",
    "ServerError",
    "ShapeError",
    "SourceAnswerError",
    "UnfamiliarPicturesWarning",
    "UnknownNameError",
    "VLFeedbackError",
    "VLFeedbackWarning",
    "WriteError",
    "reason_of",
]


class VLFeedbackError(Exception):
    """Whatever vlfeedback raises on purpose; the command line shows it as one sentence."""


class UnknownNameError(VLFeedbackError, LookupError):
    """A source, task or weight name that no registry knows; the message suggests the nearest."""


class MissingExtraError(VLFeedbackError, ImportError):
    """An optional dependency is not installed; the message names the pip extra, if it has one."""


class BrokenPluginError(MissingExtraError):
    """What another package registers cannot be imported or used; the message names the package."""


class ShapeError(VLFeedbackError, ValueError):
    """An array has the wrong number of axes or a wrong length."""


class DtypeError(VLFeedbackError, TypeError):
    """An array has the wrong dtype, such as float pictures."""


class InvalidValueError(VLFeedbackError, ValueError):
    """A number, word or setting lies outside of what is accepted."""


class InvalidTypeError(VLFeedbackError, TypeError):
    """An object of another kind than is accepted, such as a class in place of a source."""


class NeedsError(VLFeedbackError, ValueError):
    """Something needed is missing: pictures, an instruction, rewards of the environment ..."""


class SourceAnswerError(VLFeedbackError, ValueError):
    """A source answered with something that is no reward or label: a shape, a dtype, a NaN.

    Or a model that a source asks gave no answer.

    Args:
        message: what is wrong.
        row: which segment of the batch it is about, where a source knows; whoever asked it then
            says where that segment comes from, see `vlfeedback.scoring.ask`.
    """

    def __init__(self, message: str = "", *, row: int | None = None) -> None:
        super().__init__(message)
        self.row = row


class RenderError(VLFeedbackError, RuntimeError):
    """The environment or the machine cannot produce the pictures a source needs."""


class FileFormatError(VLFeedbackError, ValueError):
    """A file is truncated, foreign or of a version this release cannot read."""


class CheckpointError(FileFormatError):
    """A weights file is truncated, or belongs to another architecture."""


class BudgetSpentError(VLFeedbackError, RuntimeError):
    """The next question to a model might cost more than is left of what may be spent."""


class VLFeedbackWarning(UserWarning):
    """Whatever vlfeedback warns of on purpose; the command line shows it as one sentence."""


class IncompleteCollectionWarning(VLFeedbackWarning):
    """A collection is read that was cut off while it was made, or still grows."""


class UnfamiliarPicturesWarning(VLFeedbackWarning):
    """A source is shown pictures of another world than it was trained on; its answers are void."""


class WriteError(VLFeedbackError, OSError):
    """A file or folder cannot be written: the disk is full, or it may not be."""


class BusyError(VLFeedbackError, BlockingIOError):
    """What one at a time may use is in use: a file or folder, a port, a simulator."""


class ServerError(VLFeedbackError, ConnectionError):
    """A server cannot be reached, refuses what it is asked, or answers with something else."""


class QuotaSpentError(ServerError):
    """A server answers nothing more today, or for this account: waiting a while does not help."""


class AccessError(VLFeedbackError, PermissionError):
    """A server wants an API key, or does not accept the one that it was sent."""


def reason_of(error: BaseException) -> str:
    """What an error says, on one line of a table: the library's own alone, others' with the type.

    >>> reason_of(NeedsError("Pass a goal.")), reason_of(OSError("disk gone"))
    ('Pass a goal.', 'OSError: disk gone')
    """
    try:
        said = str(error)
    except Exception:  # another package's error may fail at that too
        return type(error).__name__
    return said if isinstance(error, VLFeedbackError) else f"{type(error).__name__}: {said}"
