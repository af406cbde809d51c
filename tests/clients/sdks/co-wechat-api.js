// co-wechat-api, unmodified: only its prefix is set.

const fs = require("fs");
const API = require("co-wechat-api");
const rounds = require("./rounds.js");
const { expect } = rounds;
const { BROKER, APPID, KEY, OPENID, PICTURE, PAGE } = process.env;

const api = new API(APPID, KEY);
api.prefix = `${BROKER}/cgi-bin/`;
const picture = fs.readFileSync(PICTURE);

rounds({
  user: async () => {
    const user = await api.getUser(OPENID);
    expect(user.openid === OPENID, user);
  },
  batch: async () => {
    const batch = await api.batchGetUsers([OPENID]);
    expect(batch.user_info_list.length === 1, batch);
  },
  template: async () => {
    const sent = await api.sendTemplate(OPENID, "t1", "", "", { first: { value: "微信" } });
    expect(sent.msgid, sent);
  },
  media: async () => {
    const uploaded = await api.uploadMedia(PICTURE, "image");
    const got = await api.getMedia(uploaded.media_id);
    expect(Buffer.compare(got, picture) === 0, "another picture came back");
  },
  jssdk: async () => {
    const signed = await api.getJsConfig({ debug: false, jsApiList: [], url: PAGE });
    return { nonce: signed.nonceStr, timestamp: signed.timestamp, signature: signed.signature };
  },
});
