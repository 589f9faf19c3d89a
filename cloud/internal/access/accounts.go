package access

import "context"

// Account is one login.
type Account struct {
	Name string
	Role Role
	// Estates bounds the account; empty is all of them.
	Estates []string
	// Staff binds the login to a person; their org, if it is a contractor,
	// bounds what they see.
	Staff        string
	PasswordHash string
	Disabled     bool
	CreatedMS    int64
}

// APIToken is one API token; the secret itself is shown once and not kept.
type APIToken struct {
	ID        string
	Name      string
	Hash      string
	Role      Role
	Estates   []string
	CreatedMS int64
	// ExpiresMS is 0 for a token without end.
	ExpiresMS int64
	RevokedMS int64
}

// Session is one signed-in browser, kept under the hash of its cookie.
type Session struct {
	Hash      string
	Account   string
	CreatedMS int64
	SeenMS    int64
	ExpiresMS int64
}

// Credential lets one edge sign in on the uplink. An edge may have several
// while they are being changed.
type Credential struct {
	ID           string
	Estate, Edge string
	Hash         string
	CreatedMS    int64
}

// Link is what stands behind /a/<token>: one person, one ticket, until it
// expires.
type Link struct {
	Hash     string
	Estate   string
	Ticket   string
	Staff    string
	Delivery string
	// ExpiresMS bounds the harm of a forwarded page.
	ExpiresMS int64
}

// Store keeps accounts and secrets. Methods are safe for concurrent use and
// durable on return; the bool reports whether the row exists.
type Store interface {
	Account(ctx context.Context, name string) (Account, bool, error)
	SaveSession(ctx context.Context, s Session) error
	Session(ctx context.Context, hash string) (Session, bool, error)
	// TouchSession moves SeenMS forward.
	TouchSession(ctx context.Context, hash string, seenMS int64) error
	DropSession(ctx context.Context, hash string) error
	Token(ctx context.Context, hash string) (APIToken, bool, error)
	Credentials(ctx context.Context, estate, edge string) ([]Credential, error)
	Link(ctx context.Context, hash string) (Link, bool, error)
	// LooksAfter returns what the contractor whom this person works for looks
	// after; limited is false for everybody else.
	LooksAfter(ctx context.Context, estates []string, staff string) (devices []string, limited bool, err error)
	// CountTry adds one try to each key and returns their counts; a count
	// whose window (from its first try) is over starts at one again.
	CountTry(ctx context.Context, keys []string, nowMS, windowMS int64) ([]int, error)
	ForgetTries(ctx context.Context, keys []string) error
}
