"""A proxy in front of an S3 server that can be told to answer 503."""

import http.client
import http.server
import threading


class UnwellProxy:
    def __init__(self, port: int):
        proxy = self
        self.unwell = threading.Event()
        self.refused = 0

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def relay(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if proxy.unwell.is_set():
                    proxy.refused += 1
                    text = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
                    self.answer(503, [("Content-Type", "application/xml")], text)
                    return
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                # The headers as they are: the signature covers the Host.
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    connection.putheader(name, value)
                connection.endheaders(body)
                reply = connection.getresponse()
                headers = [(n, v) for n, v in reply.getheaders() if n.lower() not in ("transfer-encoding", "connection")]
                content = reply.read()
                if self.command == "HEAD":
                    content = b""
                else:
                    headers = [(n, v) for n, v in headers if n.lower() != "content-length"]
                self.answer(reply.status, headers, content)
                connection.close()

            def answer(self, status, headers, body):
                self.send_response_only(status)
                for name, value in headers:
                    self.send_header(name, value)
                if self.command != "HEAD":
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = relay

            def handle_expect_100(self):
                self.send_response_only(100)
                self.end_headers()
                return True

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
