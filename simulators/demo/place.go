package demo

import (
	"fmt"

	"github.com/linshao/linshao/simulators/estate"
)

// newPlace is the i-th estate of the demo.
func newPlace(i int) *place {
	switch i {
	case 0:
		return sunriseGarden()
	case 1:
		return hepingLi()
	}
	return sampleEstate(i + 1)
}

func sunriseGarden() *place {
	return &place{
		ID: "sunrise-garden", Name: "阳光花园", Edge: "sunrise-1",
		plan: estate.Plan{Devices: []estate.Device{
			gate("gate-east-1", "东门", "3"),
			gate("gate-west-1", "西门", "5"),
			lift("lift-3-1", "3号楼1单元", "3", 1),
			lift("lift-3-2", "3号楼2单元", "3", 2),
			lift("lift-5-1", "5号楼1单元", "5", 3),
			{ID: "robot-1", Kind: estate.Robot, Location: "中心花园"},
		}},
		staff: crew("", "李伟", "li-wei", "刘洋", "liu-yang", "赵敏", "zhao-min",
			"王芳", "wang-fang", "陈洁", "chen-jie", "孙强", "sun-qiang", "钱华", "qian-hua"),
	}
}

func hepingLi() *place {
	return &place{
		ID: "heping-li", Name: "和平里", Edge: "heping-1",
		plan: estate.Plan{Devices: []estate.Device{
			gate("gate-south-1", "南门", "1"),
			lift("lift-1-1", "1号楼1单元", "1", 1),
			lift("lift-2-1", "2号楼1单元", "2", 2),
			{ID: "robot-2", Kind: estate.Robot, Location: "地下车库"},
		}},
		staff: crew("1", "周军", "zhou-jun", "吴磊", "wu-lei", "徐娜", "xu-na",
			"何静", "he-jing", "郭燕", "guo-yan", "高峰", "gao-feng", "林涛", "lin-tao"),
	}
}

// sampleEstate is one more for those who want many.
func sampleEstate(n int) *place {
	id := func(name string) string { return fmt.Sprintf("%s-e%d", name, n) }
	return &place{
		ID: fmt.Sprintf("sample-%d", n), Name: fmt.Sprintf("示范小区%d", n), Edge: fmt.Sprintf("sample-%d-1", n),
		plan: estate.Plan{Devices: []estate.Device{
			gate(id("gate"), "正门", "1"),
			lift(id("lift"), "1号楼1单元", "1", 1),
			{ID: id("robot"), Kind: estate.Robot, Location: "园区"},
		}},
		staff: crew(fmt.Sprint(n), "张岩", id("zhang-yan"), "马丽", id("ma-li"), "胡斌", id("hu-bin"),
			"朱琳", id("zhu-lin"), "罗刚", id("luo-gang"), "梁超", id("liang-chao"), "宋雨", id("song-yu")),
	}
}

func gate(id, location, building string) estate.Device {
	return estate.Device{ID: id, Kind: estate.AccessGate, Location: location, Building: building}
}

func lift(id, location, building string, unit uint8) estate.Device {
	return estate.Device{ID: id, Kind: estate.Elevator, Location: location, Building: building, Unit: unit}
}

// crew is the seven people of an estate, as name and id by turns: vanguard
// member, patrol, leader, manager, desk, maintainer, residents' observer.
func crew(series string, names ...string) []person {
	roles := []person{
		{Post: "patrol", Member: true, Vanguard: true, Skills: []string{"comfort"}},
		{Post: "patrol"},
		{Post: "patrol", Member: true},
		{Post: "manager", Member: true},
		{Post: "desk"},
		{Post: "maintainer", Skills: []string{"lift-rescue"}},
		{},
	}
	for i := range roles {
		roles[i].Name, roles[i].ID = names[2*i], names[2*i+1]
		// 1990000… is not assigned to anybody.
		roles[i].Phone = fmt.Sprintf("1990000%04s", series+fmt.Sprint(i+1))
	}
	return roles
}
