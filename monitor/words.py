"""The words of the status page and of tables on the command line, in both languages."""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "zh"]

# English as it stands in the code -> 简体中文. A word that is missing here fails a test.
ZH = {
    "Mastercopy": "Mastercopy 主数据枢纽",
    "Status": "运行状态",
    "as of": "截至",
    "all quiet": "一切正常",
    "needs attention": "需要处理",
    "Backlog": "积压",
    "records waiting": "条记录待处理",
    "oldest": "最早",
    "nothing waits": "没有积压",
    "Rate": "速率",
    "received a second": "条/秒 接收",
    "applied a second": "条/秒 处理",
    "measuring": "测量中",
    "Master copy": "主数据",
    "golden records": "条主记录",
    "changes": "变更",
    "Dead letters": "死信",
    "Feeds": "上游接入",
    "Files": "文件",
    "Subscribers": "下游订阅",
    "Alarms": "告警",
    "feed": "接入",
    "feeds": "接入",
    "over": "协议",
    "accepted": "已接收",
    "duplicate": "重复",
    "applied": "已生效",
    "unchanged": "无变化",
    "stale": "过期",
    "dead": "死信",
    "resolved": "已解决",
    "waiting": "等待中",
    "pending": "待处理",
    "file": "文件",
    "system": "系统",
    "path": "位置",
    "size": "大小",
    "state": "状态",
    "rows": "行数",
    "total": "总数",
    "progress": "进度",
    "claimed_at": "开始时间",
    "finished_at": "完成时间",
    "subscriber": "订阅方",
    "subscription": "订阅",
    "name": "名称",
    "lag": "落后变更数",
    "lag_seconds": "落后秒数",
    "behind": "落后",
    "delivered": "已送达",
    "superseded": "已被替代",
    "suppressed": "已抑制",
    "matched": "匹配",
    "breaker": "熔断",
    "open": "断开",
    "closed": "正常",
    "tries again": "重试时间",
    "retry_at": "重试时间",
    "active": "运行中",
    "paused": "已暂停",
    "disabled": "已停用",
    "loading": "加载中",
    "done": "完成",
    "reason": "原因",
    "letters": "信件数",
    "records": "记录数",
    "stage": "阶段",
    "code": "错误类",
    "place": "来源",
    "first_at": "首次时间",
    "last_at": "最近时间",
    "first seen": "首次",
    "last seen": "最近",
    "kind": "类型",
    "since": "始于",
    "raised_at": "发生时间",
    "no dead letters": "没有死信",
    "no files yet": "还没有文件",
    "no subscribers: add a route to hub.yaml": "还没有订阅：请在 hub.yaml 中添加路由",
    "no feeds: add a system to hub.yaml": "还没有接入：请在 hub.yaml 中添加系统",
    "nothing was received yet: see `mastercopy send`": "尚未收到数据：参见 `mastercopy send`",
    "no alarms": "没有告警",
    "changes behind": "条变更",
    "receive": "接收",
    "decode": "解码",
    "check": "校验",
    "map": "映射",
    "canonical": "规范",
    "apply": "生效",
    "deliver": "送达",
    "id": "编号",
    "letter": "死信编号",
    "source": "来源系统",
    "fingerprint": "指纹",
    "message": "消息",
    "row": "行",
    "attempts": "次数",
    "due_at": "下次时间",
    "entity": "实体",
    "key": "键",
    "version": "版本",
    "op": "操作",
    "at": "时间",
    "changed": "变更内容",
    "members": "成员",
    "value": "值",
    "field": "字段",
    "prefix": "前缀",
    "created_at": "创建时间",
    "received_at": "接收时间",
    "receipt": "回执",
    "bytes": "字节",
    "rule": "规则",
    "before": "之前",
    "after": "之后",
    "target": "目标",
    "outcome": "结果",
    "started_at": "开始时间",
    "detail": "详情",
    "sent": "已发送内容",
    "action": "动作",
    "matched letters": "匹配的死信",
    "eligible": "可处理",
    "not_eligible": "不可处理",
    "failures": "失败",
    "unknown": "未知",
    "not matched": "不匹配",
    "parked": "已挂起",
    "discarded": "已丢弃",
    "settled": "已完成",
    "being applied": "处理中",
    "event": "事件",
    "raw": "原文",
    "decoded": "解码后",
    "deliveries": "投递",
    "parent": "原件",
    "children": "更正件",
    "revision": "修订",
    "of": "所属",
    "hash": "哈希",
    "absent": "缺少的键",
    "failed": "失败行",
    "entities": "实体",
    "others": "其他消息",
}


def say(word: str, language: Language) -> str:
    """The word in this language; what has no translation stays as it is."""
    return ZH.get(word, word) if language == "zh" else word


def choose(asked: str | None, accepted: str) -> Language:
    """`asked` is ?lang=; `accepted` an Accept-Language header. English where neither names Chinese first."""
    if asked:
        return "zh" if asked.lower().startswith("zh") else "en"
    wanted = []
    for number, part in enumerate(accepted.split(",")):
        name, _, quality = part.strip().partition(";q=")
        if name[:2].lower() in ("en", "zh"):
            wanted.append((-_number(quality), number, name[:2].lower()))
    return "zh" if wanted and min(wanted)[2] == "zh" else "en"


def _number(quality: str) -> float:
    try:
        return float(quality or 1)
    except ValueError:
        return 0.0
