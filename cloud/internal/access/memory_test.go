package access_test

import (
	"context"
	"sync"

	"github.com/linshao/linshao/cloud/internal/access"
)

// memory is a Store that forgets.
type memory struct {
	mu       sync.Mutex
	accounts map[string]access.Account
	sessions map[string]access.Session
	tokens   map[string]access.APIToken
	creds    []access.Credential
	links    map[string]access.Link
	orgs     map[string][]string // staff id to what their contractor looks after
	tries    map[string]try
	touches  int
}

type try struct {
	n       int
	firstMS int64
}

var _ access.Store = (*memory)(nil)

func newMemory() *memory {
	return &memory{
		accounts: map[string]access.Account{}, sessions: map[string]access.Session{},
		tokens: map[string]access.APIToken{}, links: map[string]access.Link{},
		orgs: map[string][]string{}, tries: map[string]try{},
	}
}

func (m *memory) Account(_ context.Context, name string) (access.Account, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.accounts[name]
	return a, ok, nil
}

func (m *memory) SaveSession(_ context.Context, s access.Session) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sessions[s.Hash] = s
	return nil
}

func (m *memory) Session(_ context.Context, hash string) (access.Session, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.sessions[hash]
	return s, ok, nil
}

func (m *memory) TouchSession(_ context.Context, hash string, seenMS int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sessions[hash]
	s.SeenMS = seenMS
	m.sessions[hash] = s
	m.touches++
	return nil
}

func (m *memory) DropSession(_ context.Context, hash string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sessions, hash)
	return nil
}

func (m *memory) Token(_ context.Context, hash string) (access.APIToken, bool, error) {
	t, ok := m.tokens[hash]
	return t, ok, nil
}

func (m *memory) Credentials(_ context.Context, estate, edge string) ([]access.Credential, error) {
	var out []access.Credential
	for _, c := range m.creds {
		if c.Estate == estate && c.Edge == edge {
			out = append(out, c)
		}
	}
	return out, nil
}

func (m *memory) Link(_ context.Context, hash string) (access.Link, bool, error) {
	l, ok := m.links[hash]
	return l, ok, nil
}

func (m *memory) LooksAfter(_ context.Context, _ []string, staff string) ([]string, bool, error) {
	d, ok := m.orgs[staff]
	return d, ok, nil
}

func (m *memory) CountTry(_ context.Context, keys []string, nowMS, windowMS int64) ([]int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var counts []int
	for _, k := range keys {
		t := m.tries[k]
		if t.n == 0 || nowMS >= t.firstMS+windowMS {
			t = try{firstMS: nowMS}
		}
		t.n++
		m.tries[k] = t
		counts = append(counts, t.n)
	}
	return counts, nil
}

func (m *memory) ForgetTries(_ context.Context, keys []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range keys {
		delete(m.tries, k)
	}
	return nil
}
