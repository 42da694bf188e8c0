"""A web server that notes what it is told, with a secret in its address."""

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

SECRET = "T0K3N-of-this-test"


class Web:
    """A server on this machine. answers: HTTP statuses, the last one for ever."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.answers, self.asked = [200], 0
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                web.asked += 1
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = web.answers.pop(0) if len(web.answers) > 1 else web.answers[0]
                if answer == 200:
                    web.heard.append(body)
                self.send_response(answer)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/{SECRET}"

    def __enter__(self) -> "Web":
        os.environ["no_proxy"] = "127.0.0.1"
        self._thread = threading.Thread(target=lambda: self.server.serve_forever(0.02), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()
