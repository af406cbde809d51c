// node-easywechat, unmodified: only where it asks is configured.

const fs = require("fs");
const { OfficialAccount, FormData } = require("node-easywechat");
const rounds = require("./rounds.js");
const { expect } = rounds;
const { BROKER, APPID, KEY, OPENID, PICTURE, PAGE, CACHE } = process.env;

const app = new OfficialAccount({
  app_id: APPID,
  secret: KEY,
  http: { baseURL: `${BROKER}/` },
  file_cache: { path: CACHE },
});
const client = app.getClient();
const picture = fs.readFileSync(PICTURE);

async function ask(method, path, payload) {
  const reply = (await client.request(method, path, payload)).toObject();
  expect(reply && !reply.errcode, reply);
  return reply;
}

rounds(
  {
    user: async () => {
      const user = await ask("get", "cgi-bin/user/info", { params: { openid: OPENID } });
      expect(user.openid === OPENID, user);
    },
    batch: async () => {
      const json = { user_list: [{ openid: OPENID, lang: "zh_CN" }] };
      const batch = await ask("post", "cgi-bin/user/info/batchget", { json });
      expect(batch.user_info_list.length === 1, batch);
    },
    template: async () => {
      const json = { touser: OPENID, template_id: "t1", data: { first: { value: "微信" } } };
      const sent = await ask("post", "cgi-bin/message/template/send", { json });
      expect(sent.msgid, sent);
    },
    media: async () => {
      const formData = new FormData();
      formData.append("media", picture, "picture.png");
      const uploaded = await ask("post", "cgi-bin/media/upload", { params: { type: "image" }, formData });
      const options = { params: { media_id: uploaded.media_id }, responseType: "arraybuffer" };
      const reply = await client.request("get", "cgi-bin/media/get", options);
      expect(Buffer.compare(Buffer.from(reply.getContent()), picture) === 0, "another picture came back");
    },
    jssdk: async () => {
      const signed = await app.getUtils().buildJsSdkConfig(PAGE, ["scanQRCode"]);
      return { nonce: signed.nonceStr, timestamp: signed.timestamp, signature: signed.signature };
    },
  },
  async (code) => {
    const provider = app.getOAuth();
    provider._baseUrl = `${BROKER}/sns`;
    const user = await provider.userFromCode(code);
    expect(user.getId() === OPENID && user.getNickname(), user);
  },
);
