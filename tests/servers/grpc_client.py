"""grpc_client.py PORT: calls the echo service of grpc_echo.cpp a hundred times and says "right" if all answers are."""

import sys

import grpc


def message(payload):
    """A protobuf message with one field of bytes: its key, the length as a varint, the bytes."""
    length, varint = len(payload), bytearray()
    while length > 127:
        varint.append(length & 127 | 128)
        length >>= 7
    return b"\x0a" + bytes(varint) + bytes([length]) + payload


with grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}") as channel:
    echo = channel.unary_unary("/echo.Echo/Echo")
    for number in range(100):
        sent = message(bytes([number]) * (1 + number * 1000))
        assert echo(sent, timeout=20) == sent, number
print("right")
