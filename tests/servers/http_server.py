"""Python's http.server with SIGPIPE as a shell gives it, which command line programs often ask for.

GET /small and /big (8 MiB).
"""

import http.server
import signal
import sys

signal.signal(signal.SIGPIPE, signal.SIG_DFL)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
BODIES = {"/small": b"small", "/big": b"b" * (8 << 20)}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = BODIES[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.HTTPServer):
    request_queue_size = 128

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


server = Server(("127.0.0.1", 0), Handler)
print("listening on", server.server_address[1], flush=True)
server.serve_forever()
