"""A model that gives back what it was given, after as many seconds as the request's parameter "delay" says. With a parameter "crash"
its process crashes, in an extension module."""

import ctypes
import json
import time

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        parameters = json.loads(request.parameters() or "{}")
        delay = parameters.get("delay")
        if parameters.get("crash"):
            ctypes.string_at(0)
        if delay:
            print("echo waits", flush=True)
            time.sleep(float(delay))
        given = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUT", given)])
