"""wechatpy with tokens of the broker's, while WeChat refuses every one: it fetches again and again until Python stops
it. Prints how often."""

import os

from wechatpy import WeChatClient

BROKER, WECHAT = os.environ["BROKER"], os.environ["WECHAT"]


class Client(WeChatClient):
    API_BASE_URL = f"{WECHAT}/cgi-bin/"
    asked = 0

    def fetch_access_token(self):
        self.asked += 1
        query = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
        return self._fetch_access_token(url=f"{BROKER}/cgi-bin/token", params=query)


client = Client(os.environ["APPID"], os.environ["KEY"])
try:
    client.user.get(os.environ["OPENID"])
except RecursionError:
    pass
print(client.asked)
