"""What Chinese people and organisations are called: lists with weights, by how common they are."""

from __future__ import annotations

from random import Random

# Share of the population in permille, roughly: the ministry's yearly report on names.
_SURNAMES = {
    "王": 72, "李": 70, "张": 67, "刘": 51, "陈": 48, "杨": 30, "黄": 24, "赵": 22, "周": 20, "吴": 20, "徐": 14, "孙": 14, "胡": 13,
    "朱": 12, "高": 11, "林": 11, "何": 11, "郭": 11, "马": 11, "罗": 9, "梁": 8, "宋": 8, "郑": 8, "谢": 7, "韩": 7, "唐": 7, "冯": 7,
    "于": 6, "董": 6, "萧": 6, "程": 6, "曹": 6, "袁": 5, "邓": 5, "许": 5, "傅": 5, "沈": 5, "曾": 5, "彭": 5, "吕": 5, "苏": 4, "卢": 4,
    "蒋": 4, "蔡": 4, "贾": 4, "丁": 4, "魏": 4, "薛": 4, "叶": 4, "阎": 4, "余": 4, "潘": 4, "杜": 4, "戴": 3, "夏": 3, "钟": 3, "汪": 3,
    "田": 3, "任": 3, "姜": 3, "范": 3, "方": 3, "石": 3, "姚": 3, "谭": 3, "廖": 3, "邹": 3, "熊": 3, "金": 3, "陆": 3, "郝": 2, "孔": 2,
    "白": 2, "崔": 2, "康": 2, "毛": 2, "邱": 2, "秦": 2, "江": 2, "史": 2, "顾": 2, "侯": 2, "邵": 2, "孟": 2, "龙": 2, "万": 2, "段": 2,
    "仇": 1, "查": 1, "单": 1, "解": 1, "朴": 1, "欧阳": 1, "上官": 1, "尉迟": 1, "司马": 1, "诸葛": 1,
}  # fmt: skip
_MALE = (
    "伟 强 磊 军 勇 杰 涛 超 明 刚 平 辉 鹏 华 飞 鑫 波 斌 宇 浩 凯 健 俊 帆 帅 旭 宁 龙 林 阳 建华 建国 志强 志明 "
    "海涛 文杰 子轩 浩然 宇航 俊杰 一鸣 国庆 晓东 永强 嘉豪 天宇"
)
_FEMALE = (
    "芳 娜 敏 静 丽 艳 娟 霞 燕 玲 婷 雪 慧 莹 洁 倩 颖 琳 萍 红 玉兰 桂英 秀英 秀兰 丽娟 晓燕 婷婷 雨欣 梓涵 欣怡 "
    "思琪 佳怡 诗涵 雅静 春梅 海燕 淑珍 梦瑶 玉梅 小红"
)
_RARE = "㛃 𬭚 𠮷 堃 喆 珺 玥 晟"  # the first three are not in GBK, and in GB18030 take four bytes
_BRANDS = (
    "华信 恒达 金桥 鼎盛 宏远 天成 瑞丰 联创 中汇 东方 长青 盛世 博雅 安泰 九州 新元 启明 百川 凌云 同济 德胜 万通 "
    "嘉和 星海 泰和 永兴 远景 云帆"
)
_TRADES = (
    "科技 信息技术 网络 贸易 商贸 物流 建筑工程 电子 软件 医药 餐饮管理 文化传媒 教育咨询 投资管理 机械设备 化工 "
    "纺织 食品 环保 汽车销售 房地产开发 物业管理 酒店管理 农业发展"
)
_FORMS = {"有限公司": 78, "有限责任公司": 12, "股份有限公司": 8, "集团有限公司": 2}
_STREETS = (
    "人民 解放 中山 建设 新华 和平 胜利 文化 东风 朝阳 滨江 长江 黄河 科技 学院 迎宾 幸福 光明 北京 南京 上海 天府 五一 友谊 青年 劳动"
)


def person(rng: Random, male: bool) -> str:
    """A full name; about one in two hundred holds a character that few systems can write."""
    surname = rng.choices(list(_SURNAMES), list(_SURNAMES.values()))[0]
    given = (_RARE if rng.random() < 0.005 else _MALE if male else _FEMALE).split()
    return surname + rng.choice(given)


def organization(rng: Random, region: str, number: int) -> str:
    """Region, brand, trade and legal form, one in twelve a branch; the brand is made distinct by `number`."""
    brands, trades = _BRANDS.split(), _TRADES.split()
    brand = brands[number % len(brands)] + (brands[number // len(brands) % len(brands)] if rng.random() < 0.5 else "")
    form = rng.choices(list(_FORMS), list(_FORMS.values()))[0]
    branch = f"{rng.choice(['第一', '城东', '城西', '高新区', '开发区'])}分公司" if rng.random() < 1 / 12 else ""
    return f"{region}{brand}{rng.choice(trades)}{form}{branch}"


def street(rng: Random) -> str:
    """Road, house number, often a building, unit and room."""
    road = f"{rng.choice(_STREETS.split())}{rng.choice(['路', '大道', '街', '东路', '西路', '北街', '南路'])}{rng.randrange(1, 999)}号"
    return (
        road
        if rng.random() < 0.3
        else f"{road}{rng.randrange(1, 40)}栋{rng.randrange(1, 5)}单元{rng.randrange(1, 33)}0{rng.randrange(1, 5)}室"
    )
