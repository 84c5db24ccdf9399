"""Protocol buffers, as much of them as a graph needs: https://protobuf.dev/programming-guides/encoding.

A message is the concatenation of its fields; a field is its number with the kind of its value, and the value.
"""

from collections.abc import Iterator
from typing import Any

VARINT, LENGTH = 0, 2  # the kinds: an integer of any size; bytes, text or a message


def integer(number: int, value: int) -> bytes:
    """A field that holds a non-negative integer, a truth value or a member of an enumeration."""
    return _varint(number << 3 | VARINT) + _varint(value)


def nested(number: int, *parts: bytes) -> bytes:
    """A field that holds bytes, text or the fields of a message."""
    value = b"".join(parts)
    return _varint(number << 3 | LENGTH) + _varint(len(value)) + value


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """The numbers and values of a message's fields, in order; a value is an integer or bytes.

    Raises `ValueError` for what the two above do not write.
    """
    position = 0
    while position < len(message):
        key, position = _read_varint(message, position)
        value, position = _read_varint(message, position)
        if key & 7 == VARINT:
            yield key >> 3, value
        elif key & 7 == LENGTH and position + value <= len(message):
            yield key >> 3, message[position : position + value]
            position += value
        else:
            raise ValueError(f"no field that is known, or it is cut, before byte {position}")


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    value = 0
    for i, byte in enumerate(message[position : position + 10]):
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return value, position + i + 1
    raise ValueError(f"no integer at byte {position}")
