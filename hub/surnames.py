"""Surnames: where one ends in a Chinese name, and how it reads in Latin letters ("Ms Xie", never "Ms 谢")."""

from __future__ import annotations

# The commonest surnames cover about nine people in ten; a rarer one stays as it is written, which is never wrong.
_ROMAN = """
王 Wang 李 Li 张 Zhang 刘 Liu 陈 Chen 杨 Yang 黄 Huang 赵 Zhao 吴 Wu 周 Zhou 徐 Xu 孙 Sun 马 Ma 朱 Zhu 胡 Hu
郭 Guo 何 He 林 Lin 高 Gao 罗 Luo 郑 Zheng 梁 Liang 谢 Xie 宋 Song 唐 Tang 许 Xu 韩 Han 邓 Deng 冯 Feng 曹 Cao
彭 Peng 曾 Zeng 肖 Xiao 萧 Xiao 田 Tian 董 Dong 潘 Pan 袁 Yuan 蔡 Cai 蒋 Jiang 余 Yu 于 Yu 杜 Du 叶 Ye 程 Cheng
魏 Wei 苏 Su 吕 Lü 丁 Ding 任 Ren 卢 Lu 姚 Yao 沈 Shen 钟 Zhong 姜 Jiang 崔 Cui 谭 Tan 陆 Lu 范 Fan 汪 Wang
廖 Liao 石 Shi 金 Jin 韦 Wei 贾 Jia 夏 Xia 付 Fu 傅 Fu 方 Fang 邹 Zou 熊 Xiong 白 Bai 孟 Meng 秦 Qin 邱 Qiu
侯 Hou 江 Jiang 尹 Yin 薛 Xue 闫 Yan 阎 Yan 段 Duan 雷 Lei 龙 Long 黎 Li 史 Shi 陶 Tao 贺 He 毛 Mao 郝 Hao
顾 Gu 龚 Gong 邵 Shao 万 Wan 覃 Qin 武 Wu 钱 Qian 戴 Dai 严 Yan 莫 Mo 孔 Kong 向 Xiang 常 Chang 汤 Tang 康 Kang
易 Yi 乔 Qiao 文 Wen 赖 Lai 樊 Fan 兰 Lan 殷 Yin 施 Shi 洪 Hong 翟 Zhai 安 An 颜 Yan 倪 Ni 牛 Niu 温 Wen
芦 Lu 季 Ji 俞 Yu 章 Zhang 鲁 Lu 葛 Ge 伍 Wu 申 Shen 尤 You 毕 Bi 聂 Nie 柴 Chai 焦 Jiao 柳 Liu 邢 Xing
岳 Yue 齐 Qi 梅 Mei 庄 Zhuang 辛 Xin 管 Guan 祝 Zhu 左 Zuo 涂 Tu 谷 Gu 祁 Qi 时 Shi 舒 Shu 耿 Geng 欧阳 Ouyang
司马 Sima 上官 Shangguan 诸葛 Zhuge 司徒 Situ 东方 Dongfang 皇甫 Huangfu 尉迟 Yuchi 令狐 Linghu 夏侯 Xiahou
"""
_WORDS = _ROMAN.split()
ROMAN: dict[str, str] = dict(zip(_WORDS[::2], _WORDS[1::2], strict=True))


def of(name: str) -> str:
    """The surname at the head of a name: of two characters where such a one exists and a given name is left."""
    return name[:2] if len(name) > 2 and name[:2] in ROMAN else name[:1]


def romanised(surname: str) -> str:
    return ROMAN.get(surname, surname)
