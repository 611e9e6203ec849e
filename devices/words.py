"""Words: what a status bit, a missing number or a doubt is called, so that a nurse understands it (中文, English).

Every flag of every codec and every reason of quality.py stands here; a test holds the table to that.
"""

from __future__ import annotations

from collections.abc import Mapping

from devices.fields import Told

ABSENT: Mapping[str, Told] = {
    "not-a-number": Told("没有测出数值", "no value was measured"),
    "error": Told("设备报告测量出错", "the device reports an error"),
    "positive-infinity": Told("超出可测上限", "above what the device can measure"),
    "negative-infinity": Told("低于可测下限", "below what the device can measure"),
}

FLAGS: Mapping[str, Told] = {
    # every device
    "clock_not_set": Told("设备时钟未设置", "the device's clock is not set"),
    "battery_low": Told("电池电量低", "the battery is low"),
    # cuffs
    "movement": Told("测量时身体移动", "the body moved while measuring"),
    "cuff_loose": Told("袖带过松", "the cuff was too loose"),
    "irregular_pulse": Told("脉搏不齐", "the pulse was irregular"),
    "pulse_above_range": Told("脉率高于可测范围", "the pulse is above the range"),
    "pulse_below_range": Told("脉率低于可测范围", "the pulse is below the range"),
    "position": Told("测量姿势不当", "the arm was not at the height of the heart"),
    # oximeters
    "ongoing": Told("测量进行中", "measurement ongoing"),
    "early_estimate": Told("早期估计值", "an early estimate"),
    "validated": Told("数据已验证", "validated"),
    "fully_qualified": Told("数据合格", "fully qualified"),
    "from_storage": Told("来自设备存储", "from the device's memory"),
    "demo": Told("演示数据", "demo data"),
    "testing": Told("测试数据", "test data"),
    "calibrating": Told("正在校准", "calibrating"),
    "unavailable": Told("暂无测量值", "no measurement available"),
    "questionable": Told("测量值存疑", "a questionable measurement"),
    "invalid": Told("测量值无效", "an invalid measurement"),
    "display_update": Told("显示正在更新", "the display is being updated"),
    "malfunction": Told("设备故障", "the device is faulty"),
    "irregular_processing": Told("信号处理异常", "irregular signal processing"),
    "inadequate_signal": Told("信号不足", "the signal is inadequate"),
    "poor_signal": Told("信号较差", "the signal is poor"),
    "low_perfusion": Told("末梢灌注低", "low perfusion"),
    "erratic_signal": Told("信号紊乱", "the signal is erratic"),
    "non_pulsatile": Told("未检测到脉搏波", "no pulse wave"),
    "questionable_pulse": Told("脉率存疑", "a questionable pulse"),
    "signal_analysis": Told("正在分析信号", "the signal is being analysed"),
    "interference": Told("受到干扰", "interference"),
    "not_on_user": Told("手指未放好", "the finger is not in place"),
    "unknown_sensor": Told("未识别的探头", "an unknown sensor"),
    "displaced": Told("探头移位", "the sensor is displaced"),
    "sensor_fault": Told("探头故障", "the sensor is faulty"),
    "disconnected": Told("探头未连接", "the sensor is disconnected"),
    "no_contact": Told("未接触皮肤", "no contact with the skin"),
    # glucose meters
    "sample_small": Told("血样量不足", "the blood sample was too small"),
    "strip_insertion": Told("试纸插入不当", "the strip was inserted wrongly"),
    "strip_type": Told("试纸类型不符", "the wrong type of strip"),
    "result_too_high": Told("超出上限（Hi）", "above the meter's range (Hi)"),
    "result_too_low": Told("低于下限（Lo）", "below the meter's range (Lo)"),
    "temperature_high": Told("环境温度过高", "too warm to measure"),
    "temperature_low": Told("环境温度过低", "too cold to measure"),
    "interrupted": Told("测量中断", "the measurement was interrupted"),
    "meter_fault": Told("血糖仪传感器故障", "the meter's sensor is faulty"),
    "general_fault": Told("血糖仪一般故障", "the meter reports a general fault"),
    "time_fault": Told("血糖仪时间有误", "the meter's time is at fault"),
    "part_missing": Told("数据不完整，缺少后续部分", "a part of the record is missing"),
    # scales
    "unsuccessful": Told("测量未成功", "the measurement was not successful"),
    "unstable": Told("读数未稳定", "the reading had not settled"),
    # ECG
    "lead_off": Told("电极脱落", "an electrode came off"),
    "noisy": Told("信号噪声大", "the signal is noisy"),
}

# What quality.py finds by itself.
REASONS: Mapping[str, Told] = {
    "no_value": Told("没有测出数值", "no value was measured"),
    "missing_value": Told("缺少必要的数值", "a necessary value is missing"),
    "out_of_range": Told("超出设备可测范围", "outside what the device can measure"),
    "unit_doubtful": Told("单位可能有误", "the unit is doubtful"),
    "sys_not_above_dia": Told("高压不高于低压", "the upper pressure is not above the lower"),
    "pulse_pressure": Told("高低压差异常", "an unusual gap between upper and lower pressure"),
    "map_outside": Told("平均压不在高低压之间", "the mean pressure is outside upper and lower"),
    "bmi_mismatch": Told("体重指数与身高体重不符", "the body mass index does not fit height and weight"),
    "beyond_range": Told("超出血糖仪可测范围（Hi 或 Lo）", "beyond the meter's range (Hi or Lo)"),
}


def flag_words(name: str) -> Told:
    return FLAGS.get(name) or REASONS.get(name) or Told(name, name)


def absent_words(reason: str) -> Told:
    return ABSENT.get(reason) or Told(reason, reason)
