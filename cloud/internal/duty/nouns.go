// Package duty answers one question: who is on duty at an instant, and who is
// next. It is a pure calculation over Rosters, Shifts, Overrides and sign-ons;
// it holds no clock and does no I/O.
package duty

// Post is what a person does in an estate.
type Post string

// The posts.
const (
	Patrol     Post = "patrol"     // 巡逻, the default
	Desk       Post = "desk"       // 服务热线 / 调度台
	Manager    Post = "manager"    // 物业经理
	Maintainer Post = "maintainer" // 维保单位
)

// Channel is one way to reach a person.
type Channel struct {
	// Kind names the Notifier: webhook, stream, mqtt.
	Kind   string `json:"kind" yaml:"kind"`
	URL    string `json:"url,omitempty" yaml:"url,omitempty"`
	Secret string `json:"secret,omitempty" yaml:"secret,omitempty"`
}

// Staff is one person. Personal data stands here and nowhere else; every
// other record refers to the id.
type Staff struct {
	ID          string    `json:"id" yaml:"id"`
	Name        string    `json:"name" yaml:"name"`
	Estate      string    `json:"estate" yaml:"estate"`
	Org         string    `json:"org,omitempty" yaml:"org,omitempty"`
	Phone       string    `json:"phone,omitempty" yaml:"phone,omitempty"`
	Post        Post      `json:"post,omitempty" yaml:"post,omitempty"`
	PartyMember bool      `json:"party_member" yaml:"party_member"`
	Vanguard    bool      `json:"vanguard" yaml:"vanguard"` // 党员先锋岗
	Skills      []string  `json:"skills,omitempty" yaml:"skills,omitempty"`
	Channels    []Channel `json:"channels,omitempty" yaml:"channels,omitempty"`
}

// Shift is a weekly slice of a Roster. To may be "24:00"; To <= From means
// the shift ends on the following day.
type Shift struct {
	ID     string   `json:"id,omitempty" yaml:"id,omitempty"`
	From   string   `json:"from" yaml:"from"` // "HH:MM", estate's local time
	To     string   `json:"to" yaml:"to"`
	Days   []string `json:"days" yaml:"days"`   // mon … sun
	Staff  []string `json:"staff" yaml:"staff"` // staff ids
	Leader string   `json:"leader,omitempty" yaml:"leader,omitempty"`
}

// Roster is a plan of Shifts. With SignOn only those who pressed 上岗 count.
type Roster struct {
	ID     string  `json:"id" yaml:"id"`
	Estate string  `json:"estate" yaml:"estate"`
	SignOn bool    `json:"sign_on" yaml:"sign_on" required:"false"`
	Shifts []Shift `json:"shifts" yaml:"shifts"`
}

// Override replaces Out by In from FromMS until ToMS (half-open). An empty Out
// adds In; an empty In takes Out off duty. Roster empty: all of the estate's.
type Override struct {
	ID     string `json:"id" yaml:"id"`
	Estate string `json:"estate" yaml:"estate"`
	Roster string `json:"roster,omitempty" yaml:"roster,omitempty"`
	Out    string `json:"out,omitempty" yaml:"out,omitempty"`
	In     string `json:"in,omitempty" yaml:"in,omitempty"`
	FromMS int64  `json:"from_ms" yaml:"from_ms"`
	ToMS   int64  `json:"to_ms" yaml:"to_ms"`
	Reason string `json:"reason,omitempty" yaml:"reason,omitempty"`
}

// SignOn is one press of 上岗 (On) or 下岗.
type SignOn struct {
	Estate, Staff string
	AtMS          int64
	On            bool
}

// Plan is everything the answer depends on, for one estate.
type Plan struct {
	Timezone  string
	Staff     []Staff
	Rosters   []Roster
	Overrides []Override
	// SignOns holds the newest press of each person, at most one each.
	SignOns []SignOn
}
