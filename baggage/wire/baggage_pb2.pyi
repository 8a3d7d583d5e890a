from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Baggage(_message.Message):
    __slots__ = ("blocks", "over", "down", "home", "origin", "lent")
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    OVER_FIELD_NUMBER: _ClassVar[int]
    DOWN_FIELD_NUMBER: _ClassVar[int]
    HOME_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    LENT_FIELD_NUMBER: _ClassVar[int]
    blocks: _containers.RepeatedCompositeFieldContainer[Block]
    over: _containers.RepeatedCompositeFieldContainer[Marker]
    down: _containers.RepeatedCompositeFieldContainer[Entry]
    home: _containers.RepeatedCompositeFieldContainer[Entry]
    origin: str
    lent: _containers.RepeatedCompositeFieldContainer[Loan]
    def __init__(self, blocks: _Optional[_Iterable[_Union[Block, _Mapping]]] = ..., over: _Optional[_Iterable[_Union[Marker, _Mapping]]] = ..., down: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ..., home: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ..., origin: _Optional[str] = ..., lent: _Optional[_Iterable[_Union[Loan, _Mapping]]] = ...) -> None: ...

class Loan(_message.Message):
    __slots__ = ("root", "id")
    ROOT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    root: int
    id: bytes
    def __init__(self, root: _Optional[int] = ..., id: _Optional[bytes] = ...) -> None: ...

class Marker(_message.Message):
    __slots__ = ("priority", "key")
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    priority: int
    key: str
    def __init__(self, priority: _Optional[int] = ..., key: _Optional[str] = ...) -> None: ...

class Block(_message.Message):
    __slots__ = ("root", "flat", "tree", "entries")
    ROOT_FIELD_NUMBER: _ClassVar[int]
    FLAT_FIELD_NUMBER: _ClassVar[int]
    TREE_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    root: int
    flat: int
    tree: bytes
    entries: _containers.RepeatedCompositeFieldContainer[Entry]
    def __init__(self, root: _Optional[int] = ..., flat: _Optional[int] = ..., tree: _Optional[bytes] = ..., entries: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ...) -> None: ...

class Entry(_message.Message):
    __slots__ = ("key", "raw", "text", "integer", "real", "truth", "height", "point", "type", "priority")
    KEY_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    INTEGER_FIELD_NUMBER: _ClassVar[int]
    REAL_FIELD_NUMBER: _ClassVar[int]
    TRUTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    POINT_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    key: str
    raw: bytes
    text: str
    integer: int
    real: float
    truth: bool
    height: int
    point: bytes
    type: int
    priority: int
    def __init__(self, key: _Optional[str] = ..., raw: _Optional[bytes] = ..., text: _Optional[str] = ..., integer: _Optional[int] = ..., real: _Optional[float] = ..., truth: bool = ..., height: _Optional[int] = ..., point: _Optional[bytes] = ..., type: _Optional[int] = ..., priority: _Optional[int] = ...) -> None: ...
