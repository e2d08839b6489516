"""A chat-completions service on the loopback interface: for tests, and to try prompts by hand.

It answers each request with what a function of it returns, well or badly as that function likes.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Content = dict[str, Any]


@dataclass
class Reply:
    """What the service sends; ``body`` replaces the completion that holds ``text``."""

    text: str = ""
    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[bytes] | None = None
    """Sent one by one instead of a body, with ``pause`` seconds in between."""
    pause: float = 0.0
    finish: str = "stop"
    usage: tuple[int, int] | None = (100, 10)


class ChatService:
    """Answers each request with what ``reply`` makes of it, and remembers all requests."""

    def __init__(self) -> None:
        self.reply: Callable[[Content], Reply] = lambda content: Reply("hello")
        self.requests: list[Content] = []
        self.headers: list[dict[str, str]] = []
        self.closing = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                content = json.loads(self.rfile.read(length))
                service.requests.append(content)
                service.headers.append({k.lower(): v for k, v in self.headers.items()})
                service.send(self, content, service.reply(content))

            def log_message(self, format: str, *args: object) -> None:
                """Stay silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1"

    def send(self, handler: BaseHTTPRequestHandler, content: Content, reply: Reply) -> None:
        try:
            if reply.pieces is not None:
                self._send_slowly(handler, reply)
            elif reply.status == 200 and content.get("stream") and reply.body is None:
                self._send(handler, reply, events(content, reply), "text/event-stream")
            else:
                body = reply.body
                if body is None:
                    body = json.dumps(completion(content, reply)).encode()
                self._send(handler, reply, body, "application/json")
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client has given up, which is what some tests want

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply, body: bytes, kind: str) -> None:
        self.closing.wait(reply.pause)
        handler.send_response(reply.status)
        for name, value in {"Content-Type": kind, **reply.headers}.items():
            handler.send_header(name, value)
        if "Content-Length" not in reply.headers:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _send_slowly(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        assert reply.pieces is not None
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("Connection", "close")
        handler.end_headers()
        for piece in reply.pieces:
            handler.wfile.write(piece)
            handler.wfile.flush()
            if self.closing.wait(reply.pause):
                break
        handler.close_connection = True

    def close(self) -> None:
        """Stop answering; may be called again."""
        if not self.closing.is_set():
            self.closing.set()
            self.server.shutdown()
            self.server.server_close()
            self.thread.join()


def completion(content: Content, reply: Reply) -> Content:
    """A chat completion as OpenAI's service sends it."""
    if reply.status != 200:
        return {"error": {"message": reply.text, "type": "error"}}
    message = {"role": "assistant", "content": reply.text}
    found: Content = {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": content["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": reply.finish}],
    }
    if reply.usage is not None:
        prompt, answer = reply.usage
        found["usage"] = {
            "prompt_tokens": prompt,
            "completion_tokens": answer,
            "total_tokens": prompt + answer,
        }
    return found


def events(content: Content, reply: Reply) -> bytes:
    """The same answer in pieces of seven characters, as server-sent events."""
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": content["model"]}
    rows: list[Content] = []
    for start in range(0, len(reply.text), 7):
        delta = {"content": reply.text[start : start + 7]}
        rows.append({**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    last = {"index": 0, "delta": {}, "finish_reason": reply.finish}
    rows.append({**chunk, "choices": [last]})
    if reply.usage is not None:
        usage = completion(content, reply)["usage"]
        rows.append({**chunk, "choices": [], "usage": usage})
    text = "".join(f"data: {json.dumps(row)}\n\n" for row in rows)
    return (text + "data: [DONE]\n\n").encode()
