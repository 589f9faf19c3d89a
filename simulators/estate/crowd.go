package estate

// peoplePerHour is how many people pass one gate in each hour of a working
// day, local time: asleep at night, out at eight, home at six.
var peoplePerHour = [24]float64{
	4, 2, 1, 1, 2, 10, 40, 110, 120, 60, 45, 55,
	70, 50, 40, 45, 70, 110, 120, 90, 60, 40, 20, 10,
}

// shanghaiMS is the offset of Asia/Shanghai, which has kept one time since 1991.
const shanghaiMS = 8 * 3600 * 1000

// hourOf is the local hour, 0 to 23, of a Unix time in ms.
func hourOf(ms int64) int {
	return int((ms + shanghaiMS) / 3_600_000 % 24)
}

// passageChance is the chance that somebody passes a gate within one tick.
func passageChance(nowMS int64) float64 {
	return peoplePerHour[hourOf(nowMS)] * TickMS / 3_600_000
}
