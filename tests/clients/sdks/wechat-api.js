// wechat-api, unmodified: only its endpoint is set.

const fs = require("fs");
const { promisify } = require("util");
const API = require("wechat-api");
const rounds = require("./rounds.js");
const { expect } = rounds;
const { BROKER, APPID, KEY, OPENID, PICTURE, PAGE } = process.env;

const api = new API(APPID, KEY);
api.endpoint = BROKER;
const picture = fs.readFileSync(PICTURE);
const call = (name, ...args) => promisify(api[name]).apply(api, args);

rounds({
  user: async () => {
    const user = await call("getUser", OPENID);
    expect(user.openid === OPENID, user);
  },
  batch: async () => {
    const batch = await call("batchGetUsers", [OPENID]);
    expect(batch.user_info_list.length === 1, batch);
  },
  template: async () => {
    const sent = await call("sendTemplate", OPENID, "t1", "", { first: { value: "微信" } });
    expect(sent.msgid, sent);
  },
  media: async () => {
    const uploaded = await call("uploadMedia", PICTURE, "image");
    const got = await call("getMedia", uploaded.media_id);
    expect(Buffer.compare(got, picture) === 0, "another picture came back");
  },
  jssdk: async () => {
    const signed = await call("getJsConfig", { debug: false, jsApiList: [], url: PAGE });
    return { nonce: signed.nonceStr, timestamp: signed.timestamp, signature: signed.signature };
  },
});
