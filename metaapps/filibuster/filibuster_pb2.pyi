from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SignedOrders(_message.Message):
    __slots__ = ("orders", "signature")
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    orders: bytes
    signature: bytes
    def __init__(self, orders: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class Orders(_message.Message):
    __slots__ = ("execution", "expires", "coordinator", "by_payload", "real_latency", "calls", "fault_of", "target_of", "faults", "targets")
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    COORDINATOR_FIELD_NUMBER: _ClassVar[int]
    BY_PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    REAL_LATENCY_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    FAULT_OF_FIELD_NUMBER: _ClassVar[int]
    TARGET_OF_FIELD_NUMBER: _ClassVar[int]
    FAULTS_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    execution: str
    expires: int
    coordinator: str
    by_payload: bool
    real_latency: bool
    calls: bytes
    fault_of: _containers.RepeatedScalarFieldContainer[int]
    target_of: _containers.RepeatedScalarFieldContainer[int]
    faults: _containers.RepeatedCompositeFieldContainer[Fault]
    targets: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, execution: _Optional[str] = ..., expires: _Optional[int] = ..., coordinator: _Optional[str] = ..., by_payload: bool = ..., real_latency: bool = ..., calls: _Optional[bytes] = ..., fault_of: _Optional[_Iterable[int]] = ..., target_of: _Optional[_Iterable[int]] = ..., faults: _Optional[_Iterable[_Union[Fault, _Mapping]]] = ..., targets: _Optional[_Iterable[str]] = ...) -> None: ...

class Fault(_message.Message):
    __slots__ = ("kind", "status", "name", "body", "seconds", "edit", "late")
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    EDIT_FIELD_NUMBER: _ClassVar[int]
    LATE_FIELD_NUMBER: _ClassVar[int]
    kind: str
    status: int
    name: str
    body: bytes
    seconds: float
    edit: str
    late: bool
    def __init__(self, kind: _Optional[str] = ..., status: _Optional[int] = ..., name: _Optional[str] = ..., body: _Optional[bytes] = ..., seconds: _Optional[float] = ..., edit: _Optional[str] = ..., late: bool = ...) -> None: ...

class Lineage(_message.Message):
    __slots__ = ("index", "process", "processes", "clock", "origin")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    PROCESSES_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    index: bytes
    process: str
    processes: _containers.RepeatedScalarFieldContainer[str]
    clock: _containers.RepeatedScalarFieldContainer[int]
    origin: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, index: _Optional[bytes] = ..., process: _Optional[str] = ..., processes: _Optional[_Iterable[str]] = ..., clock: _Optional[_Iterable[int]] = ..., origin: _Optional[_Iterable[int]] = ...) -> None: ...

class Observation(_message.Message):
    __slots__ = ("role", "index", "parent", "position", "source", "target", "by_test", "library", "method", "operation", "arguments", "module", "function", "line", "occurrence", "payload", "timeout", "clock", "origin", "raised", "status", "ok", "digest", "injected", "delayed", "processes", "by_payload", "ambiguous")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    BY_TEST_FIELD_NUMBER: _ClassVar[int]
    LIBRARY_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    MODULE_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    OCCURRENCE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    RAISED_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    OK_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    INJECTED_FIELD_NUMBER: _ClassVar[int]
    DELAYED_FIELD_NUMBER: _ClassVar[int]
    PROCESSES_FIELD_NUMBER: _ClassVar[int]
    BY_PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    AMBIGUOUS_FIELD_NUMBER: _ClassVar[int]
    role: str
    index: bytes
    parent: bytes
    position: int
    source: str
    target: str
    by_test: bool
    library: str
    method: str
    operation: str
    arguments: str
    module: str
    function: str
    line: int
    occurrence: int
    payload: bytes
    timeout: float
    clock: _containers.RepeatedScalarFieldContainer[int]
    origin: _containers.RepeatedScalarFieldContainer[int]
    raised: str
    status: int
    ok: bool
    digest: bytes
    injected: Fault
    delayed: float
    processes: _containers.RepeatedScalarFieldContainer[str]
    by_payload: bool
    ambiguous: bool
    def __init__(self, role: _Optional[str] = ..., index: _Optional[bytes] = ..., parent: _Optional[bytes] = ..., position: _Optional[int] = ..., source: _Optional[str] = ..., target: _Optional[str] = ..., by_test: bool = ..., library: _Optional[str] = ..., method: _Optional[str] = ..., operation: _Optional[str] = ..., arguments: _Optional[str] = ..., module: _Optional[str] = ..., function: _Optional[str] = ..., line: _Optional[int] = ..., occurrence: _Optional[int] = ..., payload: _Optional[bytes] = ..., timeout: _Optional[float] = ..., clock: _Optional[_Iterable[int]] = ..., origin: _Optional[_Iterable[int]] = ..., raised: _Optional[str] = ..., status: _Optional[int] = ..., ok: bool = ..., digest: _Optional[bytes] = ..., injected: _Optional[_Union[Fault, _Mapping]] = ..., delayed: _Optional[float] = ..., processes: _Optional[_Iterable[str]] = ..., by_payload: bool = ..., ambiguous: bool = ...) -> None: ...

class Report(_message.Message):
    __slots__ = ("execution", "observations", "parcels")
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    PARCELS_FIELD_NUMBER: _ClassVar[int]
    execution: str
    observations: _containers.RepeatedScalarFieldContainer[bytes]
    parcels: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, execution: _Optional[str] = ..., observations: _Optional[_Iterable[bytes]] = ..., parcels: _Optional[_Iterable[bytes]] = ...) -> None: ...
