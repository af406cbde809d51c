"""Builds the four dashboards: `python3 deploy/grafana/build.py`. What Grafana loads is the JSON beside it;
`make check-deploy` holds the two equal and runs every query."""

import json
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
FLEET = 'namespace=~"$namespace", job=~"$job"'
APP = FLEET + ', appid="$appid"'
RED_BELOW_30_MINUTES = [(None, "red"), (1800, "orange"), (3000, "green")]
RED_ABOVE_0 = [(None, "green"), (1, "red")]
RED_BELOW_1 = [(None, "red"), (1, "green")]
TRUTH = {"0": ("no", "green"), "1": ("yes", "red")}
GOOD = {"0": ("no", "red"), "1": ("yes", "green")}


def target(query, legend="", instant=False, table=False, ref="A"):
    return {
        "refId": ref,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "expr": query,
        "legendFormat": legend or "__auto",
        "instant": instant,
        "range": not instant,
        "format": "table" if table else "time_series",
    }


def thresholds(steps):
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]}


def mapped(words):
    if not words:
        return []
    options = {key: {"text": text, "color": color, "index": i} for i, (key, (text, color)) in enumerate(words.items())}
    return [{"type": "value", "options": options}]


def panel(kind, title, description, unit, targets, width=12, height=8, steps=None, words=None, options=None, custom=None, overrides=(), extra=None):
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "gridPos": {"w": width, "h": height},
        "targets": targets,
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "mappings": mapped(words),
                "thresholds": thresholds(steps or [(None, "green")]),
                "color": {"mode": "thresholds" if steps or words else "palette-classic"},
                "custom": custom or {},
            },
            "overrides": list(overrides),
        },
        "options": options or {},
        **(extra or {}),
    }


def stat(title, description, unit, query, steps=None, words=None, width=4, decimals=None):
    made = panel(
        "stat", title, description, unit, [target(query, instant=True)], width, 4, steps, words,
        {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "background", "graphMode": "none", "textMode": "auto"},
    )
    if decimals is not None:
        made["fieldConfig"]["defaults"]["decimals"] = decimals
    return made


def graph(title, description, unit, *queries, width=12, stacked=False, steps=None, smallest=None):
    targets = [target(query, legend, ref=chr(65 + i)) for i, (query, legend) in enumerate(queries)]
    custom = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 20 if stacked else 0, "showPoints": "never", "stacking": {"mode": "normal" if stacked else "none"}}
    if steps:
        custom["thresholdsStyle"] = {"mode": "line"}
    made = panel(
        "timeseries", title, description, unit, targets, width, 8, steps, None,
        {"legend": {"displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "max"]}, "tooltip": {"mode": "multi", "sort": "desc"}}, custom,
    )
    made["fieldConfig"]["defaults"]["color"] = {"mode": "palette-classic"}
    if smallest is not None:
        made["fieldConfig"]["defaults"]["min"] = smallest
    return made


def history(title, description, words, *queries, width=24, height=8):
    targets = [target(query, legend, ref=chr(65 + i)) for i, (query, legend) in enumerate(queries)]
    return panel(
        "state-timeline", title, description, "short", targets, width, height, None, words,
        {"showValue": "never", "mergeValues": True, "rowHeight": 0.8, "legend": {"displayMode": "list", "placement": "bottom"}}, {"fillOpacity": 70, "lineWidth": 0},
    )


def table(title, description, columns, by, sort, width=24, height=10, descending=False):
    """One row for each value of the label `by`; columns of (query, heading, unit, steps)."""
    targets = [target(query, instant=True, table=True, ref=chr(65 + i)) for i, (query, *_) in enumerate(columns)]
    names = {f"Value #{chr(65 + i)}": heading for i, (_, heading, *_) in enumerate(columns)}
    if len(columns) == 1:
        names = {"Value": columns[0][1]}
    overrides = [
        {
            "matcher": {"id": "byName", "options": heading},
            "properties": [
                {"id": "unit", "value": unit},
                {"id": "thresholds", "value": thresholds(steps or [(None, "text")])},
                {"id": "custom.cellOptions", "value": {"type": "color-text"}},
            ],
        }
        for _, heading, unit, steps in columns
    ]
    return panel(
        "table", title, description, "short", targets, width, height, None, None,
        {"showHeader": True, "sortBy": [{"displayName": sort, "desc": descending}]}, {"align": "auto"}, overrides,
        {
            "transformations": [
                {"id": "merge", "options": {}},
                {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": names}},
            ]
        },
    )


def row(title):
    return {"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"w": 24, "h": 1}}


def laid_out(panels):
    x = y = tallest = 0
    for number, made in enumerate(panels, 1):
        size = made["gridPos"]
        if x + size["w"] > 24:
            x, y, tallest = 0, y + tallest, 0
        made["id"] = number
        made["gridPos"] = {"x": x, "y": y, **size}
        x, tallest = x + size["w"], max(tallest, size["h"])
    return panels


def variable(name, query, label, several=True):
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": several,
        "includeAll": several,
        # Also where the label does not exist.
        **({"allValue": ".*", "current": {"text": "All", "value": "$__all"}} if several else {}),
    }


def dashboard(name, title, description, panels, more=(), span="now-6h"):
    return {
        "uid": f"token-broker-{name}",
        "title": f"Token broker / {title}",
        "description": description,
        "tags": ["token-broker", "wechat"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": span, "to": "now"},
        "timezone": "",
        "links": [{"type": "dashboards", "title": "Token broker", "tags": ["token-broker"], "asDropdown": True, "includeVars": True, "keepTime": True}],
        "templating": {
            "list": [
                {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
                variable("namespace", "label_values(token_broker_build_info, namespace)", "Namespace"),
                variable("job", 'label_values(token_broker_build_info{namespace=~"$namespace"}, job)', "Fleet"),
                *more,
            ]
        },
        "annotations": {
            "list": [
                {
                    "name": "Alerts",
                    "datasource": {"type": "prometheus", "uid": "${datasource}"},
                    "enable": True,
                    "iconColor": "red",
                    "expr": f'ALERTS{{alertname=~"TokenBroker.+", alertstate="firing", {FLEET}}}',
                    "titleFormat": "{{alertname}} {{appid}}",
                }
            ]
        },
        "panels": laid_out(panels),
    }


def q(metric, where=FLEET):
    return f"token_broker_{metric}{{{where}}}"


def labelled(metric, more, where=FLEET):
    return f"token_broker_{metric}{{{where}, {more}}}"


LEFT = f"namespace_job_appid:token_broker_grant_left_seconds:min{{{FLEET}}}"
BY_APP = "by (namespace, job, appid)"


def worst(query, how="max"):
    return f"{how} {BY_APP} ({query}) and on (namespace, job, appid) bottomk(50, {LEFT})"


fleet = dashboard(
    "fleet", "Fleet", "All apps, the worst first. As long as a token's expiry lies ahead, its callers are served.",
    [
        stat("Apps", "How many apps are configured.", "short", f"max({q('apps')})"),
        stat("Apps without a token", "Their callers are refused by all replicas, now.", "short",
             f"count(max {BY_APP} ({q('grant_servable')}) == 0) or vector(0)", RED_ABOVE_0),
        stat("Runway", "How long callers of every app are served if nothing could be fetched from now on.", "s",
             f"min({q('runway_seconds')})", RED_BELOW_30_MINUTES),
        stat("Replicas", "How many brokers are seen.", "short", f"count({q('build_info')}) or vector(0)", [(None, "red"), (1, "orange"), (2, "green")]),
        stat("Store", "Whether the store answers all replicas.", "short", f"min({q('store_up')})", RED_BELOW_1, GOOD),
        stat("WeChat", "Whether WeChat answered what was last asked by any replica.", "short", f"max({q('upstream_up')})", RED_BELOW_1, GOOD),
        table("Apps, the worst first", "The 50 apps whose tokens end first. A healthy token is replaced when an hour is left; in stable mode, 5 minutes.", [
            (f"bottomk(50, {LEFT})", "Time left", "s", RED_BELOW_30_MINUTES),
            (worst(q("fetch_failures")), "Failures in a row", "short", RED_ABOVE_0),
            (worst(q("budget_left"), "min"), "Budget left", "short", [(None, "red"), (50, "text")]),
            (worst(q("budget_used")), "Used in 24 h", "short", [(None, "text"), (26, "orange"), (100, "red")]),
            (worst(q("grant_suspect")), "Suspect", "short", RED_ABOVE_0),
            (worst(q("grant_dead")), "Dead", "short", RED_ABOVE_0),
            (worst(q("grant_pending")), "Pending", "short", RED_ABOVE_0),
            (worst(q("app_paused")), "Paused", "short", RED_ABOVE_0),
        ], "appid", "Time left", height=12),
        graph("Time left, the ten worst", "Saw teeth between one hour and two are health (token mode).", "s", (f"bottomk(10, {LEFT})", "{{appid}}"), steps=RED_BELOW_30_MINUTES, smallest=0),
        graph("What keeps tokens from being refreshed", "Apps by reason, on all replicas. busy, spacing and not_renewed pass by themselves.", "short",
              (f"count by (reason) ({q('refresh_blocked')})", "{{reason}}"), stacked=True, smallest=0),
        table("WeChat refuses", "Apps for which no fetch is made until then, and after which refusal.", [
            (f"max by (namespace, job, appid, class) ({q('cooldown_until_timestamp_seconds')}) - time()", "Asked again in", "s", None),
        ], "appid", "Asked again in", width=12, height=8),
        graph("Refusals of WeChat", "Fetches that WeChat answered with an error, by class.", "short",
              (f"sum by (class) (increase({q('fetch_refusals_total')}[$__rate_interval]))", "{{class}}"), stacked=True, smallest=0),
        graph("Fetches", "By reason. All but scheduled should be rare; missing is the first of an app.", "short",
              (f"sum by (reason) (increase({q('fetches_total')}[$__rate_interval]))", "{{reason}}"), stacked=True, smallest=0),
        graph("What should not happen", "Foreign fetches, overlaps, deaths, tokens that could not be stored or were put back.", "short",
              (f"sum(increase({q('foreign_invalidations_total')}[$__rate_interval]))", "foreign fetches"),
              (f"sum(increase({q('overlaps_detected_total')}[$__rate_interval]))", "overlaps"),
              (f"sum(increase({q('deaths_total')}[$__rate_interval]))", "deaths"),
              (f"sum(increase({q('pending_total')}[$__rate_interval]))", "not stored at once"),
              (f"sum(increase({q('put_backs_total')}[$__rate_interval]))", "put back"), smallest=0),
    ],
)

LEGEND = "{{instance}}"
app = dashboard(
    "app", "One app", "Everything about one app, on each replica.",
    [
        stat("Time left", "Until the token expires, on the replica that is worst off.", "s", f"min(namespace_job_appid:token_broker_grant_left_seconds:min{{{APP}}})", RED_BELOW_30_MINUTES),
        stat("Due in", "Until it is to be replaced, before jitter; below zero: overdue.", "s", f"min({q('grant_refresh_due_timestamp_seconds', APP)}) - time()", [(None, "orange"), (0, "green")]),
        stat("Age", "Since the token was issued.", "s", f"time() - max({q('grant_issued_timestamp_seconds', APP)})"),
        stat("Failures in a row", "Fetches that failed, over all replicas.", "short", f"max({q('fetch_failures', APP)})", RED_ABOVE_0),
        stat("Budget left", "Fetches that would pass right now, one after the other.", "short", f"min({q('budget_left', APP)})", [(None, "red"), (50, "green")]),
        stat("Used in 24 h", "Fetches in the last 24 hours, over all replicas; a healthy app needs 25.", "short", f"max({q('budget_used', APP)})", [(None, "green"), (26, "orange"), (100, "red")]),
        history("State", "As each replica sees it.", TRUTH,
                (f"1 - {q('grant_servable', APP)}", "refused on {{instance}}"), (f"1 - {q('grant_vouched', APP)}", "not vouched on {{instance}}"),
                (f"max({q('grant_suspect', APP)})", "suspect"), (f"max({q('grant_dead', APP)})", "dead"),
                (q("grant_pending", APP), "pending on {{instance}}"), (f"max({q('app_paused', APP)})", "paused")),
        graph("Time left on each replica", "They should lie on one line; a replica that lags has not heard of the newest token.", "s",
              (f"{q('grant_expiry_timestamp_seconds', APP)} - time()", LEGEND), steps=RED_BELOW_30_MINUTES, smallest=0),
        history("What keeps it from being refreshed", "By replica and reason.", TRUTH, (q("refresh_blocked", APP), "{{reason}} on {{instance}}"), (q("store_trouble", APP), "store {{trouble}} on {{instance}}"), width=12),
        table("WeChat refuses", "After which refusal no fetch is made, and for how long.", [
            (f"max by (class) ({q('cooldown_until_timestamp_seconds', APP)}) - time()", "Asked again in", "s", None),
        ], "class", "Asked again in", width=12, height=8),
        graph("Refusals of WeChat", "By class.", "short", (f"sum by (class) (increase({q('fetch_refusals_total', APP)}[$__rate_interval]))", "{{class}}"), stacked=True, smallest=0),
        graph("Fetches", "By reason and outcome.", "short", (f"sum by (reason, outcome) (increase({q('fetches_total', APP)}[$__rate_interval]))", "{{reason}}, {{outcome}}"), stacked=True, smallest=0),
        graph("Budget", "What is left, and what was used in 24 hours.", "short", (f"min({q('budget_left', APP)})", "left"), (f"max({q('budget_used', APP)})", "used in 24 h"), smallest=0),
        graph("What should not happen", "A death without a foreign fetch was a repair of ours.", "short",
              (f"sum(increase({q('foreign_invalidations_total', APP)}[$__rate_interval]))", "foreign fetches"),
              (f"sum(increase({q('overlaps_detected_total', APP)}[$__rate_interval]))", "overlaps"),
              (f"sum(increase({q('deaths_total', APP)}[$__rate_interval]))", "deaths"),
              (f"sum(increase({q('pending_total', APP)}[$__rate_interval]))", "not stored at once"),
              (f"sum(increase({q('put_backs_total', APP)}[$__rate_interval]))", "put back"), smallest=0),
        graph("Last fetch and lease", "Time since the last fetch that may have issued a token; and whether somebody holds the right to fetch (1).", "s",
              (f"time() - max({q('last_fetch_timestamp_seconds', APP)})", "since the last fetch"), (f"max({q('lease_held', APP)})", "lease held"), smallest=0),
    ],
    [variable("appid", 'label_values(token_broker_grant_servable{namespace=~"$namespace", job=~"$job"}, appid)', "App", several=False)],
    "now-24h",
)


def quantile(of, metric, by):
    return f"histogram_quantile({of}, sum by (le, {by}) (rate({q(metric + '_bucket')}[$__rate_interval])))"


replicas = dashboard(
    "replicas", "Replicas and store", "The processes, and what they hear from the store and from WeChat.",
    [
        table("Replicas", "Each process.", [
            (f"max by (namespace, job, instance) (time() - process_start_time_seconds{{{FLEET}}} and on (namespace, job, instance) {q('build_info')})", "Up for", "s", [(None, "orange"), (600, "text")]),
            (f"max by (namespace, job, instance, version) ({q('build_info')})", "Seen", "short", None),
            (f"max by (namespace, job, instance) ({q('store_up')})", "Store", "short", RED_BELOW_1),
            (f"max by (namespace, job, instance) ({q('upstream_up')})", "WeChat", "short", RED_BELOW_1),
            (f"count by (namespace, job, instance) ({q('grant_servable')} == 0)", "Apps without a token", "short", RED_ABOVE_0),
            (f"count by (namespace, job, instance) (({q('grant_servable')} == 1) and ({q('grant_vouched')} == 0))", "Apps not vouched", "short", RED_ABOVE_0),
            (f"sum by (namespace, job, instance) ({q('grant_pending')})", "Apps pending", "short", RED_ABOVE_0),
        ], "instance", "Up for", height=8),
        history("Store", "Whether it answered the last question of each replica.", GOOD, (q("store_up"), LEGEND), width=12),
        history("WeChat", "Whether it answered the last call of each replica; only one asks at a time.", GOOD, (q("upstream_up"), LEGEND), width=12),
        graph("Store, 99th percentile", "How long one question takes, with whatever outcome. Over 0.1 s it is overloaded.", "s", (quantile(0.99, "store_duration_seconds", "op"), "{{op}}"), smallest=0),
        graph("Store, questions a second", "By what is asked.", "ops", (f"sum by (op) (rate({q('store_duration_seconds_count')}[$__rate_interval]))", "{{op}}"), stacked=True, smallest=0),
        graph("Store, errors", "Questions that it did not answer (away), or refused; by replica.", "ops", (f"sum by (instance, kind) (rate({q('store_errors_total')}[$__rate_interval])) > 0", "{{kind}} on {{instance}}"), smallest=0),
        graph("WeChat, 99th percentile", "Near upstream.timeout fetches turn ambiguous.", "s", (quantile(0.99, "upstream_duration_seconds", "op"), "{{op}}"), smallest=0),
        graph("Checks", "Whether tokens are accepted, by outcome. away: WeChat or the way to it is down.", "ops", (f"sum by (outcome) (rate({q('checks_total')}[$__rate_interval]))", "{{outcome}}"), stacked=True, smallest=0),
        graph("Refreshes kept from happening", "busy is health: another replica has it. lease_too_short, unconfirmed: the store is slow or lags.", "ops", (f"sum by (reason) (rate({q('blocked_total')}[$__rate_interval]))", "{{reason}}"), stacked=True, smallest=0),
        graph("Answers that nobody vouched for", "Handed out while cut off from both store and WeChat.", "reqps", (f"rate({q('served_unvouched_total')}[$__rate_interval])", LEGEND), smallest=0),
        graph("Panics", "Each is a bug of the broker.", "short", (f"sum by (instance, task) (increase({q('panics_total')}[$__rate_interval]))", "{{task}} on {{instance}}"), smallest=0),
        graph("CPU", "Cores used.", "short", (f"rate(process_cpu_seconds_total{{{FLEET}}}[$__rate_interval])", LEGEND), width=8, smallest=0),
        graph("Memory", "In RAM.", "bytes", (f"process_resident_memory_bytes{{{FLEET}}}", LEGEND), width=8, smallest=0),
        graph("Open files", "Mostly connections; the limit is process_max_fds.", "short", (f"process_open_fds{{{FLEET}}}", LEGEND), width=8, smallest=0),
    ],
)

TOKEN = 'route="token"'
ERRORS = labelled("http_requests_total", f'{TOKEN}, status="5xx"')
ALL = labelled("http_requests_total", TOKEN)
slo = dashboard(
    "slo", "SLO", "Of all answers to GET /token/{appid}, 99.9 % over 30 days are not 5xx; and 99 % take less than 5 ms.",
    [
        stat("Answered, 30 days", "Requests for tokens that were not answered 5xx.", "percentunit", f"1 - (sum(increase({ERRORS}[30d])) or vector(0)) / sum(increase({ALL}[30d]))", [(None, "red"), (0.999, "green")], width=6, decimals=4),
        stat("Allowance left", "Of the 0.1 % that may be refused in 30 days.", "percentunit", f"1 - (sum(increase({ERRORS}[30d])) or vector(0)) / (0.001 * sum(increase({ALL}[30d])))", [(None, "red"), (0, "orange"), (0.5, "green")], width=6, decimals=1),
        stat("Burn, 1 hour", "How many times faster than allowed; 1 uses the allowance up in 30 days, 14.4 pages.", "short", f"max(namespace_job:token_broker_token_errors:ratio_rate1h{{{FLEET}}}) / 0.001", [(None, "green"), (1, "orange"), (14.4, "red")], width=6, decimals=2),
        stat("Under 5 ms, 1 hour", "Answers to requests for tokens. What is slower waited for a first token.", "percentunit",
             f'sum(rate({labelled("http_request_duration_seconds_bucket", TOKEN + ", le=" + chr(34) + "0.005" + chr(34))}[1h])) / sum(rate({labelled("http_request_duration_seconds_count", TOKEN)}[1h]))', [(None, "red"), (0.99, "green")], width=6, decimals=3),
        graph("Burn rate", "Over four windows. A page: both of 5 minutes and 1 hour over 14.4; a ticket: 30 minutes and 6 hours over 6.", "short",
              *((f"max(namespace_job:token_broker_token_errors:ratio_rate{window}{{{FLEET}}}) / 0.001", window) for window in ("5m", "30m", "1h", "6h")), width=24, smallest=0),
        graph("Requests for tokens", "By class of status.", "reqps", (f"sum by (status) (rate({ALL}[$__rate_interval]))", "{{status}}"), stacked=True, smallest=0),
        graph("Refusals", "By code of the problem document; docs/errors.md has a row for each.", "reqps", (f"sum by (code) (rate({q('http_refusals_total')}[$__rate_interval])) > 0", "{{code}}"), stacked=True, smallest=0),
        graph("Duration of requests for tokens", "From memory: well under a millisecond.", "s",
              *((f"histogram_quantile({of}, sum by (le) (rate({labelled('http_request_duration_seconds_bucket', TOKEN)}[$__rate_interval])))", f"p{of * 100:g}") for of in (0.5, 0.99, 0.999)), smallest=0),
        graph("Requests by replica", "Uneven: look at the balancer.", "reqps", (f"sum by (instance) (rate({q('http_requests_total')}[$__rate_interval]))", LEGEND), stacked=True, smallest=0),
        graph("Requests by route", "All of the API.", "reqps", (f"sum by (route) (rate({q('http_requests_total')}[$__rate_interval]))", "{{route}}"), stacked=True, smallest=0),
    ],
    span="now-24h",
)


def files():
    for made in (fleet, app, replicas, slo):
        name = made["uid"].removeprefix("token-broker-")
        yield HERE / f"{name}.json", json.dumps(made, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path, text in files():
        path.write_text(text)
