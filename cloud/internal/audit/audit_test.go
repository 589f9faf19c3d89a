package audit_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/linshao/linshao/cloud/internal/audit"
)

// book is a Tx in memory.
type book struct {
	head    audit.Head
	entries []audit.Entry
	failing error
}

func (b *book) AuditHead(context.Context, string, string) (audit.Head, error) {
	return b.head, b.failing
}

func (b *book) SaveAudit(_ context.Context, e audit.Entry) error {
	b.entries, b.head = append(b.entries, e), e.Head()
	return nil
}

func written(t testing.TB, n int) *book {
	t.Helper()
	b := &book{}
	for i := range n {
		doc := []byte("document " + strconv.Itoa(i))
		e := audit.Entry{
			Estate: "sunrise", Chain: "ticket-1", AtMS: int64(1000 + i), Ref: strconv.Itoa(i),
			Kind: "accept", ByKind: "staff", By: "li-wei", Digest: audit.Digest(doc),
		}
		if err := audit.Append(t.Context(), b, e); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func wantBroken(t testing.TB, err error, n int64) {
	t.Helper()
	var b *audit.BrokenError
	if !errors.As(err, &b) {
		t.Fatalf("want a broken chain, got %v", err)
	}
	if b.N != n {
		t.Errorf("want the break at %d, got %d: %v", n, b.N, err)
	}
}

func TestAnUntouchedChainHolds(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 5} {
		b := written(t, n)
		if err := audit.Verify(b.entries, b.head); err != nil {
			t.Errorf("%d entries: %v", n, err)
		}
	}
}

func TestEveryFieldIsVouchedFor(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*audit.Entry){
		"estate":  func(e *audit.Entry) { e.Estate = "other" },
		"chain":   func(e *audit.Entry) { e.Chain = "ticket-2" },
		"time":    func(e *audit.Entry) { e.AtMS-- },
		"ref":     func(e *audit.Entry) { e.Ref = "x" },
		"kind":    func(e *audit.Entry) { e.Kind = "arrive" },
		"by kind": func(e *audit.Entry) { e.ByKind = "user" },
		"by":      func(e *audit.Entry) { e.By = "wang-fang" },
		"digest":  func(e *audit.Entry) { e.Digest = audit.Digest(nil) },
		// The border between two fields moves, the bytes in a row do not.
		"border": func(e *audit.Entry) { e.ByKind, e.By = "staffli", "-wei" },
	} {
		b := written(t, 5)
		edit(&b.entries[2])
		t.Run(name, func(t *testing.T) { wantBroken(t, audit.Verify(b.entries, b.head), 3) })
	}
}

func TestAForgedHashBreaksTheNextLink(t *testing.T) {
	t.Parallel()
	b := written(t, 5)
	forged := b.entries[2]
	forged.By = "wang-fang"
	b.entries[2] = audit.Next(b.entries[1].Head(), forged)
	wantBroken(t, audit.Verify(b.entries, b.head), 4)
}

func TestACutOffEndIsFound(t *testing.T) {
	t.Parallel()
	b := written(t, 5)
	wantBroken(t, audit.Verify(b.entries[:3], b.head), 4)
	wantBroken(t, audit.Verify(nil, b.head), 1)
}

func TestTamperingIsAlwaysFound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		b := written(t, rapid.IntRange(2, 12).Draw(rt, "n"))
		i := rapid.IntRange(0, len(b.entries)-1).Draw(rt, "i")
		j := rapid.IntRange(0, len(b.entries)-1).Draw(rt, "j")
		switch rapid.SampledFrom([]string{"delete", "swap", "repeat"}).Draw(rt, "how") {
		case "delete":
			b.entries = slices.Delete(b.entries, i, i+1)
		case "swap":
			if i == j {
				return
			}
			b.entries[i], b.entries[j] = b.entries[j], b.entries[i]
		case "repeat":
			b.entries = slices.Insert(b.entries, i, b.entries[i])
		}
		if audit.Verify(b.entries, b.head) == nil {
			rt.Fatal("not found")
		}
	})
}

func TestDocumentsAreVouchedFor(t *testing.T) {
	t.Parallel()
	b := written(t, 3)
	docs := map[string][]byte{}
	for i := range 3 {
		docs[strconv.Itoa(i)] = []byte("document " + strconv.Itoa(i))
	}
	doc := func(ref string) []byte { return docs[ref] }
	if err := audit.VerifyDocs(b.entries, doc); err != nil {
		t.Error(err)
	}
	docs["1"] = []byte("another time")
	wantBroken(t, audit.VerifyDocs(b.entries, doc), 2)
	delete(docs, "0")
	wantBroken(t, audit.VerifyDocs(b.entries, doc), 1)
}

func TestAppendPassesFailuresOn(t *testing.T) {
	t.Parallel()
	cause := errors.New("disk")
	if err := audit.Append(t.Context(), &book{failing: cause}, audit.Entry{}); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}
