"""aiohttp's static files (sendfile) with SIGPIPE as a shell gives it. GET /files/NAME out of the directory given."""

import signal
import sys

from aiohttp import web


async def announce(app):
    print("listening on", app["socket"].getsockname()[1], flush=True)


import socket

signal.signal(signal.SIGPIPE, signal.SIG_DFL)
app = web.Application()
app.router.add_static("/files", sys.argv[1])
app["socket"] = socket.create_server(("127.0.0.1", 0), backlog=128)
app.on_startup.append(announce)
web.run_app(app, sock=app["socket"], print=None)
