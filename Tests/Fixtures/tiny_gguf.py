"""Just enough of GGUF version 3 to write small files byte by byte, also wrong ones, and to list the tensors
of right ones. Standard library only, so that what it writes does not depend on the library under test."""

import struct

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
FORMATS = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "?", U64: "Q", I64: "q", F64: "d"}

# type id: (name, elements of a block, bytes of a block)
TENSOR_TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 20: ("IQ4_NL", 32, 18), 23: ("IQ4_XS", 256, 136), 30: ("BF16", 1, 2),
    42: ("Q2_0", 64, 18),
}


def padded(size: int, alignment: int = 32) -> int:
    return -(-size // alignment) * alignment


def string(value, order: str = "<") -> bytes:
    data = value if isinstance(value, bytes) else value.encode("utf-8")
    return struct.pack(order + "Q", len(data)) + data


def scalar(kind: int, value, order: str = "<") -> bytes:
    return string(value, order) if kind == STRING else struct.pack(order + FORMATS[kind], value)


def pair(key, kind: int, value, order: str = "<") -> bytes:
    """A key-value pair. For an array the value is (element type, list)."""
    head = string(key, order) + struct.pack(order + "i", kind)
    if kind == ARRAY:
        element, values = value
        return head + struct.pack(order + "iQ", element, len(values)) + b"".join(scalar(element, v, order) for v in values)
    return head + scalar(kind, value, order)


def tensor_info(name, dims, kind: int, offset: int, order: str = "<") -> bytes:
    return (string(name, order) + struct.pack(order + "I", len(dims)) + struct.pack(order + f"{len(dims)}q", *dims)
            + struct.pack(order + "iQ", kind, offset))


def container(pairs, infos, data: bytes, *, magic: bytes = b"GGUF", version: int = 3, n_tensors=None, n_pairs=None,
              alignment: int = 32, order: str = "<") -> bytes:
    head = magic + struct.pack(order + "Iqq", version, len(infos) if n_tensors is None else n_tensors,
                               len(pairs) if n_pairs is None else n_pairs) + b"".join(pairs) + b"".join(infos)
    return head + bytes(padded(len(head), alignment) - len(head)) + data


def layout(tensors, alignment: int = 32, order: str = "<"):
    """Infos and padded data of [(name, dims, type, bytes)]."""
    infos, data = [], b""
    for name, dims, kind, values in tensors:
        infos.append(tensor_info(name, dims, kind, len(data), order))
        data += values + bytes(padded(len(values), alignment) - len(values))
    return infos, data


def write(pairs, tensors) -> bytes:
    infos, data = layout(tensors)
    return container(pairs, infos, data)


class Reader:
    """Tensors of a right file: name -> (type name, dims, bytes), and the plain key-value pairs."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0
        assert self._take(4) == b"GGUF" and self._value(U32) == 3
        n_tensors, n_pairs = self._value(I64), self._value(I64)
        self.pairs = {}
        for _ in range(n_pairs):
            key = self._value(STRING)
            self.pairs[key] = self._typed(self._value(I32))
        infos = []
        for _ in range(n_tensors):
            name = self._value(STRING)
            dims = [self._value(I64) for _ in range(self._value(U32))]
            infos.append((name, dims, self._value(I32), self._value(U64)))
        self.start = padded(self.at)     # of the tensor data
        self.tensors = {}
        for name, dims, kind, offset in infos:
            type_name, block, size = TENSOR_TYPES[kind]
            elements = 1
            for dim in dims:
                elements *= dim
            begin = self.start + offset
            self.tensors[name] = (type_name, dims, data[begin:begin + elements // block * size])

    def _take(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count:self.at]

    def _value(self, kind: int):
        if kind == STRING:
            return self._take(self._value(U64)).decode("utf-8")
        return struct.unpack("<" + FORMATS[kind], self._take(struct.calcsize(FORMATS[kind])))[0]

    def _typed(self, kind: int):
        if kind != ARRAY:
            return self._value(kind)
        element = self._value(I32)
        return [self._value(element) for _ in range(self._value(U64))]
