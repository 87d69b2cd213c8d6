"""Pickles read without running them: nothing that one names is imported, and nothing is called.

Plain values come back as they are. A class or function that a pickle names becomes an `Inert`, and
so does what it makes of one; only the calls that a reader passes in are made, each by its name.
Python's own reader imports whatever is named; and even one that may import nothing takes gigabytes
where a pickle of nine bytes asks it to remember a value in a place far out.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Inert", "read_pickle"]


@dataclass(slots=True, eq=False)
class Inert:
    """A class or function by its name, or what a pickle makes of one; it does nothing.

    Attributes:
        name: with its module: ``"torch.nn.modules.linear.Linear"``.
        arguments: that it was to be made with.
        state: that it was to be given: a dictionary of attributes, unless a method of its own
            would have read it.
    """

    name: str
    arguments: tuple[Any, ...] = ()
    state: Any = field(default=None, repr=False)


def read_pickle(
    pickle: bytes,
    *,
    calls: Mapping[str, Callable[..., Any]] | None = None,
    outside: Callable[[Any], Any] | None = None,
) -> Any:
    """The value that a pickle describes.

    Args:
        pickle: of any protocol.
        calls: by full name, what is made in place of a call of that name.
        outside: gives what lies outside of the pickle, from its id.

    Raises:
        Exception: it is damaged; there is no list of what that ends in, see `reading`.
    """
    machine = _Machine(calls or {}, outside)
    for opcode, argument, _ in pickletools.genops(pickle):
        if opcode.name == "STOP":
            return machine.stack.pop()
        if opcode.name not in _INSTRUCTIONS:
            raise ValueError(f"the instruction {opcode.name} is not read")
        _INSTRUCTIONS[opcode.name](machine, argument)
    raise ValueError("it has no end")


class _Machine:
    """The values that a pickle has made so far, and its instructions."""

    def __init__(
        self, calls: Mapping[str, Callable[..., Any]], outside: Callable[[Any], Any] | None
    ) -> None:
        self.calls, self.outside = calls, outside
        self.stack: list[Any] = []
        self.marks: list[int] = []  # lengths of the stack
        self.memo: dict[int, Any] = {}

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def push_name(self, name: str) -> None:
        self.push(Inert(name.replace(" ", ".")))

    def push_named(self, _: Any) -> None:
        module, name = self.pop(2)
        self.push(Inert(f"{module}.{name}"))

    def push_outside(self, _: Any) -> None:
        if self.outside is None:
            raise ValueError("it refers to something outside of it")
        self.push(self.outside(*self.pop(1)))

    def mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def remember(self, place: int | None) -> None:
        self.memo[len(self.memo) if place is None else int(place)] = self.stack[-1]

    def recall(self, place: int) -> None:
        self.push(self.memo[int(place)])

    def extend(self, items: tuple[Any, ...]) -> None:
        self.top(list).extend(items)

    def update(self, items: tuple[Any, ...]) -> None:
        self.top(dict).update(zip(items[::2], items[1::2], strict=True))

    def build(self, _: Any) -> None:
        (state,) = self.pop(1)
        if not isinstance(self.stack[-1], dict):  # attributes of an OrderedDict are never read
            self.top(Inert).state = state

    def add(self, _: Any) -> None:
        items = self.since_mark()
        self.top(set).update(items)

    def call_with_names(self, _: Any) -> None:
        function, arguments, names = self.pop(3)
        for value in (function, (*arguments, names)):
            self.push(value)
        self.call(None)

    def call(self, _: Any) -> None:
        function, arguments = self.pop(2)
        if not isinstance(function, Inert) or not isinstance(arguments, tuple):
            raise TypeError(f"it calls a {type(function).__name__}")
        known = self.calls.get(function.name)
        self.push(known(*arguments) if known else Inert(function.name, arguments))

    def pop(self, n: int) -> tuple[Any, ...]:
        if not 0 <= n <= len(self.stack):
            raise ValueError("it takes more values than it has made")
        items = tuple(self.stack[len(self.stack) - n :])
        del self.stack[len(self.stack) - n :]
        return items

    def since_mark(self) -> tuple[Any, ...]:
        return self.pop(len(self.stack) - self.marks.pop())

    def top(self, kind: type[Any]) -> Any:
        if not isinstance(self.stack[-1], kind):
            raise TypeError(f"it has a {type(self.stack[-1]).__name__} for a {kind.__name__}")
        return self.stack[-1]


_Instruction = Callable[[_Machine, Any], object]


def _each(instruction: _Instruction, *names: str) -> dict[str, _Instruction]:
    return dict.fromkeys(names, instruction)


_INSTRUCTIONS: dict[str, _Instruction] = {
    **_each(lambda machine, _: None, "PROTO", "FRAME"),
    **_each(_Machine.push, "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"),
    **_each(_Machine.push, "FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING"),
    **_each(_Machine.push, "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    **_each(_Machine.push, "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_SET": lambda machine, _: machine.push(set()),
    "MARK": _Machine.mark,
    "TUPLE1": lambda machine, _: machine.push(machine.pop(1)),
    "TUPLE2": lambda machine, _: machine.push(machine.pop(2)),
    "TUPLE3": lambda machine, _: machine.push(machine.pop(3)),
    "TUPLE": lambda machine, _: machine.push(machine.since_mark()),
    "LIST": lambda machine, _: machine.push([*machine.since_mark()]),
    "FROZENSET": lambda machine, _: machine.push(frozenset(machine.since_mark())),
    "APPEND": lambda machine, _: machine.extend(machine.pop(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.since_mark()),
    "SETITEM": lambda machine, _: machine.update(machine.pop(2)),
    "SETITEMS": lambda machine, _: machine.update(machine.since_mark()),
    "ADDITEMS": _Machine.add,
    **_each(_Machine.remember, "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"),
    **_each(_Machine.recall, "GET", "BINGET", "LONG_BINGET"),
    "POP": lambda machine, _: machine.pop(1),
    "GLOBAL": _Machine.push_name,
    "STACK_GLOBAL": _Machine.push_named,
    **_each(_Machine.call, "REDUCE", "NEWOBJ"),
    "NEWOBJ_EX": _Machine.call_with_names,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.push_outside,
}
