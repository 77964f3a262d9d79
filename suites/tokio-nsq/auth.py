"""The auth server that the tests of tokio-nsq expect: whoever asks may do everything."""
import http.server
import json
import sys

ANSWER = {
    "ttl": 3600,
    "identity": "username",
    "identity_url": "https://test.com",
    "authorizations": [{"topic": ".*", "channels": [".*"], "permissions": ["subscribe", "publish"]}],
}


class Auth(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Auth).serve_forever()
