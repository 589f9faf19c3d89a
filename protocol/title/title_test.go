package title_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/linshao/linshao/protocol/profiles"
	"github.com/linshao/linshao/protocol/ticket"
	"github.com/linshao/linshao/protocol/title"
)

func ascii(s string) bool { return strings.IndexFunc(s, func(r rune) bool { return r > 127 }) < 0 }

func TestEveryWordStandsInBothLanguages(t *testing.T) {
	t.Parallel()
	check := func(code, zh, en string) {
		if ascii(zh) {
			t.Errorf("%s has no Chinese: %q", code, zh)
		}
		if !ascii(en) || en == "" {
			t.Errorf("%s has no English: %q", code, en)
		}
	}
	for _, f := range title.Faults() {
		check(string(f), title.Fault(f, "zh"), title.Fault(f, "en"))
	}
	for _, s := range []ticket.Severity{ticket.Critical, ticket.Major, ticket.Minor, ticket.Warning} {
		check(string(s), title.Severity(s, "zh"), title.Severity(s, "en"))
	}
	for _, s := range []ticket.State{ticket.Open, ticket.Accepted, ticket.Arrived, ticket.Resolved, ticket.Closed} {
		check(string(s), title.State(s, "zh"), title.State(s, "en"))
	}
	for _, k := range []ticket.Kind{ticket.Raise, ticket.Occur, ticket.Clear, ticket.Accept, ticket.Arrive, ticket.Resolve, ticket.Close, ticket.Reopen, ticket.Transfer, ticket.Escalate, ticket.Comment, ticket.MarkFalseAlarm, ticket.Alias} {
		check(string(k), title.Kind(k, "zh"), title.Kind(k, "en"))
	}
	for _, c := range title.PagingCodes() {
		check(c, title.Paging(c, "zh"), title.Paging(c, "en"))
	}
}

// A fault that a shipped profile names has words.
func TestShippedProfilesSpeakTheVocabulary(t *testing.T) {
	t.Parallel()
	fault := regexp.MustCompile(`fault: ([a-z_]+)`)
	for _, name := range profiles.Names() {
		text, err := profiles.Text(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range fault.FindAllSubmatch(bytes.TrimSpace(text), -1) {
			if f := ticket.Fault(m[1]); ascii(title.Fault(f, "zh")) {
				t.Errorf("%s: fault %s has no words", name, f)
			}
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		title    ticket.Title
		lang, is string
	}{
		{ticket.Title{Code: "entrapment"}, "zh", "电梯困人"},
		{ticket.Title{Code: "overheat", Params: map[string]string{"reason": "above", "metric": "motor_temp", "value": "91.0464", "limit": "85"}}, "en", "Overheating: motor temperature 91.05, above 85"},
		{ticket.Title{Code: "entrapment", Params: map[string]string{"reason": "flag_set", "metric": "trapped"}}, "zh", "电梯困人"},
		{ticket.Title{Code: "door_held", Params: map[string]string{"maintenance": "minor"}}, "zh", "门未关(检修中)"},
		{ticket.Title{Code: "never_seen"}, "en", "never seen"},
		{ticket.Title{Code: "odd", Params: map[string]string{"reason": "above", "metric": "noise", "value": "{limit}", "limit": "3"}}, "zh", "odd:noise {limit},高于 3"},
		{ticket.Title{Code: "door_forced", Params: map[string]string{"reason": "unheard_of"}}, "en", "Door forced open"},
		{ticket.Title{Code: "duress", Params: map[string]string{"neutral": "1"}}, "en", "Please attend"},
		{ticket.Title{Code: "entrapment"}, "fr", "电梯困人"},
	} {
		if got := title.Text(c.title, c.lang); got != c.is {
			t.Errorf("%v in %s: %q, want %q", c.title, c.lang, got, c.is)
		}
	}
}
