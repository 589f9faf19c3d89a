package title

import "github.com/linshao/linshao/protocol/ticket"

func notice() word      { return word{"需要到场查看", "Please attend"} }
func maintenance() word { return word{"(检修中)", " (under maintenance)"} }

func faults() map[ticket.Fault]word {
	return map[ticket.Fault]word{
		ticket.Entrapment:    {"电梯困人", "People trapped in lift"},
		ticket.Duress:        {"胁迫报警", "Duress alarm"},
		ticket.Overtravel:    {"电梯冲顶或蹲底", "Lift overtravel"},
		ticket.DoorForced:    {"门被强行打开", "Door forced open"},
		ticket.DoorHeld:      {"门未关", "Door held open"},
		ticket.Overheat:      {"温度过高", "Overheating"},
		ticket.RobotStuck:    {"机器人卡住", "Robot stuck"},
		ticket.DeviceSilent:  {"设备无数据", "Device silent"},
		ticket.EstateDark:    {"边缘网关失联", "Edge gateway silent"},
		ticket.HumanReported: {"人工报事", "Reported by a person"},
		"alarm_key":          {"轿厢报警按钮按下", "Alarm button pressed in car"},
		"battery_low":        {"电量低", "Battery low"},
		"door_cycling":       {"反复开关门", "Door cycling"},
		"door_open_off_zone": {"非平层开门", "Door open outside door zone"},
		"help_called":        {"有人求助", "Somebody calls for help"},
		"moving_door_open":   {"开门走梯", "Car moving with door open"},
		"overspeed":          {"电梯超速", "Lift overspeed"},
		"power_cut":          {"停电", "Power cut"},
		"robot_estop":        {"机器人急停", "Robot emergency stop"},
		"robot_fallen":       {"机器人倾倒", "Robot fallen over"},
		"run_timeout":        {"运行超时", "Run time exceeded"},
		"smoke":              {"烟雾报警", "Smoke alarm"},
		"stopped_off_zone":   {"非平层停梯", "Stopped outside door zone"},
		"tamper":             {"防拆报警", "Tamper alarm"},
	}
}

// reasons are sentences of detectors; {name} stands for a parameter. That a flag
// was set, an event happened or conditions came together adds nothing to the
// fault's own word, so those have none.
func reasons() map[string]word {
	return map[string]word{
		"above":  {"{metric} {value},高于 {limit}", "{metric} {value}, above {limit}"},
		"below":  {"{metric} {value},低于 {limit}", "{metric} {value}, below {limit}"},
		"silent": {"{after} 内没有有效数据", "no good value for {after}"},
	}
}

// metrics are the quantities that shipped thresholds judge.
func metrics() map[string]word {
	return map[string]word{
		"battery":        {"电量", "battery"},
		"estop":          {"急停", "emergency stop"},
		"motor_temp":     {"电机温度", "motor temperature"},
		"speed":          {"速度", "speed"},
		"supply_voltage": {"供电电压", "supply voltage"},
		"tilt":           {"倾角", "tilt"},
	}
}

func severities() map[ticket.Severity]word {
	return map[ticket.Severity]word{
		ticket.Critical: {"特急", "Critical"},
		ticket.Major:    {"紧急", "Major"},
		ticket.Minor:    {"一般", "Minor"},
		ticket.Warning:  {"提示", "Warning"},
	}
}

func states() map[ticket.State]word {
	return map[ticket.State]word{
		ticket.Open:     {"待接单", "Open"},
		ticket.Accepted: {"已接单", "Accepted"},
		ticket.Arrived:  {"已到场", "Arrived"},
		ticket.Resolved: {"已办结", "Resolved"},
		ticket.Closed:   {"已关闭", "Closed"},
	}
}

func kinds() map[ticket.Kind]word {
	return map[ticket.Kind]word{
		ticket.Raise:          {"告警", "Raised"},
		ticket.Occur:          {"再次发生", "Occurred again"},
		ticket.Clear:          {"恢复", "Cleared"},
		ticket.Accept:         {"接单", "Accepted"},
		ticket.Arrive:         {"到场", "Arrived"},
		ticket.Resolve:        {"办结", "Resolved"},
		ticket.Close:          {"回访关闭", "Closed"},
		ticket.Reopen:         {"重新打开", "Reopened"},
		ticket.Transfer:       {"转派", "Transferred"},
		ticket.Escalate:       {"升级", "Escalated"},
		ticket.Comment:        {"备注", "Comment"},
		ticket.MarkFalseAlarm: {"误报", "False alarm"},
		ticket.Alias:          {"合并", "Merged"},
	}
}

// paging explains deliveries.
func paging() map[string]word {
	return map[string]word{
		"on_duty_vanguard":    {"在岗先锋党员", "vanguard member on duty"},
		"on_duty":             {"在岗", "on duty"},
		"shift_leader":        {"当班负责人", "leader of the shift"},
		"manager":             {"物业经理", "property manager"},
		"desk":                {"调度台", "dispatch desk"},
		"maintainer":          {"维保单位", "maintenance contractor"},
		"named":               {"预案指定", "named by the policy"},
		"superior":            {"上级", "superior"},
		"nobody_else":         {"无人可叫,兜底通知", "nobody else could be reached"},
		"escalated":           {"升级", "escalated"},
		"overdue":             {"超时未接单", "not accepted in time"},
		"next_channel":        {"上一渠道失败,换渠道", "the channel before failed"},
		"unseen":              {"未确认已读,换渠道", "not seen yet, next channel"},
		"retry":               {"重试", "tried again"},
		"paged_just_now":      {"刚刚已通知", "was paged just now"},
		"has_accepted":        {"已接单,不再通知", "has accepted already"},
		"nobody_found":        {"该级无人,跳到下一级", "nobody found for this step, next one at once"},
		"nobody_in_estate":    {"本小区无人可通知", "nobody in this estate can be paged"},
		"late":                {"延误,后续级别顺延", "late, the steps after it keep their distance"},
		"resolved":            {"已办结,不再通知", "resolved, nobody is paged any more"},
		"muted":               {"已屏蔽", "muted"},
		"listed_only":         {"仅列入清单,不通知", "listed only, pages nobody"},
		"cleared_by_itself":   {"已自行恢复,不再通知", "cleared by itself, nobody is paged further"},
		"policy_pages_nobody": {"预案未设通知对象", "the policy names nobody"},
	}
}
