"""Takes Alertmanager's webhook, and tells the robots of WeCom, DingTalk and Feishu in the form that each wants.

    robots.py --listen 127.0.0.1:8090 --urls FOLDER

FOLDER holds `wecom-url`, `dingtalk-url`, `feishu-url` and, where the robot signs, `dingtalk-secret`,
`feishu-secret`. A robot that does not take the message is answered 502, so that Alertmanager sends it again.
A URL is as secret as a key: it is never logged.
"""

import argparse
import base64
import hashlib
import hmac
import http.server
import json
import pathlib
import time
import urllib.error
import urllib.parse
import urllib.request

TIMEOUT = 5
# DingTalk and WeCom refuse longer ones (20 kB, 4096 bytes).
MOST_BYTES = 3800
HEADS = {"page": "紧急", "ticket": "待办"}


def title(group):
    """What is shown of the message on a locked screen."""
    name = group.get("commonLabels", {}).get("alertname") or "token-broker"
    if group.get("status") == "resolved":
        return f"【已恢复】{name}"
    return f"【{HEADS.get(group.get('commonLabels', {}).get('severity'), '告警')}】{name}"


def lines(group):
    for alert in group.get("alerts", []):
        notes, mark = alert.get("annotations", {}), "✅ " if alert.get("status") == "resolved" else ""
        yield f"{mark}{notes.get('summary', '')}"
        if runbook := notes.get("runbook_url"):
            # A path opens from nowhere: it is named, not linked.
            yield f"[处理手册]({runbook})" if runbook.startswith("http") else f"手册：{runbook}"
    if more := group.get("truncatedAlerts"):
        yield f"…… 另有 {more} 条"


def text(group):
    whole = "\n\n".join([f"**{title(group)}**", *lines(group)])
    if len(whole.encode()) > MOST_BYTES:
        whole = whole.encode()[:MOST_BYTES].decode(errors="ignore") + " ……"
    return whole


def wecom(group, url, _secret):
    return url, {"msgtype": "markdown", "markdown": {"content": text(group)}}


def dingtalk(group, url, secret):
    if secret:
        now = str(round(time.time() * 1000))
        digest = hmac.digest(secret.encode(), f"{now}\n{secret}".encode(), hashlib.sha256)
        query = urllib.parse.urlencode({"timestamp": now, "sign": base64.b64encode(digest).decode()})
        url = f"{url}{'&' if '?' in url else '?'}{query}"
    return url, {"msgtype": "markdown", "markdown": {"title": title(group), "text": text(group)}}


def feishu(group, url, secret):
    body = {
        "msg_type": "interactive",
        "card": {
            "header": {
                "title": {"tag": "plain_text", "content": title(group)},
                "template": "green" if group.get("status") == "resolved" else "red",
            },
            "elements": [{"tag": "markdown", "content": "\n".join(lines(group)) or title(group)}],
        },
    }
    if secret:
        now = str(int(time.time()))
        # Feishu takes time and secret as the key, over nothing.
        digest = hmac.digest(f"{now}\n{secret}".encode(), b"", hashlib.sha256)
        body |= {"timestamp": now, "sign": base64.b64encode(digest).decode()}
    return url, body


ROBOTS = {"wecom": wecom, "dingtalk": dingtalk, "feishu": feishu}


def send(robot, group, folder):
    """Answers what went wrong, or nothing."""
    read = lambda name: path.read_text().strip() if (path := folder / name).exists() else ""
    url = read(f"{robot}-url")
    if not url:
        return f"no file {robot}-url"
    url, body = ROBOTS[robot](group, url, read(f"{robot}-secret"))
    request = urllib.request.Request(
        url, json.dumps(body, ensure_ascii=False).encode(), {"Content-Type": "application/json; charset=utf-8"}
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            said = json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}"
    except (OSError, ValueError) as error:
        return type(error).__name__
    code = said.get("errcode", said.get("code", 0))
    return None if code == 0 else f"code {code}: {str(said.get('errmsg', said.get('msg', '')))[:200]}"


class Handler(http.server.BaseHTTPRequestHandler):
    folder = pathlib.Path()

    def do_GET(self):
        self.answer(200, "ok")

    def do_POST(self):
        robot = self.path.strip("/")
        if robot not in ROBOTS:
            return self.answer(404, "no such robot")
        try:
            group = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        except ValueError:
            return self.answer(400, "no JSON")
        trouble = send(robot, group, self.folder)
        print(f"{robot}: {title(group)}: {trouble or 'sent'}")
        self.answer(502 if trouble else 200, trouble or "sent")

    def answer(self, status, words):
        body = f"{words}\n".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--listen", default="127.0.0.1:8090")
    arguments.add_argument("--urls", type=pathlib.Path, required=True)
    given = arguments.parse_args()
    Handler.folder = given.urls
    host, port = given.listen.rsplit(":", 1)
    http.server.ThreadingHTTPServer((host, int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
