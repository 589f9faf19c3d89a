package fleet

import (
	"encoding/csv"
	"fmt"
	"io"
)

// ReadCredentials reads estate,edge,username,password, one edge a line, the
// first line being those words.
func ReadCredentials(r io.Reader) ([]Credential, error) {
	rows, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	if len(rows) == 0 || len(rows[0]) != 4 || rows[0][0] != "estate" || rows[0][1] != "edge" {
		return nil, fmt.Errorf("read credentials: the first line must be estate,edge,username,password")
	}
	var out []Credential
	for _, row := range rows[1:] {
		out = append(out, Credential{row[0], row[1], row[2], row[3]})
	}
	return out, nil
}

// Shared is n edges that sign in alike, for collectors behind a broker that
// knows no single edges.
func Shared(n int, estate, username, password string) []Credential {
	out := make([]Credential, n)
	for i := range out {
		out[i] = Credential{estate, fmt.Sprintf("fleet-%d", i+1), username, password}
	}
	return out
}
