import pytest

from fsrcnn.export.protobuf import fields, integer, nested


def test_the_examples_of_the_specification():
    assert integer(1, 150) == bytes.fromhex("089601")
    assert nested(2, b"testing") == bytes.fromhex("120774657374696e67")
    assert nested(3, integer(1, 150)) == bytes.fromhex("1a03089601")


def test_fields_come_back():
    long = bytes(range(256)) * 300
    message = integer(5, 0) + nested(2, b"") + nested(900, long[:100], long[100:]) + integer(1, 2**40)
    assert list(fields(message)) == [(5, 0), (2, b""), (900, long), (1, 2**40)]


@pytest.mark.parametrize("message", [b"\x08", b"\x08\x96", b"\x12\x07testin", b"\x0d\0\0\0\0", b"\xff" * 20])
def test_what_is_cut_or_foreign_is_refused(message):
    with pytest.raises(ValueError, match="byte"):
        list(fields(message))
