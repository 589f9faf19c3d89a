package modbussim

import "time"

// Fault is one way in which an answer goes wrong. The zero value is none.
type Fault struct {
	kind      kind
	exception byte
	after     time.Duration
}

type kind uint8

const (
	none kind = iota
	exceptional
	silent
	late
	wrongTransaction
	wrongProtocol
	wrongUnit
	wrongFunction
	wrongCount
	zeroLength
	oversize
	shortFrame
	twice
	drip
	previous
	hangUp
	reset
)

// The faults without a parameter.
var (
	// None answers well; it spaces a script out.
	None = Fault{}
	// Silence: no answer, the connection stays open.
	Silence = Fault{kind: silent}
	// WrongTransaction answers with another transaction id.
	WrongTransaction = Fault{kind: wrongTransaction}
	// WrongProtocol answers with a protocol id that is not 0.
	WrongProtocol = Fault{kind: wrongProtocol}
	// WrongUnit answers in another unit's name.
	WrongUnit = Fault{kind: wrongUnit}
	// WrongFunction answers another function code than was asked.
	WrongFunction = Fault{kind: wrongFunction}
	// WrongCount answers fewer registers than were asked, in a sound frame.
	WrongCount = Fault{kind: wrongCount}
	// ZeroLength says in the header that nothing follows.
	ZeroLength = Fault{kind: zeroLength}
	// Oversize says in the header that more follows than a frame may hold.
	Oversize = Fault{kind: oversize}
	// ShortFrame stops in the middle of the frame and hangs up.
	ShortFrame = Fault{kind: shortFrame}
	// Twice sends the answer two times.
	Twice = Fault{kind: twice}
	// Drip sends the answer byte by byte; all of it arrives.
	Drip = Fault{kind: drip}
	// Previous sends the answer to the request before this one again.
	Previous = Fault{kind: previous}
	// HangUp closes the connection instead of answering.
	HangUp = Fault{kind: hangUp}
	// Reset aborts the connection (RST) instead of answering.
	Reset = Fault{kind: reset}
)

// Exception answers with that exception code.
func Exception(code byte) Fault { return Fault{kind: exceptional, exception: code} }

// Late answers well, but only after d. Requests that come meanwhile wait.
func Late(d time.Duration) Fault { return Fault{kind: late, after: d} }
