//! The words for the domain's closed sets: each match is exhaustive, so that whoever adds a member is
//! asked for its words. The English of a refusal is the log's and the API's.

use super::language::Language;
use super::words::{self, Text};
use crate::domain::history::What;
use crate::domain::protocol::Reason;
use crate::domain::replica::BlockedBy;
use crate::domain::upstream_error::ErrorClass;
use crate::overview::Status;
use crate::trouble::{StoreWord, Trouble};

/// What is wrong.
pub(super) const fn title(trouble: Trouble) -> Text {
    match trouble {
        Trouble::Refused(class) => meaning(class),
        Trouble::StoreUnusable(StoreWord::Refused) => {
            Text::of("the store answers, and refuses", "存储有应答，但拒绝操作")
        }
        Trouble::StoreUnusable(StoreWord::Foreign) => Text::of(
            "the store holds the records of another fleet",
            "存储中是另一套部署的记录",
        ),
        Trouble::StoreUnusable(StoreWord::Unreadable) => Text::of(
            "the store holds a record that this release cannot read",
            "存储中的记录无法被本版本读取",
        ),
        Trouble::BudgetSpent => Text::of(
            "the fetches of 24 hours are used up",
            "24 小时的获取次数已用完",
        ),
        Trouble::NoToken => Text::of("there is no token to hand out", "没有 token 可以发放"),
        Trouble::ExpiresSoon => Text::of(
            "the token expires soon and is not being refreshed",
            "token 即将过期且没有被刷新",
        ),
        Trouble::Unvouched => Text::of(
            "cut off from both store and WeChat: the token may be dead",
            "与存储和微信都失去联系：token 可能已失效",
        ),
        Trouble::StoreAway => Text::of("the store does not answer", "存储没有应答"),
        Trouble::WeChatAway => Text::of("WeChat does not answer", "微信没有应答"),
        Trouble::ForeignFetcher => Text::of(
            "somebody else fetches with the AppSecret",
            "有外人使用 AppSecret 获取 token",
        ),
        Trouble::Pending => Text::of(
            "only this replica has the token; the store has not taken it",
            "只有本副本持有该 token，存储尚未接受",
        ),
        Trouble::Paused => Text::of(
            "paused: nothing is fetched and nothing is checked",
            "已暂停：不获取，也不检查",
        ),
        Trouble::Overlapped => Text::of(
            "two fetches overlapped; it was repaired",
            "两次获取发生重叠，已修复",
        ),
        Trouble::Repairing => Text::of(
            "the token may die before it expires, and is being replaced",
            "token 可能提前失效，正在替换",
        ),
        Trouble::Starting => Text::of(
            "no token yet; it is on its way",
            "还没有 token，正在读取或获取",
        ),
    }
}

/// What to do about it.
pub(super) const fn advice(trouble: Trouble) -> Text {
    match trouble {
        Trouble::Refused(class) => what_to_do(class),
        Trouble::StoreUnusable(StoreWord::Refused) => Text::of(
            "look at the store's memory and disk, and at the rights of the broker's user",
            "检查存储的内存、磁盘，以及 broker 用户的权限",
        ),
        Trouble::StoreUnusable(StoreWord::Foreign) => Text::of(
            "give each fleet a store.namespace of its own",
            "为每套部署设置各自的 store.namespace",
        ),
        Trouble::StoreUnusable(StoreWord::Unreadable) => Text::of(
            "run the newer release that wrote it; never delete the record",
            "运行写入它的较新版本；绝不要删除该记录",
        ),
        Trouble::BudgetSpent => Text::of(
            "find what uses them: the app's last events name the reasons",
            "找出消耗来源：该 appid 的最近事件写明原因",
        ),
        Trouble::NoToken | Trouble::ExpiresSoon => {
            Text::of("look at the app's last events", "查看该 appid 的最近事件")
        }
        Trouble::Unvouched => Text::of(
            "take this replica out of service if others are well; heal the network",
            "若其他副本正常，将本副本摘除；修复网络",
        ),
        Trouble::StoreAway => Text::of(
            "bring the store back; do not restart replicas, they hold the only tokens",
            "恢复存储；不要重启副本，token 只在它们的内存里",
        ),
        Trouble::WeChatAway => Text::of(
            "look at the way out to WeChat; the broker asks again by itself",
            "检查到微信的出口网络；broker 会自动重试",
        ),
        Trouble::ForeignFetcher => Text::of(
            "find who else has the AppSecret, and give them a caller's key instead",
            "找出还有谁持有 AppSecret，改为发给对方调用方 key",
        ),
        Trouble::Pending => Text::of(
            "heal the store; do not restart this replica",
            "修复存储；不要重启本副本",
        ),
        Trouble::Paused => Text::of(
            "resume the app: once its token has expired, its callers are refused",
            "恢复该 appid：它的 token 过期后，调用方会被拒绝",
        ),
        Trouble::Overlapped => Text::of(
            "look for paused machines and failovers of the store",
            "检查是否有机器停顿或存储发生过切换",
        ),
        Trouble::Repairing => Text::of(
            "nothing: the broker repairs it by itself",
            "无需操作：broker 会自行修复",
        ),
        Trouble::Starting => Text::of(
            "nothing: it takes a moment after the start",
            "无需操作：启动后稍等片刻",
        ),
    }
}

const fn meaning(class: ErrorClass) -> Text {
    let chinese = match class {
        ErrorClass::Busy => "微信表示系统繁忙",
        ErrorClass::BadSecret => "微信拒绝 AppSecret",
        ErrorClass::BadAppId => "微信不认识这个 appid",
        ErrorClass::BadRequest => "微信表示 broker 的请求格式有误",
        ErrorClass::IpNotWhitelisted => "broker 的 IP 不在该 appid 的白名单中",
        ErrorClass::IpUnconfirmed => "账号管理员尚未确认 broker 的 IP",
        ErrorClass::IpRefusedHour => "账号管理员拒绝了 broker 的 IP，一小时内有效",
        ErrorClass::IpRefusedDay => "账号管理员拒绝了 broker 的 IP，一天内有效",
        ErrorClass::SecretFrozen => "AppSecret 已被冻结",
        ErrorClass::QuotaSpent => "微信表示当日获取次数已用完",
        ErrorClass::MinuteLimit => "微信表示这一分钟内调用过多",
        ErrorClass::Forbidden => "微信禁止该账号调用，或账号已被冻结",
        ErrorClass::TokenRefused => "微信拒绝了获取 ticket 所用的 access token",
        ErrorClass::Unknown => "微信返回了 broker 不认识的错误码",
        ErrorClass::Unclear => "无法确定上次获取是否发放了 token",
    };
    Text::of(class.meaning(), chinese)
}

const fn what_to_do(class: ErrorClass) -> Text {
    let chinese = match class {
        ErrorClass::Busy | ErrorClass::MinuteLimit => "无需操作：broker 会自动重试",
        ErrorClass::BadSecret => "把该 appid 当前的 AppSecret 写入 broker 的配置",
        ErrorClass::BadAppId => "更正 broker 配置中的 appid",
        ErrorClass::BadRequest => "连同错误码与 rid 一起报告 broker 的缺陷",
        ErrorClass::IpNotWhitelisted => "把微信看到的 IP 加入该 appid 的 IP 白名单",
        ErrorClass::IpUnconfirmed => "请账号管理员在微信中确认该请求",
        ErrorClass::IpRefusedHour | ErrorClass::IpRefusedDay => {
            "弄清管理员拒绝的原因；把该 IP 加入白名单"
        }
        ErrorClass::SecretFrozen => "在该 appid 的后台解冻 AppSecret，约需 10 分钟",
        ErrorClass::QuotaSpent => "找出还有谁在获取该 appid 的 token；或在后台清零次数",
        ErrorClass::Forbidden => "在该 appid 的后台查看微信对账号的处理",
        ErrorClass::TokenRefused => "无需操作：broker 会核对该 access token，并重新获取 ticket",
        ErrorClass::Unknown => "在微信文档中查找该错误码；把 rid 提供给微信支持",
        ErrorClass::Unclear => "无需操作：broker 会密切检查并修复",
    };
    Text::of(class.advice(), chinese)
}

/// How an app fares, in a word or two.
pub(super) const fn status(status: Status) -> Text {
    match status {
        Status::Ok => Text::of("served", "正常"),
        Status::Due => Text::of("served, refresh due", "可用，待刷新"),
        Status::Suspect => Text::of("served, being replaced", "可用，替换中"),
        Status::Paused => Text::of("paused", "已暂停"),
        Status::Starting => Text::of("starting", "启动中"),
        Status::Dead => Text::of("dead", "已失效"),
        Status::Expired => Text::of("expired", "已过期"),
        Status::RefusedByUpstream => Text::of("WeChat refuses", "微信拒绝"),
        Status::UpstreamAway => Text::of("WeChat is away", "微信无应答"),
        Status::BudgetSpent => Text::of("budget spent", "次数用完"),
        Status::StoreAway => Text::of("store is away", "存储无应答"),
        Status::StoreUnusable => Text::of("store unusable", "存储不可用"),
    }
}

/// What keeps a refresh from happening.
pub(super) const fn blocked(by: BlockedBy) -> Text {
    match by {
        BlockedBy::Busy => Text::of("another replica is fetching", "另一副本正在获取"),
        BlockedBy::CoolingDown(class) => meaning(class),
        BlockedBy::Spacing => Text::of("the last fetch is too recent", "距上次获取太近"),
        BlockedBy::BudgetSpent => title(Trouble::BudgetSpent),
        BlockedBy::Paused => Text::of("paused", "已暂停"),
        BlockedBy::Behind => Text::of(
            "this replica's newer token goes back to the store first",
            "先把本副本较新的 token 放回存储",
        ),
        BlockedBy::StoreAway => title(Trouble::StoreAway),
        BlockedBy::Unconfirmed => Text::of(
            "the store's replica has not confirmed the lease",
            "存储的从节点尚未确认租约",
        ),
        BlockedBy::LeaseTooShort => {
            Text::of("too little of the lease was left", "租约剩余时间太短")
        }
        BlockedBy::UpstreamAway => title(Trouble::WeChatAway),
        BlockedBy::NoAccessToken => Text::of(
            "it is asked for with an access token, and there is none",
            "获取它需要 access token，而目前没有",
        ),
        BlockedBy::NotRenewed => Text::of(
            "WeChat has not renewed the stable token yet",
            "微信尚未更新 stable token",
        ),
    }
}

/// What happened.
const fn event(what: &What) -> Text {
    match what {
        What::Refreshed(_) => Text::of("refreshed", "已刷新"),
        What::Unstored(_) => Text::of(
            "fetched, and not taken by the store",
            "已获取，但存储未接受",
        ),
        What::NotRenewed => blocked(BlockedBy::NotRenewed),
        What::Overlapped => Text::of(
            "fetched too late: two fetches overlapped",
            "获取得太迟：两次获取重叠",
        ),
        What::Refused(_, error) => meaning(error.class()),
        What::NotSent(_) => Text::of("WeChat could not be reached", "无法连接微信"),
        What::Unclear(_) => meaning(ErrorClass::Unclear),
        What::TakenOver => Text::of("taken over from the store", "从存储接管"),
        What::PutBack => Text::of(
            "put back into the store, which had lost it",
            "存储丢失后被放回",
        ),
        What::Died { foreign: true } => {
            Text::of("killed by somebody else's fetch", "被外人的获取致其失效")
        }
        What::Died { foreign: false } => {
            Text::of("refused by WeChat before it expired", "过期前被微信拒绝")
        }
    }
}

/// Why it was fetched.
const fn reason(reason: Reason) -> Text {
    match reason {
        Reason::Scheduled => Text::of("on schedule", "按计划"),
        Reason::Missing => Text::of("there was none", "没有 token"),
        Reason::Repair => Text::of("to repair", "修复"),
        Reason::Report => Text::of("a caller reported the last one", "调用方上报"),
        Reason::Forced => Text::of("somebody asked for it", "有人要求"),
    }
}

/// What happened and why, as one sentence.
pub(super) fn told(what: &What, language: Language) -> String {
    let said = sentence(event(what), language);
    match reason_of(what) {
        Some(why) => {
            let places = [("what", said.as_str()), ("why", reason(why).to(language))];
            words::BECAUSE.with(language, &places)
        }
        None => said,
    }
}

/// A text that opens a line.
pub(super) fn sentence(text: Text, language: Language) -> String {
    let text = text.to(language);
    if language == Language::Chinese {
        return text.to_owned();
    }
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase());
    first.into_iter().flatten().chain(letters).collect()
}

/// Why something was fetched, where that is part of what happened.
const fn reason_of(what: &What) -> Option<Reason> {
    match what {
        What::Refreshed(reason)
        | What::Unstored(reason)
        | What::Refused(reason, _)
        | What::NotSent(reason)
        | What::Unclear(reason) => Some(*reason),
        What::NotRenewed
        | What::Overlapped
        | What::TakenOver
        | What::PutBack
        | What::Died { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::tests::check;
    use super::*;

    #[test]
    fn no_sentence_lacks_a_translation() {
        for trouble in Trouble::all() {
            check(&format!("{trouble:?}"), title(trouble));
            check(&format!("{trouble:?}"), advice(trouble));
        }
        for why in Reason::ALL {
            check(why.as_str(), reason(why));
        }
    }
}
