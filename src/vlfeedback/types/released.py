"""What a source reads that its authors have trained: files, licences, and what it takes to run."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Released", "WeightsFile"]


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A file of weights, or of words, that a source can be given.

    Attributes:
        setting: the field of the source's config that takes its path: ``"checkpoint"``; or, where
            weights are served, the name of what serves them: ``"model"``.
        name: as its authors call it.
        where: an address, or how to come by it; for people, nothing here is downloaded.
        megabytes: about, of 10**6 bytes; it follows from the number of parameters, so that a file
            that differs much is another one. They have four bytes, and in OpenAI's archives two
            but for those of token embeddings and norms.
        sha256: the first digits of its hash, where its authors print them.
        choose: settings that go with this file: ``"size=50"``.
    """

    setting: str
    name: str
    where: str
    megabytes: float
    sha256: str = ""
    choose: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """Released weights of a source: the files, their licences, and the cost of running them.

    Facts are those of repositories and model cards; no file was opened for them.

    Attributes:
        source: id of the source; the `vlfeedback.registry.Entry` that it belongs to fills it in.
        files: empty where everything comes with the library.
        code_licence: of the authors' code, not of this library's.
        weights_licence: of the files.
        parameters: of the networks that are run, in millions.
        teraflops: arithmetic for 1,000 pictures at the default settings; 0 where it is trivial.
        note: one more sentence for people.
    """

    source: str = ""
    files: tuple[WeightsFile, ...] = ()
    code_licence: str
    weights_licence: str
    parameters: str
    teraflops: float
    note: str = ""

    @property
    def non_commercial(self) -> bool:
        """Whether the weights may not be used commercially."""
        return "NC" in self.weights_licence
