"""Every rule of `mastercopy check`: what it finds, why that matters, and what to do; the reference page is written from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of finding. An `error` keeps the hub from starting or a record from passing; a `warning` is likely a mistake.

    `says` recognises what a loader complains of, as `CONTEXT PATH: DETAIL`; "" where the check looks for itself, or takes the rest.
    """

    id: str
    level: Level
    en: str
    zh: str
    why: str
    remedy: str
    says: str = ""


def of_complaint(context: str, path: str, detail: str) -> Rule:
    """The rule that a loader's complaint belongs to. `context`: yaml, hub, manifest, format, schema, mapping, route, master."""
    text = f"{context} {path}: {detail}"
    return next((rule for rule in RULES if rule.says and re.search(rule.says, text)), _BY_ID[_OTHERS[context]])


def get(name: str) -> Rule:
    """The rule of this id. Raises `KeyError`."""
    return _BY_ID[name]


RULES = (
    # 0: files and hub.yaml
    Rule("MC001", "error", "A key stands twice", "键重复", "Two values were meant, and one of them would be lost silently.",
         "Remove one of them.", r"^\w+ .*: the key '.*' stands twice"),
    Rule("MC002", "error", "Not YAML", "不是有效的 YAML", "Nothing of the file can be used.",
         "Mend the line; mostly it is the indentation, or a text with a colon or brackets that needs quotes."),
    Rule("MC011", "error", "Unknown system in hub.yaml", "hub.yaml 中的系统不存在", "What stands below it reaches no system.",
         "Correct the name, or add its folder to adapters/.", r"^hub .*: no system '"),
    Rule("MC012", "error", "Unknown route in hub.yaml", "hub.yaml 中的路由不存在", "A subscriber would get nothing.",
         "Correct the name, or add routes/NAME.yaml."),
    Rule("MC013", "error", "Unknown feed or sink in hub.yaml", "hub.yaml 中的接入流或出口不存在",
         "The instance's values would not reach the feed or sink that they are meant for.", "Correct the name."),
    Rule("MC014", "error", "Wrong section in hub.yaml", "hub.yaml 的内容有误", "The hub does not start.",
         "hub.yaml has systems: with values for each, and routes: with a list of names."),
    Rule("MC015", "warning", "A system's folder is not in use", "系统目录未启用", "Its feeds and sinks do not exist for the hub.",
         "Name it in hub.yaml under systems:, or remove the folder."),
    # 1: manifests, formats, schemas, and the same mistakes in routes
    Rule("MC101", "error", "Unknown key", "未知的键", "What it says is not heard: often a misspelt limit or option.",
         "Take the nearest valid name.", r"^(manifest|format|route) .*: (unknown key|there is no key) '"),
    Rule("MC102", "error", "A required key is missing", "缺少必需的键", "The feed, sink or route cannot be set up.", "Add it.",
         r"^(manifest|route) .*: the key '.*' is missing|^format .*: (columns are needed|a column has a name|a column of fixed width)"),
    Rule("MC103", "error", "Wrong duration or size", "时长或大小的写法有误", "A limit that is not understood is no limit.",
         "Write 500ms, 5s, 2m, 2h; 500kB, 10MB, 5GB.", r"^(manifest|route) .*: a (duration|size) is expected"),
    Rule("MC104", "error", "A secret stands in clear", "明文密钥", "Whoever reads the file, its copies or its history has it.",
         "Refer to it: env:NAME, file:/path or credential:NAME. Change the secret that was written down.", r"^manifest .*: .*in clear"),
    Rule("MC105", "error", "A named file is absent", "引用的文件不存在", "There is nothing to map, check or transform with.",
         "Correct the name, or add the file.", r"^(manifest|format) .*: there is no (such )?file "),
    Rule("MC106", "error", "The name differs from the folder's or file's", "名称与目录或文件不一致",
         "Nobody would find it under one of the names.", "Rename one of them.",
         r"^(manifest|route) .*: the (system|route) is not named as"),
    Rule("MC107", "error", "A column stands twice", "列重复", "One of the two would overwrite the other.", "Rename one of them.",
         r"^format .*: the column '.*' stands twice"),
    Rule("MC108", "error", "The schema is not JSON", "模式文件不是有效的 JSON", "No record can be checked.", "Mend the file at the line.",
         r"^schema .*: the schema is not JSON"),
    Rule("MC109", "error", "Not a JSON Schema", "不是有效的 JSON Schema",
         "The hub refuses to check records by something that it does not understand.",
         "Follow JSON Schema 2020-12; every $ref stays inside the file."),
    Rule("MC110", "error", "The XSD or XSLT cannot be used", "XSD 或 XSLT 无法使用", "No record can be checked or transformed.",
         "Mend the file; it may not read other documents.", r"^format .*: \S+ cannot be (used|read):"),
    Rule("MC111", "error", "Wrong value in a format", "格式的取值有误", "The hub would read other bytes than are sent.",
         "Take one of the values that the manual names."),
    Rule("MC112", "error", "Control totals of a column that is not there", "控制总额所用的列不存在",
         "Every file would differ from its control file.", "Name a column of the format."),
    Rule("MC113", "error", "Wrong value in a manifest or route", "清单或路由的取值有误", "It cannot be set up as it says.",
         "See the reference for what the key may say."),
    Rule("MC121", "warning", "No README", "缺少 README", "At night nobody knows whom to call.",
         "Write README.md: whom to call, known quirks, in both languages."),
    Rule("MC122", "warning", "No Chinese name", "缺少中文名称", "Chinese pages would show the English name.",
         "Add name: {en: ..., zh: ...}."),
    Rule("MC123", "warning", "No owner to call", "缺少负责人联系方式", "Alarms of this system reach nobody.",
         "Add owner: {team: ..., contact: ...}."),
    Rule("MC124", "warning", "A file that nothing uses", "无人使用的文件", "Changing it changes nothing, which surprises whoever does.",
         "Name it in the manifest or a mapping, or remove it."),
    # 2: mappings and code tables
    Rule("MC201", "error", "Unknown word in a mapping", "映射中有未知的关键字", "The rule would not do what it says.",
         "Take the nearest valid word.", r"^mapping .*: '.*' is not known here"),
    Rule("MC202", "error", "A required key of a mapping is missing", "映射缺少必需的键", "No record can be made.", "Add it.",
         r"^mapping .*: '.*' is missing"),
    Rule("MC203", "error", "Unknown function", "未知的函数", "The value cannot be made.", "Take the nearest name, or call: your own.",
         r"^mapping .*: there is no function '"),
    Rule("MC204", "error", "Wrong argument of a function", "函数参数有误", "The function cannot work with it.",
         "See the functions' reference for what it takes.", r"^mapping .*\.do(\[\d+\])?: (?!there is no (function|code table))"),
    Rule("MC205", "error", "Unknown canonical field", "标准模型中没有该字段", "The record would be refused as not canonical.",
         "Take the nearest field; characteristic holds what has none.", r"^mapping .*: \w+ has no field '"),
    Rule("MC206", "error", "Unknown entity", "未知的实体", "There is no such record in the master copy.",
         "One of customer, account, subscription, product, order.", r"^mapping .*: there is no entity '"),
    Rule("MC207", "error", "Unknown code table", "代码表不存在", "No code can be translated.",
         "Correct the name, or add tables/NAME.csv.", r"^mapping .*: there is no code table '"),
    Rule("MC208", "error", "A code table without its header", "代码表缺少表头", "Which column is whose is not known.",
         "The first line is theirs,ours.", r"^mapping .*: the header of a code table"),
    Rule("MC209", "error", "A code stands twice in a table", "代码表中代码重复", "Which of the meanings counts would be chance.",
         "Remove one of them.", r"^mapping .*: the code '.*' stands twice"),
    Rule("MC210", "error", "A code table cannot be read", "代码表无法读取", "No code can be translated.",
         "It is CSV in UTF-8, with both codes in every row.", r"^mapping .*: (a row of a code table|the code table)"),
    Rule("MC211", "error", "A value that the canonical field cannot have", "取值不在标准模型的枚举中",
         "Every record with it would be a dead letter.", "Take one of the field's values.", r"^mapping .*: '.*' of \w+ cannot be "),
    Rule("MC212", "error", "Wrong condition in a mapping", "映射中的条件有误", "Whether the rule holds cannot be decided.",
         'It is CEL over row: row.TYPE == "C".', r"^mapping .*: (the condition |a condition )"),
    Rule("MC213", "error", "A reference is not written as one", "引用的写法有误",
         "Who is meant would be a plain text that nobody follows.", "Write {ref: PATH, source: SYSTEM}.",
         r"^mapping .*: '.*' of \w+ is (a reference|no reference)"),
    Rule("MC214", "error", "A required canonical field is not written", "必需的标准字段未被写入",
         "Every record would be refused as not canonical.", "Add a rule for it.", r"^mapping .*: \w+ requires "),
    Rule("MC215", "error", "Not a path", "路径的写法有误", "Nothing can be found by it.",
         "Paths look like CUST.NAME, items[0].code, media[type=mobile].value.",
         r"^mapping .*: (a path is|the path |this path|\^ leaves)"),
    Rule("MC216", "error", "A Python function cannot be used", "Python 函数无法使用", "The value cannot be made.",
         "call: module:function names a function of module.py in the system's folder.",
         r"^mapping .*: (a Python function is|there is no \S+\.py|\S+\.py has no function|this is not Python|the file fails)"),
    Rule("MC217", "error", "Another mistake in a mapping", "映射的其他错误", "The hub refuses a mapping that is not clear.",
         "See the mapping's reference."),
    Rule("MC221", "error", "No such column in the feed", "接入流没有该列", "The rule would never find a value.",
         "Take a column that the feed's format has."),
    Rule("MC222", "warning", "A field that the feed's schema does not name", "接入流的模式未声明该字段",
         "The rule will hardly find a value.", "Take a field of the schema, or add it there."),
    Rule("MC223", "error", "No such column in the sink", "出口没有该列", "Every delivery of this record would fail.",
         "Take a column of the sink's format, or add it there."),
    Rule("MC224", "error", "No such field in a change", "变更中没有该字段", "The rule would never find a value.",
         "Outbound rules read event, op, id, key, version, entity, seq, at, source, state.* and changed.*."),
    Rule("MC225", "error", "The mapping goes the other way", "映射方向相反", "A feed needs an inbound mapping, a sink an outbound one.",
         "Name the other mapping, or correct direction:."),
    Rule("MC226", "warning", "A reference to a system that is not known", "引用的系统不存在", "Nothing will ever arrive under that key.",
         "Correct source:."),
    # 3: routes
    Rule("MC301", "error", "A route to an unknown sink", "路由指向不存在的出口", "The hub does not start with it.",
         "to: SYSTEM/SINK, as a manifest names them.", r"^route to: "),
    Rule("MC302", "error", "Unknown entity in a route", "路由中有未知的实体", "Nothing of it would ever be sent.",
         "One of customer, account, subscription, product, order.",
         r"^route (entities|filter|fields)(\.\w+|\[\d+\])?: one of .*is expected"),
    Rule("MC303", "error", "Unknown field in a route's view", "路由视图中有未知的字段", "The subscriber would miss what was meant.",
         "Take a field of the entity.", r"^route fields\.\w+\[\d+\]: one of .*is expected"),
    Rule("MC304", "error", "Wrong condition in a route", "路由中的条件有误", "Who gets what cannot be decided.",
         'It is CEL over new (only: also old and changed): new.level == "gold".', r"^route .*: the condition "),
    Rule("MC311", "warning", "A route file is not in use", "路由文件未启用", "Its subscriber gets nothing.",
         "Name it in hub.yaml under routes:, or remove it."),
    Rule("MC312", "warning", "No route reaches a sink", "没有路由到达该出口", "The system gets nothing.",
         "Switch a route on, or remove the sink."),
    Rule("MC313", "warning", "The sink's mapping has nothing for an entity", "出口映射不含该实体",
         "The route matches changes that are never sent.", "Add a record for it to the mapping, or leave it out of entities:."),
    Rule("MC314", "error", "A condition on a field that is not there", "条件引用了不存在的字段",
         "It is always as if the field were empty.", "Take a field of the entity."),
    Rule("MC315", "warning", "A rule for an entity that the route does not send", "为路由未发送的实体设置了规则", "It has no effect.",
         "Add the entity to entities:, or remove the rule."),
    # 4: the master copy
    Rule("MC401", "warning", "A source without a rank", "来源没有等级", "Where sources disagree, its values count last.",
         "Add the system to the entity's rank in master.yaml."),
    Rule("MC402", "warning", "A rank of an unknown system", "等级中有未知的系统",
         "Mostly a misspelt name: the system that was meant has no rank.", "Correct the name."),
    Rule("MC403", "error", "A match path that leads nowhere", "匹配路径不存在", "No two records would ever be found to be one.",
         "Take a path of the entity, as identification[type=nationalId].number."),
    Rule("MC404", "error", "Wrong rules of the master copy", "主副本规则有误", "The hub does not start.",
         "Every entity has match: [...] and rank: [...]."),
    # 5: samples
    Rule("MC501", "error", "A sample without its partner", "样例缺少对应文件", "It is not replayed, and proves nothing.",
         "Names: NAME.in.* with NAME.out.json, NAME.bad.* with NAME.error.json, NAME.change.json with NAME.sent.*."),
    Rule("MC502", "error", "A sample fails", "样例未通过", "The mapping does something else than was promised.",
         "`mastercopy test` shows the difference: mend the mapping, or the sample."),
    Rule("MC503", "warning", "A mapping rule that no sample covers", "没有样例覆盖的映射规则", "What it does is not tested.",
         "Add a sample that makes it give a value."),
)  # fmt: skip
_BY_ID = {rule.id: rule for rule in RULES}
_OTHERS = {  # where a complaint belongs that no rule recognises
    "yaml": "MC002",
    "hub": "MC014",
    "manifest": "MC113",
    "route": "MC113",
    "format": "MC111",
    "schema": "MC109",
    "mapping": "MC217",
    "master": "MC404",
    "sample": "MC501",
}
