"""Two batch interfaces on loopback, made from their documented schemas; the real ones are not asked."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

YES = {"supported": 0.9, "contradicted": 0.04, "insufficient": 0.06}


class BatchServer:
    """Keeps files and batches; `end` ends them, `outcome` says what becomes of each request."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        """Every custom_id of every batch, in order."""
        self.headers: list[dict[str, str]] = []
        self.outcome: Callable[[str, str, str], Any] = lambda _id, claim, evidence: json.dumps(YES)
        self.lose_next_answer = False
        """A batch is created, and the connection breaks before the answer."""
        self.down = False
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                server.answer(self, None)

            def do_POST(self) -> None:
                server.answer(self, self.rfile.read(int(self.headers["content-length"])))

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.host = f"http://127.0.0.1:{self.http.server_port}"
        self.url = f"{self.host}/v1"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes | None) -> None:
        self.headers.append({name.lower(): value for name, value in handler.headers.items()})
        parts = urlsplit(handler.path)
        status, content = self.respond(parts.path.removeprefix("/v1/"), parse_qs(parts.query), body)
        if body is not None and "batches" in parts.path and self.lose_next_answer:
            self.lose_next_answer = False
            handler.connection.close()
            return
        handler.send_response(status)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def respond(self, path: str, query: dict[str, list[str]], body: bytes | None) -> tuple[int, bytes]:
        if self.down:
            return 503, b"later"
        if path == "files" and body is not None:
            return self.upload(self.headers[-1]["content-type"], body)
        if path == "batches" and body is not None:
            return 200, json.dumps(self.create(json.loads(body))).encode()
        if path == "messages/batches" and body is not None:
            return 200, json.dumps(self.create_messages(json.loads(body))).encode()
        if path in ("batches", "messages/batches"):
            newest = list(reversed(self.batches.values()))
            after = (query.get("after") or query.get("after_id") or [None])[0]
            names = [each["id"] for each in newest]
            rest = newest[names.index(after) + 1 :] if after else newest
            return 200, json.dumps({"data": rest[:1], "has_more": len(rest) > 1}).encode()
        if found := re.fullmatch(r"files/([^/]+)/content", path):
            return 200, self.files[found[1]]
        if found := re.fullmatch(r"messages/batches/([^/]+)/results", path):
            return 200, self.files[found[1]]
        batch = self.batches.get(path.rsplit("/", 1)[-1])
        return (404, b"{}") if batch is None else (200, json.dumps(batch).encode())

    def upload(self, content_type: str, body: bytes) -> tuple[int, bytes]:
        message = BytesParser(policy=HTTP).parsebytes(
            b"content-type: " + content_type.encode() + b"\r\n\r\n" + body
        )
        fields = {
            part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
            for part in message.iter_parts()
        }
        assert fields["purpose"] == b"batch"
        name = f"file-{len(self.files)}"
        self.files[name] = fields["file"]
        return 200, json.dumps({"id": name, "object": "file", "purpose": "batch"}).encode()

    def create(self, order: dict[str, Any]) -> dict[str, Any]:
        assert order["endpoint"] == "/v1/chat/completions"
        assert order["completion_window"] == "24h"
        lines = [json.loads(line) for line in self.files[order["input_file_id"]].splitlines()]
        assert {line["method"] for line in lines} == {"POST"}
        self.asked += [line["custom_id"] for line in lines]
        name = f"batch_{len(self.batches)}"
        self.batches[name] = {
            "id": name,
            "object": "batch",
            "endpoint": order["endpoint"],
            "input_file_id": order["input_file_id"],
            "completion_window": "24h",
            "status": "validating",
            "created_at": int(datetime.now(UTC).timestamp()),
            "metadata": order["metadata"],
            "output_file_id": None,
            "error_file_id": None,
            "errors": None,
            "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
        }
        return self.batches[name]

    def create_messages(self, order: dict[str, Any]) -> dict[str, Any]:
        name = f"msgbatch_{len(self.batches)}"
        assert all(re.fullmatch("[a-zA-Z0-9_-]{1,64}", each["custom_id"]) for each in order["requests"])
        self.asked += [each["custom_id"] for each in order["requests"]]
        self.files[f"{name}-input"] = json.dumps(order).encode()
        counts = {
            "processing": len(order["requests"]),
            "succeeded": 0,
            "errored": 0,
            "canceled": 0,
            "expired": 0,
        }
        self.batches[name] = {
            "id": name,
            "type": "message_batch",
            "processing_status": "in_progress",
            "request_counts": counts,
            "created_at": datetime.now(UTC).isoformat(),
            "results_url": None,
        }
        return self.batches[name]

    def end(self, status: str = "completed") -> None:
        """Ends every batch that has not ended: `completed`, `expired` or `failed`."""
        for batch in self.batches.values():
            if batch.get("processing_status") == "in_progress":
                self.end_messages(batch)
            elif batch.get("status") in ("validating", "in_progress"):
                self.end_completions(batch, status)

    def end_completions(self, batch: dict[str, Any], status: str) -> None:
        batch["status"] = status
        if status == "failed":
            batch["errors"] = {"object": "list", "data": [{"code": "token_limit_exceeded", "message": "no"}]}
            return
        done, failed = [], []
        for line in self.files[batch["input_file_id"]].splitlines():
            record = json.loads(line)
            said = self.outcome(record["custom_id"], *asked(record["body"]["messages"][1]["content"]))
            head = {"id": "batch_req_1", "custom_id": record["custom_id"]}
            if said is None:
                code = "batch_expired" if status == "expired" else "server_error"
                failed.append({**head, "response": None, "error": {"code": code, "message": "no"}})
            else:
                body = {
                    "object": "chat.completion",
                    "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": said}}],
                    "usage": {"prompt_tokens": 200, "completion_tokens": 20},
                }
                response = {"status_code": 200, "request_id": "r", "body": body}
                done.append({**head, "response": response, "error": None})
        for key, records in (("output_file_id", done), ("error_file_id", failed)):
            if records:
                batch[key] = f"file-{key}-{batch['id']}"
                self.files[batch[key]] = "\n".join(json.dumps(each) for each in records).encode()

    def end_messages(self, batch: dict[str, Any]) -> None:
        lines = []
        for each in json.loads(self.files[f"{batch['id']}-input"])["requests"]:
            said = self.outcome(each["custom_id"], *asked(each["params"]["messages"][0]["content"]))
            message = {
                "type": "message",
                "content": [{"type": "text", "text": said}],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": 200, "output_tokens": 20},
            }
            result = {"type": "expired"} if said is None else {"type": "succeeded", "message": message}
            lines.append(json.dumps({"custom_id": each["custom_id"], "result": result}))
        self.files[batch["id"]] = "\n".join(lines).encode()
        batch["processing_status"] = "ended"
        batch["results_url"] = f"{self.url}/messages/batches/{batch['id']}/results"


def asked(text: str) -> tuple[str, str]:
    """(claim, evidence) as a careful reader finds them: between the marks."""
    found = re.fullmatch(r"<data-([0-9a-f]{32})>\n(.*)\n</data-\1>", text)
    assert found, "a text outside the fence"
    data = json.loads(found[2])
    return data["claim"], data["evidence"]
