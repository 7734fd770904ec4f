"""triton_client.py HTTP_PORT GRPC_PORT: correct requests to the model "echo", by HTTP and gRPC at once, until SIGTERM.

Prints "asking" once both have had an answer, and how many each had at the end. A wrong answer or none ends it with 1.
"""

import os
import signal
import sys
import threading

import numpy
import tritonclient.grpc
import tritonclient.http

over = threading.Event()
asked = {"http": 0, "grpc": 0}
first = threading.Barrier(3)


def ask(kind, library, port):
    random = numpy.random.default_rng(1)
    try:
        client = library.InferenceServerClient(f"127.0.0.1:{port}")
        while not over.is_set():
            sent = random.integers(0, 256, random.integers(1, 100_000), dtype=numpy.uint8)
            given = library.InferInput("IN", list(sent.shape), "UINT8")
            given.set_data_from_numpy(sent)
            got = client.infer("echo", [given]).as_numpy("OUT")
            assert numpy.array_equal(sent, got), f"{kind}: a wrong answer"
            asked[kind] += 1
            if asked[kind] == 1:
                first.wait()
            if asked[kind] % 50 == 0:
                client.close()
                client = library.InferenceServerClient(f"127.0.0.1:{port}")
        client.close()
    except BaseException as error:
        print(f"{kind}, after {asked[kind]} answers: {error!r}", file=sys.stderr, flush=True)
        os._exit(1)


signal.signal(signal.SIGTERM, lambda *_: over.set())
threads = [
    threading.Thread(target=ask, args=("http", tritonclient.http, sys.argv[1])),
    threading.Thread(target=ask, args=("grpc", tritonclient.grpc, sys.argv[2])),
]
for thread in threads:
    thread.start()
first.wait()
print("asking", flush=True)
for thread in threads:
    thread.join()
print(f"http {asked['http']} grpc {asked['grpc']}")
