"""A page and a ticket, through a real Alertmanager and robots.py, to robots that verify form and signature."""

import base64
import hashlib
import hmac
import http.server
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
from urllib.parse import parse_qs, urlsplit

from fleet import ROOT, free_port, get, until

FOLDER = ROOT / "deploy" / "alertmanager"
SECRET = "SEC-of-a-robot"
received = []


class Robot(http.server.BaseHTTPRequestHandler):
    """Refuses the first message, so that it must come again."""

    refused = set()

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        url = urlsplit(self.path)
        robot, query = url.path.strip("/"), parse_qs(url.query)
        code = 0
        if robot not in self.refused:
            self.refused.add(robot)
            code = 45009
        else:
            received.append((robot, query, body))
        answer = json.dumps({"errcode": code} if robot != "feishu" else {"code": code}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def signed(key, message):
    return base64.b64encode(hmac.digest(key.encode(), message.encode(), hashlib.sha256)).decode()


def main():
    robots = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Robot)
    threading.Thread(target=robots.serve_forever, daemon=True).start()
    running = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name in ("wecom", "dingtalk", "feishu"):
            (folder / f"{name}-url").write_text(f"http://127.0.0.1:{robots.server_port}/{name}?token=x\n")
        for name in ("dingtalk", "feishu"):
            (folder / f"{name}-secret").write_text(SECRET)
        ours, manager = free_port(), free_port()
        config = (FOLDER / "alertmanager.yml").read_text().replace("robots:8090", f"127.0.0.1:{ours}")
        for slow, fast in (("20s", "1s"), ("10s", "1s"), ("2m", "2s")):
            config = config.replace(f": {slow}\n", f": {fast}\n")
        (folder / "alertmanager.yml").write_text(config)
        try:
            for command in (
                [sys.executable, FOLDER / "robots.py", f"--listen=127.0.0.1:{ours}", f"--urls={folder}"],
                ["prometheus-alertmanager", f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/data",
                 f"--web.listen-address=127.0.0.1:{manager}", "--cluster.listen-address="],
            ):
                log = open(folder / "log", "ab")
                running.append(subprocess.Popen([str(part) for part in command], stdout=log, stderr=log))
            until("Alertmanager", lambda: get(f"http://127.0.0.1:{manager}/-/ready"))
            until("robots.py", lambda: get(f"http://127.0.0.1:{ours}/"))
            alert = lambda name, severity: {
                "labels": {"alertname": name, "severity": severity, "namespace": "wechat", "job": "token-broker", "appid": "wx0000000000000001"},
                "annotations": {"summary": f"wx0000000000000001: {name} 剩余 20m", "runbook_url": f"https://git.example.com/{name}.md"},
            }
            sent = [alert("TokenBrokerNoLiveGrant", "page"), alert("TokenBrokerGrantExpiresSoon", "page"),
                    alert("TokenBrokerForeignFetcher", "ticket"), alert("TokenBrokerForeignFetcher", "page"),
                    alert("TokenBrokerPanics", "ticket")]
            request = __import__("urllib.request").request.Request(
                f"http://127.0.0.1:{manager}/api/v2/alerts", json.dumps(sent).encode(), {"Content-Type": "application/json"})
            __import__("urllib.request").request.urlopen(request).read()
            told = lambda robot: " ".join(json.dumps(body, ensure_ascii=False) for name, _, body in received if name == robot)
            for robot in ("wecom", "dingtalk", "feishu"):
                until(f"the page at {robot}", lambda: "NoLiveGrant 剩余" in told(robot) and "ForeignFetcher 剩余" in told(robot))
            until("the ticket at WeCom", lambda: "Panics 剩余" in told("wecom"))
            time.sleep(3)
            log = (folder / "log").read_text()
        finally:
            for process in running:
                process.kill()
                process.wait()
    assert "Panics" not in told("feishu"), "a ticket pages"
    assert "GrantExpiresSoon" not in told("wecom"), "the cause is told beside what it came to"
    assert "待办】TokenBrokerForeignFetcher" not in told("wecom"), "the ticket is told beside its page"
    assert "【紧急】TokenBrokerNoLiveGrant" in told("wecom") and "https://git.example.com" in told("wecom")
    for robot, query, body in received:
        if robot == "dingtalk":
            assert query["sign"] == [signed(SECRET, f"{query['timestamp'][0]}\n{SECRET}")], query
            assert body["msgtype"] == "markdown" and body["markdown"]["title"] and body["markdown"]["text"]
        elif robot == "feishu":
            assert body["sign"] == signed(f"{body['timestamp']}\n{SECRET}", ""), body
            assert body["msg_type"] == "interactive" and body["card"]["elements"][0]["content"]
        else:
            assert body["msgtype"] == "markdown" and len(body["markdown"]["content"].encode()) <= 4096
    assert "token=x" not in log.split("level=")[0], "a robot's URL is logged"
    print(f"{len(received)} messages delivered, after each robot refused the first; inhibited and routed as meant")


if __name__ == "__main__":
    main()
