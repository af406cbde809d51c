//! Every text of the page, in every language it speaks: one catalogue, so that none is forgotten.
//! `{name}` stands for what is put in. A test holds the languages' places equal.

use super::language::Language;

/// A text in every language.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    english: &'static str,
    chinese: &'static str,
}

impl Text {
    /// The text in each language.
    pub(super) const fn of(english: &'static str, chinese: &'static str) -> Self {
        Self { english, chinese }
    }

    /// The text as it stands.
    pub(super) const fn to(self, language: Language) -> &'static str {
        match language {
            Language::English => self.english,
            Language::Chinese => self.chinese,
        }
    }

    /// The text with its places filled.
    pub(super) fn with(self, language: Language, places: &[(&str, &str)]) -> String {
        let mut text = self.to(language).to_owned();
        for (name, value) in places {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        text
    }
}

macro_rules! catalogue {
    ($($name:ident = $english:literal, $chinese:literal;)+) => {
        $(pub(super) const $name: Text = Text::of($english, $chinese);)+

        /// All of them, by name.
        #[cfg(test)]
        const ALL: &[(&str, Text)] = &[$((stringify!($name), $name)),+];
    };
}

catalogue! {
    // The headline: the first thing that is read.
    NO_APPS = "No app is configured", "没有配置任何 appid";
    NO_APPS_MORE = "Add [[apps]] to the configuration; until then there is nothing to keep fresh.", "请在配置中添加 [[apps]]；在此之前没有需要维护的 token。";
    STARTING = "Starting", "正在启动";
    STARTING_MORE = "No token yet: {apps}.", "还没有 token：{apps}。";
    REFUSING = "Callers of {count} of {all} are refused now", "共 {all}，其中 {count} 个的调用方正被拒绝";
    REFUSING_ALL = "Callers of {apps} are refused now", "{apps} 的调用方正被拒绝";
    REFUSING_MORE = "There is no token to hand out. What is wrong and what to do stands below, the worst first.", "没有 token 可以发放。问题与处理办法见下方，最严重的在前。";
    ACT = "Callers are served, and a person is needed", "调用方仍有 token 可用，但需要人来处理";
    ACT_MORE = "The first token dies in {left} if nothing is done.", "如不处理，最早的 token 将在 {left}后失效。";
    KNOW = "Callers are served; there is something to know", "调用方有 token 可用；有情况需要留意";
    WELL = "All is well", "一切正常";
    WELL_MORE = "{apps} served. If nothing could be fetched from now on, the first token would die in {left}.", "{apps} 均有 token 可用。即使从现在起无法获取，最早的 token 也要 {left}后才失效。";
    WELL_PAUSED = "{apps} served.", "{apps} 均有 token 可用。";
    STOPPING = "This replica is stopping", "本副本正在停止";
    STOPPING_MORE = "Requests that are under way are finished; look at another replica.", "正在完成已有请求；请查看其他副本。";
    NO_SUCH_APP = "No such app", "没有这个 appid";
    NO_SUCH_APP_MORE = "This replica keeps no token of {app}.", "本副本不维护 {app} 的 token。";

    // This replica.
    REPLICA = "This replica", "本副本";
    VERSION = "Version", "版本";
    RUNNING_FOR = "Running for", "已运行";
    READY = "Ready", "就绪";
    STORE = "Store", "存储";
    WECHAT = "WeChat", "微信";
    APPS = "Apps", "appid 列表";
    RUNWAY = "Runway", "可支撑时间";
    YES = "yes", "是";
    NO = "no", "否";
    ANSWERS = "answers", "有应答";
    SILENT = "does not answer", "没有应答";
    STORE_HOW = "{store}, {how}", "{store}，{how}";
    EMBEDDED = "embedded", "内嵌文件";
    REDIS = "Redis", "Redis";
    ONLY_THIS_REPLICA = "Each replica has a page of its own, and tells what it sees itself.", "每个副本有各自的页面，只说明它自己看到的情况。";

    // What is wrong.
    WRONG = "What is wrong", "当前问题";
    REFUSED_NOW = "callers are refused", "调用方被拒绝";
    NEEDS_A_PERSON = "needs a person", "需要处理";
    TO_KNOW = "to know", "供参考";
    EFFECT_REFUSED = "Callers of {apps} are refused now.", "{apps} 的调用方正被拒绝。";
    EFFECT_SERVED = "Callers are served for another {left}.", "调用方还有 {left}可用。";
    EFFECT_FIRST = "Callers are served; the first token dies in {left}.", "调用方有 token 可用；最早的将在 {left}后失效。";
    EFFECT_OTHERS = "Of the others, the first token dies in {left}.", "其余的最早在 {left}后失效。";
    DO = "Do:", "处理：";
    RUNBOOK = "Runbook", "处理手册";
    AND_MORE = "and {count} more", "以及另外 {count} 个";
    ALL_APPS = "all apps", "所有 appid";
    SEEN_IP = "WeChat saw the address {ip}.", "微信看到的地址是 {ip}。";
    WECHAT_SAID = "WeChat said: {error}.", "微信返回：{error}。";
    ASKED_AGAIN = "Asked again in {left}.", "{left}后重试。";

    // The apps.
    SEARCH = "Part of an appid", "appid 的一部分";
    SHOW = "Show", "显示";
    EVERYTHING = "All", "全部";
    TROUBLE_ONLY = "In trouble", "有问题的";
    FIND = "Find", "查找";
    NONE_THERE = "None.", "无。";
    NONE_FOUND = "No app matches.", "没有符合条件的 appid。";
    APP = "App", "appid";
    STATE = "State", "状态";
    LIFE = "Token", "token";
    LIFE_HELP = "issue to expiry; the mark: refresh", "从发放到过期；竖线：刷新";
    BUDGET = "Fetches", "获取次数";
    BUDGET_HELP = "in 24 hours", "24 小时内";
    LAST = "Last event", "最近事件";
    USED_LEFT = "{used} used, {left} left", "已用 {used}，剩余 {left}";
    BECAUSE = "{what}: {why}", "{what}：{why}";
    FULL_STOP = "{text}.", "{text}。";
    EXPIRES_IN = "expires in {left}", "{left}后过期";
    REFRESH_IN = "refresh in {left}", "{left}后刷新";
    REFRESH_DUE = "refresh is due", "待刷新";
    NO_TOKEN = "no token", "没有 token";
    PAGES = "Pages", "分页";
    PAGE_OF = "{first}–{last} of {all}", "第 {first}–{last} 个，共 {all} 个";
    PREVIOUS = "Previous", "上一页";
    NEXT = "Next", "下一页";
    AGO = "{left} ago", "{left}前";
    TIMES = "{count} times", "共 {count} 次";

    // One app.
    BACK = "All apps", "全部 appid";
    ISSUED_AT = "Issued", "发放";
    REFRESH_AT = "Refresh due", "应刷新";
    EXPIRES_AT = "Expires", "过期";
    EVENTS = "Last events at this replica", "本副本的最近事件";
    NO_EVENTS = "None since this replica started.", "本副本启动以来没有。";
    WHEN = "When", "时间";
    WHAT = "What", "事件";
    MODE = "Mode", "模式";
    HELD_VERSION = "Token's version", "token 版本";
    VOUCHED = "Vouched", "已核实";
    VOUCHED_HELP = "the store or a check has lately said that the token stands", "存储或检查最近确认过该 token 有效";
    STORED = "In the store", "存储中有";
    FAILURES = "Failures in a row", "连续失败";
    LEASE = "Being fetched", "正在获取";
    LAST_FETCH = "Last fetch", "最近获取";
    NOT_REFRESHED = "Not refreshed", "未刷新原因";
    FOR_ANOTHER = "{what}, for another {left}", "{what}，还有 {left}";

    // Around it.
    SKIP = "Skip to the apps", "跳到 appid 列表";
    LANGUAGE = "Language", "语言";
    AS_OF = "As of {time} UTC", "截至 {time} UTC";
    LIVE = "Live", "实时";
    NOT_LIVE = "Not live: this is old. Trying again.", "已断开：内容已过时，正在重连。";
    RELOAD = "Reload", "刷新页面";
    MORE = "More", "更多";
    METRICS = "Metrics", "指标";
    RUNBOOKS = "Runbooks", "处理手册";
    READINESS = "Readiness", "就绪探针";
}

/// So many apps.
pub(super) fn apps(language: Language, count: usize) -> String {
    match (language, count) {
        (Language::English, 1) => String::from("1 app"),
        (Language::English, _) => format!("{count} apps"),
        (Language::Chinese, _) => format!("{count} 个 appid"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The places of a text, in order of their names.
    fn places(text: &str) -> Vec<&str> {
        let mut found: Vec<_> = text
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split_once('}'))
            .map(|(name, _)| name)
            .collect();
        found.sort_unstable();
        found
    }

    /// A text is there in both languages, each in its own letters, with the same places.
    pub(crate) fn check(name: &str, text: Text) {
        let [english, chinese] = Language::ALL.map(|language| text.to(language));
        assert!(!english.is_empty(), "{name} has no English text");
        let latin = |c: char| c.is_ascii() || matches!(c, '–' | '…' | '½' | '’');
        assert!(english.chars().all(latin), "{name}: {english}");
        let han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
        // Names of things are the same in both, and so is what is made of places alone.
        let name_of_a_thing = matches!(english, "Redis" | "App" | "Token");
        let mut depth = 0;
        let has_words = english.chars().any(|letter| {
            depth += i32::from(letter == '{') - i32::from(letter == '}');
            depth == 0 && letter.is_alphabetic()
        });
        assert!(
            chinese.chars().any(han) || name_of_a_thing || !has_words,
            "{name} has no Chinese text: {chinese}"
        );
        assert_eq!(places(english), places(chinese), "{name}");
    }

    #[test]
    fn no_text_lacks_a_translation() {
        for (name, text) in ALL {
            check(name, *text);
        }
    }

    #[test]
    fn places_are_filled() {
        let text = PAGE_OF.with(
            Language::English,
            &[("first", "1"), ("last", "50"), ("all", "70")],
        );
        assert_eq!(text, "1–50 of 70");
    }
}
