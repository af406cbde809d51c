"""wechatpy, unmodified: a subclass says where it asks."""

import io
import json
import os
import sys
import threading
import time

from wechatpy import WeChatClient, WeChatOAuth

BROKER, APPID, KEY, OPENID, PAGE = (os.environ[name] for name in ("BROKER", "APPID", "KEY", "OPENID", "PAGE"))
with open(os.environ["PICTURE"], "rb") as file:
    PICTURE = file.read()


class Client(WeChatClient):
    API_BASE_URL = f"{BROKER}/cgi-bin/"

    def fetch_access_token(self):
        query = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
        return self._fetch_access_token(url=f"{BROKER}/cgi-bin/token", params=query)


class OAuth(WeChatOAuth):
    API_BASE_URL = f"{BROKER}/"


def oauth():
    web = OAuth(APPID, KEY, "https://shop.example.com/", scope="snsapi_userinfo")
    first = web.fetch_access_token(os.environ["CODE"])
    assert first["openid"] == OPENID
    assert web.check_access_token()
    assert web.get_user_info()["nickname"]
    renewed = web.refresh_access_token(web.refresh_token)
    assert renewed["access_token"] != first["access_token"]
    assert web.get_user_info()["openid"] == OPENID


def user():
    assert client.user.get(OPENID)["openid"] == OPENID


def batch():
    assert len(client.user.get_batch([OPENID])) == 1


def template():
    client.message.send_template(OPENID, "t1", {"first": {"value": "微信"}})


def media():
    uploaded = client.media.upload("image", ("picture.png", io.BytesIO(PICTURE), "image/png"))
    assert client.media.download(uploaded["media_id"]).content == PICTURE, "another picture came back"


def jssdk():
    nonce, now = os.urandom(8).hex(), int(time.time())
    ticket = client.jsapi.get_jsapi_ticket()
    signature = client.jsapi.get_jsapi_signature(nonce, ticket, now, PAGE)
    told["signatures"].append({"nonce": nonce, "timestamp": now, "signature": signature})


def attempt(step):
    told["calls"] += 1
    try:
        step()
    except Exception as error:  # whatever it is, it is told
        told["failed"].append(f"{step.__name__}: {error!r}")


client = Client(APPID, KEY)
told = {"calls": 0, "failed": [], "signatures": []}
stopped = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
attempt(oauth)
while not stopped.is_set():
    for step in (user, batch, template, media, jssdk):
        attempt(step)
    time.sleep(0.5)
print(json.dumps(told))
