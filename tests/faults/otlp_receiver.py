"""What a viewer of traces is: it takes them by OTLP over HTTP. And Sentry, which takes errors."""

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Receiver:
    """Listens on a free port; keeps the ``spans`` by their ids, the ``lines``, the ``errors``."""

    def __init__(self) -> None:
        self.spans: dict = {}
        self.lines: list = []
        self.errors: list[dict] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver.take(self.path, body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.sentry_dsn = f"http://key@127.0.0.1:{self.server.server_port}/1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            for of in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in of.scope_spans:
                    self.spans |= {span.span_id.hex(): span for span in scope.spans}
        elif path == "/v1/logs":
            for of in ExportLogsServiceRequest.FromString(body).resource_logs:
                self.lines += [line for scope in of.scope_logs for line in scope.log_records]
        elif path == "/api/1/envelope/":
            _, *items = map(json.loads, body.splitlines())
            kinds = zip(items[::2], items[1::2], strict=True)
            self.errors += [item for head, item in kinds if head["type"] == "event"]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
